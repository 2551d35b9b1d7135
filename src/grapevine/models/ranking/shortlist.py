"""What the first stage brings: the best of its scores, in order, and where an item stands there.

Q = questions, I = items, C = candidates, S = items that are asked about
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Int64, Shaped

from grapevine.data.interactions import Interactions
from grapevine.models.ranking.config import Config
from grapevine.structs.batch import Batch

COLUMNS = 4
"""Numbers that tell where an item stands."""


@dataclass(frozen=True, slots=True)
class Shortlist:
    """The candidates of some questions, the retriever's best first.

    Attributes:
        items: `(Q, C)` item rows; -1 where there are no more.
        scores: `(Q, C)` as the retriever has it; 0 beside -1.
    """

    items: Int64[np.ndarray, "queries candidates"]
    scores: Float32[np.ndarray, "queries candidates"]

    @classmethod
    def of(
        cls,
        scores: Float32[np.ndarray, "queries items"],
        order: Int64[np.ndarray, " able"],
        most: int,
    ) -> "Shortlist":
        """The best items of each row.

        Args:
            scores: of all items; -inf is never a candidate.
            order: the items that may be candidates, such as by popularity: of equals those that
                come first here are taken, and come first.
            most: C.
        """
        size = min(most, len(order))
        if not size or not len(scores):
            shape = (len(scores), size)
            return cls(np.full(shape, -1, np.int64), np.zeros(shape, np.float32))
        able = scores[:, order]
        least = np.partition(able, len(order) - size, axis=1)[:, [len(order) - size]]
        above, equal = able > least, able == least
        wanted = size - above.sum(1, keepdims=True)
        taken = above | (equal & (np.cumsum(equal, 1) <= wanted))
        columns = np.nonzero(taken)[1].reshape(len(scores), size)
        found = np.take_along_axis(able, columns, 1)
        falling = np.argsort(-found, axis=1, kind="stable")
        found = np.take_along_axis(found, falling, 1)
        items = order[np.take_along_axis(columns, falling, 1)]
        there = np.isfinite(found)
        return cls(np.where(there, items, -1), np.where(there, found, 0).astype(np.float32))

    def places(
        self, items: Int64[np.ndarray, "queries asked"]
    ) -> Int64[np.ndarray, "queries asked"]:
        """Where each item stands in its question's list; -1 where it does not."""
        same = (items[:, :, None] == self.items[:, None, :]) & (items[:, :, None] >= 0)
        there = same.any(2)
        if not same.shape[2]:
            return np.full(items.shape, -1, np.int64)
        return np.where(there, same.argmax(2), -1)

    @property
    def size(self) -> Float32[np.ndarray, " queries"]:
        """`(Q,)` the root mean square of each list's scores; 1 where that is 0."""
        count = np.maximum((self.items >= 0).sum(1), 1)
        size = np.sqrt(np.square(self.scores, dtype=np.float64).sum(1) / count)
        return np.where(size > 0, size, 1).astype(np.float32)

    def told(
        self, places: Int64[np.ndarray, "queries asked"], most: int
    ) -> Float32[np.ndarray, "queries asked four"]:
        """What the retriever said of items, as numbers of about 1.

        Whether it brought the item at all, and if so: its score beside those of the list, its score
        as it is, by its logarithm, and its place, likewise. The last three are 0 where it did not.

        Args:
            places: in the lists; -1 for an item that is not there.
            most: C, for which the place counts 0.
        """
        return numbers_of(places, self._at(places), self.size[:, None], most)

    def _at(self, places: Int64[np.ndarray, "queries asked"]) -> Shaped[np.ndarray, "..."]:
        if not self.scores.shape[1]:
            return np.zeros(places.shape, np.float32)
        return np.take_along_axis(self.scores, np.maximum(places, 0), 1)


def asked_once(batch: Batch, num_items: int) -> Batch:
    """The same questions, in whose histories each item stands once: see `Interactions.once`.

    Args:
        batch: the questions; what nobody can name is left out.
        num_items: I.
    """
    named = batch.items >= 0
    history = batch.history.where(named)
    events = Interactions(
        history.offsets, history.values, batch.behaviours[named], batch.times[named], num_items
    ).once()
    return replace(
        batch, offsets=events.offsets, items=events.items, behaviours=events.behaviours,
        times=events.times,
    )  # fmt: skip


def among(
    scores: Float32[np.ndarray, "queries items"],
    batch: Batch,
    order: Int64[np.ndarray, " able"],
    config: Config,
) -> Shortlist:
    """The candidates of some questions.

    Args:
        scores: of the retriever, of all items.
        batch: the questions.
        order: the items that may be candidates: see `Shortlist.of`.
        config: how many there are, and whether what was met is among them.
    """
    if config.once:
        scores = scores.copy()
        known = batch.items >= 0
        query = np.repeat(np.arange(len(batch)), np.diff(batch.offsets))
        scores[query[known], batch.items[known]] = -np.inf
    return Shortlist.of(scores, order, config.candidates)


def numbers_of(
    places: Int64[np.ndarray, "queries asked"],
    scores: Float32[np.ndarray, "queries asked"],
    size: Float32[np.ndarray, "queries one"],
    most: int,
) -> Float32[np.ndarray, "queries asked four"]:
    """As `Shortlist.told`, of scores that were kept without the list they stood in."""
    there = places >= 0
    rank = 1 - np.log1p(np.maximum(places, 0)) / np.log1p(most)
    raw = np.sign(scores) * np.log1p(np.abs(scores))
    beside = np.clip(scores / size, -10, 10)
    told = np.stack([np.ones(places.shape), beside, raw, rank], 2) * there[:, :, None]
    return told.astype(np.float32)
