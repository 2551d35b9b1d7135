"""An ordered list of items for each question."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best k items for each question, best first.

    Attributes:
        items: `(queries, k)` item rows; -1 where fewer than k items were allowed.
        scores: `(queries, k)` falling along each row; -inf beside -1.
    """

    items: Int32[np.ndarray, "queries k"]
    scores: Float32[np.ndarray, "queries k"]

    def __post_init__(self) -> None:
        if self.items.shape != self.scores.shape:
            raise ValueError(
                f"items and scores must pair up: got {self.items.shape} and {self.scores.shape}"
            )

    def __len__(self) -> int:
        return len(self.items)

    def slice(self, start: int, stop: int) -> "Ranking":
        """Questions start to stop; views, not copies."""
        return Ranking(self.items[start:stop], self.scores[start:stop])
