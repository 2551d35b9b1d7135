"""Items and the contexts they were met in: the graph that walks go along."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, Int64

from grapevine.structs.jagged import Jagged


@dataclass(frozen=True, slots=True)
class Bipartite:
    """Items and the contexts they were met in (users, baskets, boards), as CSR in both directions.

    The two directions hold the same edges. An edge met twice is one edge, with twice the weight
    where weights matter. The arrays may be memory maps.

    Attributes:
        contexts: of each item, its context rows, rising.
        items: of each context, its item rows, rising.
        item_weights: `(edges,)` positive weight of each edge in the order of `contexts`, or None
            where all are alike.
        context_weights: `(edges,)` the same weights in the order of `items`.
    """

    contexts: Jagged
    items: Jagged
    item_weights: Float32[np.ndarray, " edges"] | None = None
    context_weights: Float32[np.ndarray, " edges"] | None = None

    def __post_init__(self) -> None:
        edges = len(self.contexts.values)
        if len(self.items.values) != edges:
            raise ValueError(
                f"both directions must hold the same edges: got {edges} and "
                f"{len(self.items.values)}"
            )
        if (self.item_weights is None) != (self.context_weights is None):
            raise ValueError("weights are needed in both directions, or in neither")
        for name in ("item_weights", "context_weights"):
            weights = getattr(self, name)
            if weights is not None and len(weights) != edges:
                raise ValueError(f"{name} has {len(weights)} entries for {edges} edges")

    @property
    def num_items(self) -> int:
        """I, the number of items, those without an edge included."""
        return len(self.contexts)

    @property
    def num_contexts(self) -> int:
        """C, the number of contexts, those without an edge included."""
        return len(self.items)

    @property
    def num_edges(self) -> int:
        """E, each edge counted once though it is stored in both directions."""
        return len(self.contexts.values)

    def rows_of(self, items: Int[np.ndarray, " rows"] | None = None) -> Int64[np.ndarray, " rows"]:
        """The item rows that are asked for, all if not given: compiled loops trust them.

        Raises:
            ValueError: one is out of range.
        """
        if items is None:
            return np.arange(self.num_items)
        rows = np.asarray(items, np.int64)
        if len(rows) and not 0 <= rows.min() <= rows.max() < self.num_items:
            raise ValueError(
                f"item rows must lie in [0, {self.num_items}): got {rows.min()} .. {rows.max()}"
            )
        return rows
