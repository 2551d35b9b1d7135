"""Scores that are dot products, not yet multiplied out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True, slots=True)
class Products:
    """A block of scores that are dot products, not yet multiplied out.

    A block of 1,000 questions about 100,000 items is 400 MB of scores and half a megabyte of
    vectors: whoever only wants the best of them multiplies piece by piece and keeps nothing.
    `np.asarray` gives the block whole.

    Attributes:
        queries: `(queries, width)` one vector a question.
        items: `(items, width)` one vector an item.
    """

    queries: Float32[np.ndarray, "queries width"]
    items: Float32[np.ndarray, "items width"]

    @property
    def shape(self) -> tuple[int, int]:
        """Questions and items."""
        return len(self.queries), len(self.items)

    def multiply(
        self, start: int, stop: int, column: int, out: Float32[np.ndarray, "rows columns"]
    ) -> None:
        """Write the scores of questions start to stop for as many items from `column` on."""
        items = self.items[column : column + out.shape[1]]
        np.matmul(self.queries[start:stop], items.T, out=out)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        scores = self.queries @ self.items.T
        return scores if dtype is None else scores.astype(dtype, copy=False)
