"""How scores come about: products of two vectors, searched; or all of them, ranked."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from jaxtyping import Bool, Float32, Int64

from grapevine.index.vector_index import VectorIndex
from grapevine.models.base import Model
from grapevine.serving.engine.asking import Asking
from grapevine.serving.engine.best import best, best_of, open_of
from grapevine.serving.engine.histories import Heard
from grapevine.serving.engine.masks import Allowed

SPARE = 8
"""Of the hidden items, such as those seen, so many are expected among the best. Where there are
more, the search is done again for as many as there are: rarely, and most of each is saved."""
Rows = Int64[np.ndarray, " found"]
Scores = Float32[np.ndarray, " found"]


class Question(Protocol):
    """A history that was read, to be asked for items."""

    def best(self, count: int, allowed: Allowed | None, hidden: Set[int]) -> tuple[Rows, Scores]:
        """The best items that are allowed and not hidden, best first; equals by rising row."""
        ...

    def scores(self, rows: Rows) -> Scores:
        """The scores of these items."""
        ...

    def whole(self) -> Float32[np.ndarray, " items"]:
        """The scores of all items."""
        ...

    def moments(self) -> tuple[float, float]:
        """Mean and deviation of the scores over the catalogue."""
        ...


class Way(Protocol):
    """How a model's scores come about."""

    def question(self, heard: Heard) -> Question:
        """Read a history."""
        ...

    def questions(self, heard: Sequence[Heard]) -> Sequence[Question]:
        """Read several, at least one, together where that saves anything."""
        ...

    def look(self, questions: Sequence[Any], count: int) -> None:
        """Search for several questions of this way at once, where that saves anything.

        Each is then asked for the best of all items, as many or a little more.
        """
        ...


@dataclass(frozen=True)
class Products:
    """Scores that are products: a vector is asked, and an index finds its nearest.

    Attributes:
        asking: what makes the vector.
        index: of the items' vectors, in the order of their rows.
        exact: whether all vectors are looked at, rather than the index asked.
        mean: `(width,)` of the items' vectors.
        spread: `(width, width)` their covariance.
    """

    asking: Asking
    index: VectorIndex
    exact: bool
    mean: Float32[np.ndarray, " width"]
    spread: Float32[np.ndarray, "width width"]

    @classmethod
    def of(cls, asking: Asking, index: VectorIndex) -> "Products":
        """The way of an index."""
        vectors = index.vectors
        mean = vectors.mean(0, dtype=np.float64)
        # Blocks, so that no second table of doubles is held.
        square = np.zeros((vectors.shape[1],) * 2)
        for start in range(0, len(vectors), 1 << 16):
            block = vectors[start : start + (1 << 16)].astype(np.float64) - mean
            square += block.T @ block
        spread = square / max(len(vectors), 1)
        exact = index.settings.kind == "flat"
        return cls(asking, index, exact, mean.astype(np.float32), spread.astype(np.float32))

    def question(self, heard: Heard) -> "Asks":
        """Read a history."""
        return Asks(self, self.asking.ask(heard))

    def questions(self, heard: Sequence[Heard]) -> "list[Asks]":
        """Read several histories."""
        return [Asks(self, vector) for vector in self.asking.ask_all(heard)]

    def look(self, questions: "Sequence[Asks]", count: int) -> None:
        """As `Way`: one search of the index for all."""
        if self.exact or count + SPARE > len(self.index.vectors) // 4:
            return
        vectors = np.stack([one.vector for one in questions])
        found = self.index.search(vectors, count + SPARE, threads=1)
        for one, rows, scores in zip(questions, found.items, found.scores):
            one.found.append((rows, scores))


@dataclass(frozen=True, slots=True)
class Asks:
    """A vector that asks.

    Attributes:
        way: whose.
        vector: `(width,)`.
        found: the best of all items and their scores, where they were searched for already.
    """

    way: Products
    vector: Float32[np.ndarray, " width"]
    found: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    def best(self, count: int, allowed: Allowed | None, hidden: Set[int]) -> tuple[Rows, Scores]:
        """As `Question`: few that are allowed are looked at, of many the index finds the best."""
        vectors = self.way.index.vectors
        if allowed is not None and allowed.rows is not None:
            return best_of(vectors[allowed.rows] @ self.vector, allowed.rows, count, hidden)
        wanted = count + len(hidden)
        if self.way.exact or wanted > len(vectors) // 4:
            return best(vectors @ self.vector, count, _mask(allowed), hidden)
        for rows, scores in self._searched(count, wanted, allowed):
            keep = rows >= 0
            if hidden:
                keep &= open_of(rows, hidden)
            if np.count_nonzero(keep) >= count or len(rows) >= wanted:
                return rows[keep][:count].astype(np.int64), scores[keep][:count]
        raise AssertionError("the widest search is the last")

    def _searched(
        self, count: int, wanted: int, allowed: Allowed | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The best that are allowed: first as if few of them were hidden, then as if all were."""
        if allowed is None:
            yield from self.found
        first = min(count + SPARE, wanted)
        for size in (first, wanted) if first < wanted else (wanted,):
            if allowed is not None or not any(len(rows) >= size for rows, _ in self.found):
                found = self.way.index.search(
                    self.vector[None], size, allow=_mask(allowed), threads=1
                )
                yield found.items[0], found.scores[0]

    def scores(self, rows: Rows) -> Scores:
        """As `Question`."""
        return self.way.index.vectors[rows] @ self.vector

    def whole(self) -> Float32[np.ndarray, " items"]:
        """As `Question`."""
        return self.way.index.vectors @ self.vector

    def moments(self) -> tuple[float, float]:
        """As `Question`: of products they follow from those of the vectors."""
        variance = float(self.vector @ self.way.spread @ self.vector)
        return float(self.way.mean @ self.vector), max(variance, 0.0) ** 0.5


@dataclass(frozen=True, slots=True)
class Whole:
    """Scores that a model tells of all items at once.

    Attributes:
        model: which.
    """

    model: Model

    def question(self, heard: Heard) -> "Scored":
        """Read a history."""
        return Scored(np.asarray(self.model.score(heard.batch()))[0])

    def questions(self, heard: Sequence[Heard]) -> "list[Scored]":
        """Read several histories, one after another: the scores of all items are many."""
        return [self.question(one) for one in heard]

    def look(self, questions: "Sequence[Scored]", count: int) -> None:
        """Nothing: each has all its scores."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The scores of all items for one history.

    Attributes:
        all: `(items,)`.
    """

    all: Float32[np.ndarray, " items"]

    def best(self, count: int, allowed: Allowed | None, hidden: Set[int]) -> tuple[Rows, Scores]:
        """As `Question`."""
        return best(self.all, count, _mask(allowed), hidden)

    def scores(self, rows: Rows) -> Scores:
        """As `Question`."""
        return self.all[rows]

    def whole(self) -> Float32[np.ndarray, " items"]:
        """As `Question`."""
        return self.all

    def moments(self) -> tuple[float, float]:
        """As `Question`; items that are never shown (-inf) have no part in it."""
        told = self.all[np.isfinite(self.all)]
        return (float(told.mean()), float(told.std())) if len(told) else (0.0, 0.0)


def _mask(allowed: Allowed | None) -> Bool[np.ndarray, " items"] | None:
    return None if allowed is None else allowed.mask
