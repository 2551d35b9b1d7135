"""Scores of a run's items and of those that came since, from one reading of a history.

N = items of the run, M = items that came since
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from grapevine.serving.engine.best import best
from grapevine.serving.engine.histories import Heard
from grapevine.serving.engine.kin import Placed
from grapevine.serving.engine.masks import Allowed
from grapevine.serving.engine.ways import Asks, Products, Question, Rows, Scores, Way


@dataclass(frozen=True)
class Grown:
    """A way over more items: the run's own answer as before, the others by where they stand.

    Attributes:
        way: of the run's own.
        items: N.
        placed: where the others stand.
    """

    way: Way
    items: int
    placed: Placed

    @cached_property
    def vectors(self) -> Float32[np.ndarray, "new width"] | None:
        """Of the new items, where scores are products: the model's own, or the mean of the kin."""
        if not isinstance(self.way, Products):
            return None
        if self.placed.own is not None:
            return self.placed.own
        return mixed(self.placed, self.way.index.vectors)

    @cached_property
    def mixes(self) -> Any:
        """`(M, N)` the share of each item of the run in each new one."""
        return self.placed.mixes(self.items)

    def question(self, heard: Heard) -> "GrownQuestion":
        """Read a history."""
        return GrownQuestion(self, self.way.question(heard))

    def questions(self, heard: Sequence[Heard]) -> "list[GrownQuestion]":
        """Read several histories."""
        return [GrownQuestion(self, asked) for asked in self.way.questions(heard)]

    def look(self, questions: "Sequence[GrownQuestion]", count: int) -> None:
        """Search for the best of the run's own items of several questions."""
        self.way.look([one.asked for one in questions], count)


class GrownQuestion:
    """A history that was read, to be asked for items of either kind; see `ways.Question`.

    Args:
        way: whose.
        asked: what the run's own items are asked by.
    """

    def __init__(self, way: Grown, asked: Question) -> None:
        self.way, self.asked = way, asked

    @cached_property
    def new(self) -> Float32[np.ndarray, " new"]:
        """Scores of the new items; -inf of those that stand nowhere, and are never shown."""
        if self.way.vectors is not None and isinstance(self.asked, Asks):
            scores = self.way.vectors @ self.asked.vector
        else:
            scores = np.asarray(self.way.mixes @ self.asked.whole())
        return np.where(self.way.placed.stands, scores, -np.inf).astype(np.float32)

    def best(self, count: int, allowed: Allowed | None, hidden: Set[int]) -> tuple[Rows, Scores]:
        """The best of both, merged; equals by rising row."""
        items = self.way.items
        own, more = (None, None) if allowed is None else allowed.parted(items)
        rows, scores = self.asked.best(count, own, {row for row in hidden if row < items})
        others = {row - items for row in hidden if row >= items}
        new_rows, new_scores = best(self.new, count, more, others)
        rows = np.concatenate([rows, new_rows + items])
        scores = np.concatenate([scores, new_scores])
        order = np.lexsort((rows, -scores))[:count]
        return rows[order], scores[order]

    def scores(self, rows: Rows) -> Scores:
        """The scores of these items."""
        out = np.empty(len(rows), np.float32)
        own = rows < self.way.items
        out[own] = self.asked.scores(rows[own])
        if not own.all():
            out[~own] = self.new[rows[~own] - self.way.items]
        return out

    def whole(self) -> Float32[np.ndarray, " items"]:
        """The scores of all items."""
        return np.concatenate([self.asked.whole(), self.new])

    def moments(self) -> tuple[float, float]:
        """Mean and deviation over the run's own items."""
        return self.asked.moments()


def mixed(
    placed: Placed, vectors: Float32[np.ndarray, "items width"]
) -> Float32[np.ndarray, "new width"]:
    """The mean vector of each new item's kin, by shares; of zeros where there are none."""
    out = np.zeros((len(placed), vectors.shape[1]), np.float32)
    for column in range(placed.kin.shape[1]):
        # Of nobody the share is 0, whichever row stands in.
        rows = np.maximum(placed.kin[:, column], 0)
        out += placed.shares[:, column, None] * vectors[rows]
    return out


@dataclass(frozen=True)
class Stacked:
    """Two arrays as one, of which some rows are wanted at a time: the longer is not copied.

    Attributes:
        first: the rows up to its length.
        then: those above.
    """

    first: Float32[np.ndarray, "items width"]
    then: Float32[np.ndarray, "new width"]

    def __getitem__(self, rows: Int64[np.ndarray, " some"]) -> Float32[np.ndarray, "some width"]:
        above = rows >= len(self.first)
        if not above.any():
            return self.first[rows]
        out = np.empty((len(rows), self.first.shape[1]), np.float32)
        out[~above], out[above] = self.first[rows[~above]], self.then[rows[above] - len(self.first)]
        return out
