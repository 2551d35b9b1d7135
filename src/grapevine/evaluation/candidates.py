"""What competes with the targets: every item, sampled negatives, or published lists.

Sampled metrics order models otherwise than full ones do (Krichene & Rendle, KDD 2020): they are
here for comparison with tables of the same protocol, and every report says so.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from grapevine import random
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.structs.jagged import Jagged

SAMPLED_WARNING = (
    "sampled metrics (`{name}`): they can put models in another order than full ranking does, so "
    "compare them only with tables of the same protocol (Krichene & Rendle, KDD 2020)"
)


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """What competes with the targets of each query.

    Attributes:
        name: "all", "uniform-100", "popular-100", ..., "published".
        number: how many negatives are drawn for each query.
        share: `(items,)` rising sums of the chance of each item to be drawn, or None.
        fixed: published lists, one a query, or None.
        seed: for the draws.
        queries: `(queries,)` number of each query in the whole holdout, which names its draws, so
            that a sample of the queries gets the negatives it has in the whole.
    """

    name: str = "all"
    number: int = 0
    share: Float64[np.ndarray, " items"] | None = None
    fixed: Jagged | None = None
    seed: int = 0
    queries: Int64[np.ndarray, " queries"] | None = None

    @property
    def everything(self) -> bool:
        """Whether every item competes."""
        return self.share is None and self.fixed is None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a report must say about this protocol."""
        return () if self.everything else (SAMPLED_WARNING.format(name=self.name),)

    def lists(self, targets: Jagged, seen: Jagged, first: int) -> Jagged:
        """Rising item rows of each query's candidates, its targets included, what it saw not.

        Args:
            targets: of a block of queries.
            seen: what they may not be shown.
            first: place of the block's first query.
        """
        found = []
        for place, (wanted, met) in enumerate(zip(targets, seen, strict=True), start=first):
            wanted = wanted[wanted >= 0]
            others = self._others(place, np.concatenate([wanted, met]))
            found.append(np.setdiff1d(np.concatenate([wanted, others]), met))
        return Jagged.from_lists(found)

    def _others(self, place: int, forbidden: Int32[np.ndarray, " met"]) -> np.ndarray:
        if self.fixed is not None:
            others = self.fixed[place]
            return others[others >= 0]
        assert self.share is not None
        query = place if self.queries is None else int(self.queries[place])
        return _draw(self.share, self.number, forbidden, random.stream(self.seed, self.name, query))


ALL = Candidates()


def candidates_of(
    candidates: str | Jagged,
    train: Dataset,
    *,
    queries: Int64[np.ndarray, " queries"],
    seed: int = 0,
) -> Candidates:
    """The protocol of this name, or with these lists.

    Args:
        candidates: "all"; "uniform-N" or "popular-N" for N negatives drawn for each query, every
            item alike or in proportion to its training events; or lists of item rows.
        train: tells what is popular.
        queries: number of each query in the whole holdout.
        seed: for the draws.

    Raises:
        ConfigError: there is no such protocol, or the lists do not fit the queries.
    """
    if isinstance(candidates, Jagged):
        if len(candidates) <= queries.max(initial=-1):
            raise ConfigError(
                f"{len(candidates)} lists of candidates for {queries.max() + 1} queries"
            )
        return Candidates(name="published", fixed=candidates.take(queries))
    kind, _, number = candidates.partition("-")
    if candidates == "all":
        return ALL
    if kind not in {"uniform", "popular"} or not number.isdecimal() or int(number) == 0:
        raise ConfigError(
            f"no candidate protocol is called `{candidates}`",
            hint="choose all, uniform-N or popular-N, such as popular-100",
        )
    weights = np.ones(len(train.items)) if kind == "uniform" else train.target_interactions.counts()
    return Candidates(
        name=candidates,
        number=int(number),
        share=np.cumsum(weights / max(weights.sum(), 1)),
        seed=seed,
        queries=queries,
    )


def gather(
    scores: Float32[np.ndarray, "queries items"], lists: Jagged, targets: Jagged
) -> tuple[Int32[np.ndarray, "queries width"], Float32[np.ndarray, "queries width"], Jagged]:
    """The candidates' columns alone, side by side: item rows, scores (-inf fills up), targets.

    Args:
        scores: of all items.
        lists: rising item rows of each query's candidates.
        targets: item rows; one that is not a candidate becomes -1.
    """
    num_items, width = scores.shape[1], int(lists.lengths.max(initial=0))
    inside = np.arange(width) < lists.lengths[:, None]
    columns = np.zeros((len(lists), width), np.int32)
    columns[inside] = lists.values
    block = np.where(inside, np.take_along_axis(scores, columns.astype(np.int64), 1), -np.inf)
    keys = np.repeat(np.arange(len(lists)), lists.lengths) * num_items + lists.values
    query = np.repeat(np.arange(len(targets)), targets.lengths)
    wanted = query * num_items + targets.values
    place = np.searchsorted(keys, wanted)
    known = (targets.values >= 0) & (np.append(keys, -1)[place] == wanted)
    places = np.where(known, place - lists.offsets[query], -1).astype(np.int32)
    return columns, block.astype(np.float32, copy=False), Jagged(targets.offsets, places)


def _draw(
    share: Float64[np.ndarray, " items"],
    number: int,
    forbidden: Int32[np.ndarray, " met"],
    rng: np.random.Generator,
) -> Int64[np.ndarray, " drawn"]:
    """Distinct items drawn one after another in proportion to their share, none forbidden."""
    chance = np.diff(share, prepend=0.0)
    possible = np.count_nonzero(chance) - np.count_nonzero(chance[np.unique(forbidden)])
    if possible <= 4 * number:
        return _draw_from_all(chance, min(number, int(possible)), forbidden, rng)
    drawn = np.empty(0, np.int64)
    for _ in range(64):
        more = np.searchsorted(share, rng.random(2 * number) * share[-1], side="right")
        drawn = np.concatenate([drawn, more[~np.isin(more, forbidden)]])
        # The first time an item comes up counts: drawing without replacement.
        drawn = drawn[np.sort(np.unique(drawn, return_index=True)[1])]
        if len(drawn) >= number:
            return drawn[:number]
    return _draw_from_all(chance, number, forbidden, rng)


def _draw_from_all(
    chance: Float64[np.ndarray, " items"],
    number: int,
    forbidden: Int32[np.ndarray, " met"],
    rng: np.random.Generator,
) -> Int64[np.ndarray, " drawn"]:
    """The same draw by exponential races (Efraimidis & Spirakis 2006): certain to end."""
    arrival = rng.exponential(size=len(chance))
    with np.errstate(divide="ignore"):
        arrival = arrival / chance
    arrival[forbidden] = np.inf
    return np.argsort(arrival, kind="stable")[:number]
