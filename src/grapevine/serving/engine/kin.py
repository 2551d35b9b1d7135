"""Where an item stands that no model was trained on: among its nearest, by content and by events.

Such an item scores what its kin scores: a weighted mean of the scores of items that the model
knows. Where scores are products that is the product with the weighted mean of their vectors, so
that one mechanism serves every model. Content gives the first kin; each user who takes the item
gives what else they took, and `PRIOR` users count as much as content does. A model that makes
vectors of features by itself (`Inductive`) gives the item its own instead of its kin by content.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int32, Int64
from scipy import sparse

from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.models.base import Inductive
from grapevine.models.pinsage.alike import most_met
from grapevine.models.run import Run

KIN = 10
"""Items that a new one stands among."""
PRIOR = 5.0
"""Users who count as much as content: what nobody took stands by content alone."""
BUCKETS = 1 << 16
"""How many words are told apart."""


@dataclass(frozen=True)
class Placed:
    """Where new items stand, one row each.

    Attributes:
        kin: `(items, KIN)` rows of the run, the nearest first; -1 where there are fewer.
        shares: `(items, KIN)` how much each counts; they add up to one, or are all zero.
        own: `(items, width)` the vectors that the model made; None where it makes none.
        how: by what each stands: "features", "content", "events", "content and events", or "".
    """

    kin: Int32[np.ndarray, "items kin"]
    shares: Float32[np.ndarray, "items kin"]
    own: Float32[np.ndarray, "items width"] | None
    how: list[str]

    def __len__(self) -> int:
        return len(self.how)

    def take(self, places: Sequence[int]) -> "Placed":
        """Some of them."""
        rows = np.array(places, np.int64)
        own = None if self.own is None else self.own[rows]
        return Placed(self.kin[rows], self.shares[rows], own, [self.how[one] for one in places])

    def and_(self, more: "Placed") -> "Placed":
        """These, then more."""
        own = None
        if self.own is not None and more.own is not None:
            own = np.concatenate([self.own, more.own])
        return Placed(
            np.concatenate([self.kin, more.kin]), np.concatenate([self.shares, more.shares]),
            own, [*self.how, *more.how],
        )  # fmt: skip

    def mixes(self, items: int) -> Any:
        """`(new items, items)` sparse: the share of each item of the run in each new one."""
        rows, places = np.nonzero(self.shares)
        return sparse.csr_matrix(
            (self.shares[rows, places], (rows, self.kin[rows, places])), (len(self), items)
        )

    @cached_property
    def stands(self) -> Bool[np.ndarray, " items"]:
        """Which of them stand anywhere; the others cannot be scored."""
        some = self.shares.sum(1) > 0
        return some if self.own is None else np.ones(len(self), bool)


class Kin:
    """Finds where items stand among those of a run. Safe in threads.

    What content is, is made when it is first asked for: a run whose catalogue does not change
    never needs it.

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.met: Bool[np.ndarray, " items"] = run.history.counts() > 0

    def place(
        self,
        table: pl.DataFrame,
        beside: Sequence[Mapping[int, float]],
        vectors: Float32[np.ndarray, "items width"] | None,
    ) -> Placed:
        """Where new items stand.

        Args:
            table: a line for each, with the columns of the run's catalogue.
            beside: of each, how much of its users goes to each item of the run.
            vectors: of the run's items, for a model that makes its own.
        """
        kin = np.full((len(table), KIN), -1, np.int32)
        shares = np.zeros(kin.shape, np.float32)
        own = None
        model = self.run.model
        if vectors is not None and isinstance(model, Inductive):
            own = np.ascontiguousarray(model.vectors_of(table), np.float32)
        alike = self.nearest(table, KIN)
        how = list[str]()
        for place, ((rows, near), others) in enumerate(zip(alike, beside, strict=True)):
            met = {row: weight for row, weight in others.items() if self.met[row]}
            weight = sum(met.values())
            prior = PRIOR if own is not None or len(rows) else 0.0
            content = prior / (prior + weight) if weight else 1.0
            events = {row: (1 - content) * one / weight for row, one in met.items()}
            if own is not None and vectors is not None and met:
                heard = sum(share * vectors[row] for row, share in events.items())
                own[place] = content * own[place] + heard
            mixed = dict.fromkeys(rows.tolist(), 0.0)
            for row, share in zip(rows.tolist(), near.tolist()):
                mixed[row] += content * share
            for row, share in events.items():
                mixed[row] = mixed.get(row, 0.0) + share
            best = sorted(mixed.items(), key=lambda one: (-one[1], one[0]))[:KIN]
            total = sum(share for _, share in best)
            for column, (row, share) in enumerate(best):
                kin[place, column], shares[place, column] = row, share / total
            how.append(_how(own is not None, bool(len(rows)), bool(met)))
        return Placed(kin, shares, own, how)

    def nearest(
        self, table: pl.DataFrame, most: int
    ) -> list[tuple[Int64[np.ndarray, " rows"], Float32[np.ndarray, " rows"]]]:
        """Of each line the items that are most alike in content, and their shares.

        Args:
            table: items with the columns of the catalogue.
            most: how many; they are among those that training met, the most met if they are many.
        """
        nobody = (np.empty(0, np.int64), np.empty(0, np.float32))
        if self._content is None or not len(self._candidates):
            return [nobody] * len(table)
        asked = self._content.rows(table)
        found = list[tuple[np.ndarray, np.ndarray]]()
        for row in range(len(table)):
            near = (self._content.items @ asked[row].T).toarray().ravel()
            keep = min(most, len(near))
            best = np.argpartition(-near, keep - 1)[:keep]
            best = best[near[best] > 0]
            best = best[np.lexsort((best, -near[best]))]
            shares = near[best] / max(float(near[best].sum()), 1e-12)
            found.append((self._candidates[best], shares.astype(np.float32)))
        return found

    @cached_property
    def _candidates(self) -> Int64[np.ndarray, " candidates"]:
        return most_met(self.run.history.counts())

    @cached_property
    def _content(self) -> "_Content | None":
        return _Content.of(self.run, self._candidates)


@dataclass(frozen=True)
class _Content:
    """What a catalogue says of items, see `views.content.side_by_side`.

    Attributes:
        view: how features are seen.
        rarity: how much each of them counts.
        items: of those looked among, sparse rows of length one.
    """

    view: Any
    rarity: Any
    items: Any

    @classmethod
    def of(cls, run: Run, rows: Int64[np.ndarray, " some"]) -> "_Content | None":
        """The content of some items of a run; None where its catalogue tells nothing but IDs."""
        from grapevine.views.content import rarity_of
        from grapevine.views.features import KINDS, FeatureView

        seen = Dataset(
            schema=run.schema, users=run.users, items=run.items, interactions=run.history,
            item_table=run.item_table,
        )  # fmt: skip
        try:
            use = [kind for kind in KINDS if kind not in {"image", "degree"}]
            view = FeatureView.fit(seen, use=use, buckets=BUCKETS)
        except ConfigError:
            return None
        rarity = rarity_of(view.encode(run.item_table), BUCKETS)
        return cls(view, rarity, cls(view, rarity, None).rows(run.item_table[rows]))

    def rows(self, table: pl.DataFrame) -> Any:
        """The same of any items."""
        from grapevine.views.content import side_by_side

        features = self.view.encode(table)
        found = side_by_side(features, self.rarity, buckets=BUCKETS, degree=False)
        return found.tocsr()


def _how(own: bool, content: bool, events: bool) -> str:
    first = "features" if own else "content" if content else ""
    return " and ".join(one for one in (first, "events" if events else "") if one)
