"""Whom each node listens to, and how much: a fixed number of neighbours a node."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32


@dataclass(frozen=True, slots=True)
class NeighbourTable:
    """At most T neighbours of each node, the most important first.

    The node itself is not among them. A node without neighbours has a row of -1.

    Attributes:
        nodes: `(N, T)` rows of the neighbours, by falling weight and then rising row; -1 where
            there are fewer than T.
        weights: `(N, T)` what share each has; a row sums to 1, or to 0 where it is empty.
    """

    nodes: Int32[np.ndarray, "rows width"]
    weights: Float32[np.ndarray, "rows width"]

    def __post_init__(self) -> None:
        if self.nodes.shape != self.weights.shape:
            raise ValueError(
                f"nodes and weights must pair up: got {self.nodes.shape} and {self.weights.shape}"
            )

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def width(self) -> int:
        """T, the most neighbours that a node has."""
        return self.nodes.shape[1]
