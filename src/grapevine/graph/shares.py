"""Mass that moves along the edges of a bipartite graph, each edge taking its share."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64
from numba import njit

from grapevine.graph.select import best, key_of
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.jagged import Jagged


class Shares(NamedTuple):
    """A bipartite graph as the loops that move mass read it.

    Attributes:
        context_starts: `(I + 1,)` where the contexts of each item start.
        contexts: `(E,)` context rows, item by item.
        context_weights: `(E,)` weight of each of them, or None where all are alike.
        item_totals: `(I,)` weight of all edges of an item.
        item_starts: `(C + 1,)` where the items of each context start.
        items: `(E,)` item rows, context by context.
        item_weights: `(E,)` weight of each of them, or None.
        context_totals: `(C,)` weight of all edges of a context.
        total: weight of all edges.
    """

    context_starts: Int64[np.ndarray, " I_plus_one"]
    contexts: Int32[np.ndarray, " E"]
    context_weights: Float32[np.ndarray, " E"] | None
    item_totals: Float32[np.ndarray, " I"]
    item_starts: Int64[np.ndarray, " C_plus_one"]
    items: Int32[np.ndarray, " E"]
    item_weights: Float32[np.ndarray, " E"] | None
    context_totals: Float32[np.ndarray, " C"]
    total: np.float32


def shares(graph: Bipartite) -> Shares:
    """The arrays of a graph, with what the edges of each node weigh together."""
    item_totals = _totals(graph.contexts, graph.item_weights)
    return Shares(
        graph.contexts.offsets,
        graph.contexts.values,
        graph.item_weights,
        item_totals,
        graph.items.offsets,
        graph.items.values,
        graph.context_weights,
        _totals(graph.items, graph.context_weights),
        # In double precision: a float32 stops at 2^24 edges when it goes up one by one.
        np.float32(item_totals.sum(dtype=np.float64)),
    )


def _totals(
    lists: Jagged, weights: Float32[np.ndarray, " E"] | None
) -> Float32[np.ndarray, " lists"]:
    if weights is None:
        return lists.lengths.astype(np.float32)
    sums = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])
    return np.diff(sums[lists.offsets]).astype(np.float32)


@njit(nogil=True, cache=True, error_model="numpy")
def weight_at(weights: np.ndarray | None, place: int) -> Any:
    """The weight of an edge, 1 where there are none."""
    if weights is None:
        return np.float32(1.0)
    return weights[place]


@njit(inline="always", cache=True)
def _add(node: Any, mass: Any, sums: np.ndarray, met: np.ndarray, found: int) -> Any:
    """Add to the sum of a node; if it was 0, the node goes into `met`.

    Written without a branch, for none could be foretold: `met` has one place more than nodes.
    What is too small for a float32 must not be met, since it would be met again.
    """
    old = sums[node]
    met[np.uint64(found)] = node
    sums[node] = old + mass
    return found + np.int64((old == np.float32(0.0)) & (mass > np.float32(0.0)))


@njit(nogil=True, cache=True, error_model="numpy")
def spread(
    starts: np.ndarray,
    ends: np.ndarray,
    weights: np.ndarray | None,
    node: int,
    each: Any,
    sums: np.ndarray,
    met: np.ndarray,
    found: int,
) -> int:
    """Add `each x weight` to the sum of every end of a node's edges.

    `met` takes the ends whose sum was 0, after the `found` that it holds; how many it then holds.
    """
    for place in range(starts[node], starts[node + 1]):
        found = _add(np.uint32(ends[place]), each * weight_at(weights, place), sums, met, found)
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def double_hop(
    graph: Shares, item: int, mass: Any, sums: np.ndarray, met: np.ndarray, found: int
) -> int:
    """Move mass from an item over each of its contexts to their items."""
    per_weight = mass / graph.item_totals[item]
    for place in range(graph.context_starts[item], graph.context_starts[item + 1]):
        context = graph.contexts[place]
        each = per_weight * weight_at(graph.context_weights, place) / graph.context_totals[context]
        found = spread(
            graph.item_starts, graph.items, graph.item_weights, context, each, sums, met, found
        )
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def add_list(
    nodes: np.ndarray,
    weights: np.ndarray,
    share: Any,
    sums: np.ndarray,
    met: np.ndarray,
    found: int,
) -> int:
    """Add a share of a list of nodes, which ends at -1, to the sums."""
    for place in range(len(nodes)):
        if nodes[place] < 0:
            break
        found = _add(np.uint32(nodes[place]), share * weights[place], sums, met, found)
    return found


@njit(nogil=True, cache=True, error_model="numpy")
def take_best(
    sums: np.ndarray,
    met: np.ndarray,
    found: int,
    totals: np.ndarray,
    per_total: Any,
    without: int,
    keys: np.ndarray,
    most: int,
) -> int:
    """Sort keys of the best of what was met, by `sum + per_total x total`; clears the sums."""
    used = 0
    for place in range(found):
        node = met[place]
        if node != without:
            keys[used] = key_of(sums[node] + per_total * totals[node], node)
            used += 1
        sums[node] = np.float32(0.0)
    return best(keys, used, most)
