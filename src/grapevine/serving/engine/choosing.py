"""From a question to the list that is shown: candidates, filters, rules, and what is popular."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from grapevine.errors import ConfigError
from grapevine.serving.engine import rules
from grapevine.serving.engine.asked import Asked, Rules
from grapevine.serving.engine.best import best, open_of
from grapevine.serving.engine.catalogue import Catalogue
from grapevine.serving.engine.grown import Stacked
from grapevine.serving.engine.histories import Heard
from grapevine.serving.engine.masks import Allowed, Cache
from grapevine.serving.engine.ways import Question, Scored

POOL = 100
"""Candidates that diversity and calibration choose among, at least; ten times the list if longer,
but never more than..."""
MOST_POOLED = 1000
"""...so many."""
WEIGHED = 32
"""Sets of boosts and buries that are kept made up."""
TRAINED = 100.0
"""What is popular now is counted in users of late; all of training counts as so many of them, by
the share that an item has of it. A shop's first clicks so change little, and its busy days all."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is shown.

    Attributes:
        rows: of the items, best first.
        scores: of the model, one each.
        fallback: as of `Answer`.
    """

    rows: Int64[np.ndarray, " shown"]
    scores: Float32[np.ndarray, " shown"]
    fallback: str


class Chooser:
    """Chooses items for questions about one catalogue.

    Args:
        catalogue: of the run.
        events: `(items,)` how many each item has in training.
        vectors: `(items, width)` by which items are alike; None where the model has none.
        lately: `(items,)` how many users took each of late; nobody did if not given.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        events: Int64[np.ndarray, " items"],
        vectors: "Float32[np.ndarray, 'items width'] | Stacked | None",
        lately: Int64[np.ndarray, " items"] | None = None,
    ) -> None:
        self.catalogue, self.vectors, self.events = catalogue, vectors, events
        taken: np.ndarray = events
        if lately is not None and lately.any():
            taken = lately + TRAINED * events / max(int(events.sum()), 1)
        self.popular = np.argsort(-taken, kind="stable")
        # What speaks for an item where the model says nothing: rules weigh this instead.
        self.crowd = Scored(np.log1p(taken).astype(np.float32))
        self._weighed: Cache[Float32[np.ndarray, " items"]] = Cache(WEIGHED)

    def hidden(self, asked: Asked, seen: np.ndarray | None) -> Set[int]:
        """Rows that this question must not get, whatever the filters let through.

        Args:
            asked: the question.
            seen: what the history holds already; None if that is no matter.
        """
        gone: set[int] = set()
        if seen is not None and (asked.exclude_seen or asked.item_id is not None):
            gone.update(seen.tolist())
        gone.update(self.catalogue.rows(asked.filters.exclude))
        most = asked.rules.most_shown
        if most is not None:
            shown = [item for item, times in asked.shown.items() if times >= most]
            gone.update(self.catalogue.rows(shown))
        return gone

    def allowed(self, asked: Asked) -> Allowed | None:
        """What the filters let through; None for all."""
        allowed = self.catalogue.allowed(asked.filters)
        if asked.filters.only is None:
            return allowed
        listed = np.zeros(len(self.catalogue), bool)
        listed[self.catalogue.rows(asked.filters.only)] = True
        return Allowed.of(listed if allowed is None else listed & allowed.mask)

    def candidates(
        self,
        asked: Asked,
        question: Question,
        allowed: Allowed | None,
        hidden: Set[int],
        *,
        cold: bool = False,
    ) -> Chosen:
        """The best before any rule but boosts and buries: as many as the rules want to see.

        Args:
            asked: the question.
            question: the same, read.
            allowed: what the filters let through; None for all.
            hidden: rows that must not be shown.
            cold: nothing is known of whoever asks, so that what is popular now is all there is.
        """
        wanted = asked.k
        if asked.rules.diversity or asked.rules.calibration:
            wanted = min(max(POOL, 10 * asked.k), MOST_POOLED)
        # One more than wanted tells whether the choice of the last was arbitrary.
        rows, scores = question.best(wanted + 1, allowed, hidden)
        alike = cold or (len(rows) > 1 and scores[0] == scores[min(len(scores), asked.k + 1) - 1])
        if asked.rules.boost or asked.rules.bury:
            nothing = cold or (alike and np.ptp(question.whole()) == 0)
            by = self.crowd if nothing else question
            rows = self._moved(asked.rules, by, wanted, allowed, hidden)
            return Chosen(rows, question.scores(rows), "popular" if nothing else "")
        if alike:
            tied = None if cold else float(scores[0])
            return self._popular(question, wanted, allowed, hidden, tied)
        return Chosen(rows[:wanted], scores[:wanted], "")

    def arranged(self, asked: Asked, question: Question, heard: Heard, found: Chosen) -> Chosen:
        """The candidates in the order in which they are shown, and what is pinned."""
        wants, rows = asked.rules, found.rows
        if (wants.diversity or wants.calibration) and len(rows):
            by = self.crowd if found.fallback else question
            rows = rows[self._rearranged(asked, by, heard, rows)]
        rows = rows[: asked.k]
        if wants.pin:
            pins = self._pins(asked)
            rows = np.array(rules.pinned(rows.tolist(), pins, asked.k), np.int64)
        if rows is found.rows:
            return found
        if len(rows) == asked.k and np.array_equal(rows, found.rows[: asked.k]):
            return Chosen(rows, found.scores[: asked.k], found.fallback)
        return Chosen(rows, question.scores(rows), found.fallback)

    def instead(
        self,
        asked: Asked,
        row: int,
        alike: Int64[np.ndarray, " alike"],
        found: Chosen,
        allowed: Allowed | None,
        hidden: Set[int],
    ) -> Chosen:
        """Beside an item that the model knows nothing of: what is alike, then what is popular.

        Args:
            asked: the question.
            row: of the item.
            alike: rows of items that are alike in content, the nearest first.
            found: what there is otherwise.
            allowed: what the filters let through; None for all.
            hidden: rows that must not be shown.
        """
        code = self.catalogue.category[row]
        same = self.popular[self.catalogue.category[self.popular] == code]
        beside = same if code >= 0 else same[:0]
        rows = np.array(list(dict.fromkeys([*alike.tolist(), *beside.tolist()])), np.int64)
        wanted = max(asked.k, len(found.rows))
        rows = self._open(rows, wanted, allowed, hidden)
        if not len(rows):
            return found
        score = float(found.scores[0]) if len(found.scores) else 0.0
        near = np.isin(rows[0], alike)
        return Chosen(
            rows, np.full(len(rows), score, np.float32), "content" if near else "category"
        )

    def _popular(
        self,
        question: Question,
        k: int,
        allowed: Allowed | None,
        hidden: Set[int],
        tied: float | None,
    ) -> Chosen:
        """What most people take, of all that the model cannot tell apart.

        Args:
            question: what is asked.
            k: how many.
            allowed: what the filters let through; None for all.
            hidden: rows that must not be shown.
            tied: the score that they share; None for all items.
        """
        rows = self.popular
        if tied is not None:
            rows = rows[question.whole()[rows] == tied]
        rows = self._open(rows, k, allowed, hidden)
        return Chosen(rows, question.scores(rows), "popular")

    def _open(
        self,
        rows: Int64[np.ndarray, " rows"],
        k: int,
        allowed: Allowed | None,
        hidden: Set[int],
    ) -> Int64[np.ndarray, " found"]:
        """The first k of these rows that may be shown."""
        if allowed is not None:
            rows = rows[allowed.mask[rows]]
        rows = rows[: k + len(hidden)]
        return rows[open_of(rows, hidden)][:k] if hidden else rows[:k]

    def _moved(
        self,
        wants: Rules,
        question: Question,
        count: int,
        allowed: Allowed | None,
        hidden: Set[int],
    ) -> Int64[np.ndarray, " found"]:
        """The best with what boosts and buries add, of all items: none is missed for being low."""
        mean, deviation = question.moments()
        value = rules.standard(question.whole(), mean, deviation).astype(np.float32)
        value += self._added(wants)
        return best(value, count, None if allowed is None else allowed.mask, hidden)[0]

    def _added(self, wants: Rules) -> Float32[np.ndarray, " items"]:
        """What boosts and buries add to each item, kept made up."""
        weighed = tuple((one.where, one.added) for one in (*wants.boost, *wants.bury))
        return self._weighed.of(weighed, lambda: self.catalogue.weights(weighed))

    def _rearranged(
        self, asked: Asked, question: Question, heard: Heard, rows: np.ndarray
    ) -> Int64[np.ndarray, " chosen"]:
        wants, catalogue = asked.rules, self.catalogue
        value = rules.standard(question.scores(rows), *question.moments())
        if wants.boost or wants.bury:
            value = value + self._added(wants)[rows]
        similar = wished = None
        codes = catalogue.category[rows]
        if wants.diversity:
            if self.vectors is not None:
                similar = rules.by_vectors(self.vectors[rows])
            elif catalogue.categories:
                similar = rules.by_category(codes)
            else:
                raise ConfigError(
                    "this run cannot tell which items are alike: it has no vectors and no category",
                    hint="leave diversity out, or import items with a category",
                )
        if wants.calibration:
            if not catalogue.categories:
                raise ConfigError(
                    "there is nothing to calibrate by: the catalogue tells no category",
                    hint="leave calibration out, or import items with a category",
                )
            wished = rules.shares_of(catalogue.category[heard.items], len(catalogue.categories))
        return rules.rearranged(
            rules.between(value), asked.k, similar=similar, diversity=wants.diversity,
            codes=codes, wished=wished, calibration=wants.calibration,
        )  # fmt: skip

    def _pins(self, asked: Asked) -> list[tuple[int, int]]:
        """Rows and ranks of what is pinned, as far as filters and the cap let it through.

        That it was seen is no matter: whoever pins an item wants it looked at.
        """
        allowed = self.allowed(asked)
        hidden = self.hidden(asked, None)
        found: list[tuple[int, int]] = []
        for item_id, rank in asked.rules.pin:
            row = self.catalogue.row_of.get(str(item_id))
            if row is None or row in hidden or (allowed is not None and not allowed.mask[row]):
                continue
            found.append((row, rank))
        return found
