"""Where the edges of one relation lead: what samplers and walks go along.

Every draw is named by a key, the node or the walk, and the place of the draw (`graph.counter`), so
that nothing depends on who else is asked for, in which block or on which thread.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Float32, Int32, Int64, Shaped, UInt64
from numba import njit, prange

from grapevine.graph.alias import list_aliases
from grapevine.graph.counter import mix
from grapevine.graph.sample import sample
from grapevine.structs.jagged import Jagged, offsets_of

How = Literal["uniform", "weighted", "top"]
"""Which neighbours: any, without replacement where there are as many; in proportion to what the
edges weigh, with replacement; those that weigh most, ties to the lower row."""


@dataclass(frozen=True)
class Links:
    """The nodes that each node's edges lead to, along one relation.

    Attributes:
        ends: of every node of the graph, by its row.
        weights: `(edges,)` positive, in their order, or None where all are alike.
        source: type of the nodes that the edges leave.
        target: type of those that they lead to.
    """

    ends: Jagged
    weights: Float32[np.ndarray, " edges"] | None = None
    source: int = 0
    target: int = 0

    def __post_init__(self) -> None:
        if self.weights is not None and len(self.weights) != len(self.ends.values):
            raise ValueError(f"{len(self.weights)} weights for {len(self.ends.values)} edges")
        if self.weights is not None and not (self.weights > 0).all():
            raise ValueError("weights must be positive")

    @classmethod
    def from_pairs(
        cls,
        senders: Int64[np.ndarray, " edges"],
        receivers: Int64[np.ndarray, " edges"],
        num_nodes: int,
        weights: Float32[np.ndarray, " edges"] | None = None,
        *,
        types: tuple[int, int] = (0, 0),
    ) -> Self:
        """Edges in any order; those of one sender keep theirs.

        Args:
            senders: node that each edge leaves.
            receivers: node that it leads to.
            num_nodes: of all types.
            weights: of the edges.
            types: of senders and of receivers.
        """
        order = np.argsort(senders, kind="stable")
        lengths = np.bincount(senders, minlength=num_nodes)
        ends = Jagged(offsets_of(lengths), receivers[order].astype(np.int32))
        return cls(ends, None if weights is None else weights[order], *types)

    @cached_property
    def aliases(self) -> Shaped[np.ndarray, " edges"] | None:
        """Of ALIAS: one table for each node, or None where all edges are alike."""
        return None if self.weights is None else list_aliases(self.ends, self.weights)

    @cached_property
    def in_order(self) -> "Links":
        """The same with the heaviest edge of each node first, then the lower row."""
        nodes = np.repeat(np.arange(len(self.ends)), self.ends.lengths)
        heavy = np.zeros(len(nodes)) if self.weights is None else -self.weights
        order = np.lexsort((self.ends.values, heavy, nodes))
        weights = None if self.weights is None else self.weights[order]
        return Links(
            Jagged(self.ends.offsets, self.ends.values[order]), weights, self.source, self.target
        )

    def all_of(self, rows: Int64[np.ndarray, " rows"]) -> Int32[np.ndarray, "rows width"]:
        """All neighbours of these nodes, as wide as the longest list; -1 where there are fewer."""
        self._check(rows)
        return self._first(rows, int(self.ends.lengths[rows[rows >= 0]].max(initial=0)))

    def draw(
        self,
        rows: Int64[np.ndarray, " rows"],
        width: int,
        how: How = "weighted",
        *,
        key: np.uint64,
    ) -> Int32[np.ndarray, "rows width"]:
        """So many neighbours of each node; -1 where it has none, or with "top" not as many.

        Args:
            rows: of the nodes; -1 is nobody.
            width: neighbours of each.
            how: which.
            key: names the draw; the same node draws alike wherever it stands.

        Raises:
            ValueError: a row is out of range.
        """
        if how == "weighted":
            return self.follow(rows, node_keys(np.uint64(key), rows), width)
        self._check(rows)
        if how == "uniform":
            return sample(self.ends, width, key, rows)
        return self.in_order._first(rows, width)

    def follow(
        self,
        rows: Int64[np.ndarray, " rows"],
        keys: UInt64[np.ndarray, " rows"],
        width: int = 1,
        first: int = 0,
    ) -> Int32[np.ndarray, "rows width"]:
        """Draws in proportion to the weights, with replacement, each row by a key of its own.

        Args:
            rows: of the nodes; -1 is nobody.
            keys: name the draws.
            width: draws of each.
            first: place of the first draw in the key's stream.

        Raises:
            ValueError: a row is out of range.
        """
        self._check(rows)
        out = np.empty((len(rows), width), np.int32)
        _follow(
            self.ends.offsets, self.ends.values, self.aliases, rows, keys, np.uint64(first), out
        )
        return out

    def _first(
        self, rows: Int64[np.ndarray, " rows"], width: int
    ) -> Int32[np.ndarray, "rows width"]:
        known = np.maximum(rows, 0)
        first, stop = self.ends.offsets[known], self.ends.offsets[known + 1]
        places = first[:, None] + np.arange(width)
        there = (rows >= 0)[:, None] & (places < stop[:, None])
        out = np.full(places.shape, -1, np.int32)
        out[there] = self.ends.values[places[there]]
        return out

    def _check(self, rows: Int64[np.ndarray, " rows"]) -> None:
        if len(rows) and not -1 <= rows.min() <= rows.max() < len(self.ends):
            raise ValueError(
                f"rows must lie in [-1, {len(self.ends)}): got {rows.min()} .. {rows.max()}"
            )


@njit(nogil=True, cache=True)
def node_keys(key: np.uint64, rows: Int64[np.ndarray, " rows"]) -> UInt64[np.ndarray, " rows"]:
    """One key for each node: the same wherever, and however often, it is asked for."""
    out = np.empty(len(rows), np.uint64)
    for place in range(len(rows)):
        out[place] = mix(key, np.uint64(rows[place]))
    return out


@njit(parallel=True, nogil=True, cache=True)
def _follow(
    offsets: np.ndarray,
    ends: np.ndarray,
    aliases: np.ndarray | None,
    rows: np.ndarray,
    keys: np.ndarray,
    first: np.uint64,
    out: np.ndarray,
) -> None:
    half = np.uint64(32)
    for place in prange(len(rows)):
        node = rows[place]
        if node < 0 or offsets[node] == offsets[node + 1]:
            out[place] = -1
            continue
        degree = np.uint64(offsets[node + 1] - offsets[node])
        for slot in range(out.shape[1]):
            # One draw: 32 bits choose the place, and of the others 24 between its two ends.
            bits = mix(keys[place], first + np.uint64(slot))
            at = offsets[node] + np.int64(((bits >> half) * degree) >> half)
            if aliases is None:
                out[place, slot] = ends[at]
            else:
                edge: Any = aliases[at]
                chance = np.float32(bits & np.uint64(0xFFFFFF)) * np.float32(2.0**-24)
                out[place, slot] = edge.item if chance < edge.keep else edge.other
