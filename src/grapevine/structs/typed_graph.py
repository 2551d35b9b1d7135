"""Nodes of several types, and edges of several relations between them."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool

from grapevine.structs.graph import Graph


@dataclass(frozen=True, slots=True)
class Relation:
    """The edges of one kind.

    Attributes:
        source: the type of the nodes that speak.
        target: the type of the nodes that hear.
        edges: over the rows of all nodes.
    """

    source: int
    target: int
    edges: Graph

    def where(self, keep: Bool[np.ndarray, " edges"]) -> "Relation":
        """The same kind with some of its edges."""

        def part(column: torch.Tensor) -> torch.Tensor:
            # Several times as fast as torch's own, where nearly all is kept.
            return torch.as_tensor(column.numpy()[keep])

        edges = self.edges
        weights = None if edges.weights is None else part(edges.weights)
        kept = Graph(part(edges.senders), part(edges.receivers), edges.num_nodes, weights)
        return replace(self, edges=kept)


@dataclass(frozen=True, slots=True)
class TypedGraph:
    """Nodes type by type, all in one numbering, and the relations between types.

    Attributes:
        offsets: the rows of type t are those from `offsets[t]` up to, not with, `offsets[t + 1]`.
        relations: each over all rows.
    """

    offsets: tuple[int, ...]
    relations: tuple[Relation, ...]

    def __post_init__(self) -> None:
        if self.offsets[:1] != (0,) or list(self.offsets) != sorted(self.offsets):
            raise ValueError(f"offsets must start at 0 and not fall: got {self.offsets}")
        for place, one in enumerate(self.relations):
            if one.edges.num_nodes != self.num_nodes:
                raise ValueError(
                    f"relation {place} is over {one.edges.num_nodes} of {self.num_nodes} nodes"
                )
            for kind, rows in ((one.source, one.edges.senders), (one.target, one.edges.receivers)):
                low, high = self.offsets[kind], self.offsets[kind + 1]
                if len(rows) and not low <= int(rows.min()) <= int(rows.max()) < high:
                    raise ValueError(f"relation {place} has nodes that are not of type {kind}")

    @property
    def num_nodes(self) -> int:
        """N, of all types."""
        return self.offsets[-1]

    @property
    def num_types(self) -> int:
        """Of nodes."""
        return len(self.offsets) - 1
