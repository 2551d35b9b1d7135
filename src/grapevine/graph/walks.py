"""Random walks along a bipartite graph: item, context, item, and so on.

A step waits for memory far longer than it computes. So each thread takes many walks in turns, and
each step in passes, none of which needs what its own walk has just asked for: the reads of all
walks are under way together.

Every draw is named by the seed, the walk and the hop (`graph.counter`), never by its turn: a walk
does not depend on which others are taken, or on which thread.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, Int64, Shaped
from numba import njit, prange

from grapevine.graph.alias import alias_tables
from grapevine.graph.counter import mix
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.jagged import Jagged

LANES = 64
"""Walks that a thread takes in turns."""


class Adjacency(NamedTuple):
    """A bipartite graph as compiled loops read it.

    Attributes:
        context_starts: `(I + 1,)` where the contexts of each item start.
        contexts: `(E,)` context rows, item by item.
        context_aliases: `(E,)` of ALIAS, an alias table for each item, or None without weights.
        item_starts: `(C + 1,)` where the items of each context start.
        items: `(E,)` item rows, context by context.
        item_aliases: `(E,)` of ALIAS, an alias table for each context, or None.
    """

    context_starts: Int64[np.ndarray, " I_plus_one"]
    contexts: Int32[np.ndarray, " E"]
    context_aliases: Shaped[np.ndarray, " E"] | None
    item_starts: Int64[np.ndarray, " C_plus_one"]
    items: Int32[np.ndarray, " E"]
    item_aliases: Shaped[np.ndarray, " E"] | None


def adjacency(graph: Bipartite) -> Adjacency:
    """The arrays of a graph, with alias tables where its edges have weights."""
    return Adjacency(
        graph.contexts.offsets,
        graph.contexts.values,
        _aliases(graph.contexts, graph.item_weights),
        graph.items.offsets,
        graph.items.values,
        _aliases(graph.items, graph.context_weights),
    )


def _aliases(
    lists: Jagged, weights: Shaped[np.ndarray, " E"] | None
) -> Shaped[np.ndarray, " E"] | None:
    if weights is None:
        return None
    places = np.arange(len(weights), dtype=np.int32)
    table = alias_tables(weights[None], places, lists.offsets)[0]
    for end in ("item", "other"):
        table[end] = lists.values[table[end]]
    return table


def random_walks(
    graph: Bipartite,
    starts: Int32[np.ndarray, " walks"],
    length: int,
    seed: int,
    *,
    first: int = 0,
) -> Int32[np.ndarray, "walks nodes"]:
    """Walks of so many double hops: item, context, item, ..., item, `2 length + 1` nodes each.

    Edges with weights are taken in proportion to them. A walk from an item without contexts
    goes nowhere: all after its start is -1.

    Args:
        graph: items and contexts.
        starts: item that each walk starts from.
        length: double hops.
        seed: names the draws.
        first: number of the first walk. Walk n is the same whichever others are asked for.
    """
    out = np.empty((len(starts), 2 * length + 1), np.int32)
    out[:, 0] = starts
    _walk(adjacency(graph), np.uint64(seed), np.int64(first), out)
    return out


@njit(parallel=True, nogil=True, cache=True)
def _walk(
    graph: Adjacency, seed: np.uint64, first: np.int64, out: Int32[np.ndarray, "walks nodes"]
) -> None:
    for block in prange((len(out) + LANES - 1) // LANES):
        keys = np.empty(LANES, np.uint64)
        current = np.empty(LANES, np.int32)
        middle = np.empty(LANES, np.int32)
        places = np.empty(LANES, np.int64)
        walk = np.empty(LANES, np.int64)
        busy = 0
        for row in range(block * LANES, min((block + 1) * LANES, len(out))):
            if graph.context_starts[out[row, 0]] == graph.context_starts[out[row, 0] + 1]:
                out[row, 1:] = -1
                continue
            keys[busy] = walk_key(seed, np.uint64(out[row, 0]), np.uint64(first + row))
            current[busy] = out[row, 0]
            walk[busy] = row
            busy += 1
        for step in range(out.shape[1] // 2):
            hop(graph, keys, np.uint64(step), current, middle, places, busy)
            for lane in range(busy):
                out[walk[lane], 2 * step + 1] = middle[lane]
                out[walk[lane], 2 * step + 2] = current[lane]


@njit(inline="always", cache=True)
def walk_key(seed: np.uint64, node: np.uint64, walk: np.uint64) -> np.uint64:
    """Names the draws of a walk from a node."""
    return mix(mix(seed, node), walk)


def chance(probability: float) -> np.uint64:
    """A probability in parts of 2^16, as `start_over` wants it."""
    return np.uint64(round(probability * 2**16))


@njit(nogil=True, cache=True)
def start_over(
    keys: np.ndarray,
    step: np.uint64,
    restart: np.uint64,
    origins: np.ndarray,
    current: np.ndarray,
    busy: int,
) -> None:
    """Put each of the first `busy` walks back to its origin with the chance `restart`.

    One 64-bit draw serves four steps, 16 bits each.
    """
    shift = np.uint64(16) * (step % np.uint64(4))
    for lane in range(busy):
        bits = mix(~keys[lane], step // np.uint64(4)) >> shift
        if (bits & np.uint64(0xFFFF)) < restart:
            current[lane] = origins[lane]


@njit(inline="always", cache=True)
def _place(starts: np.ndarray, node: np.int32, bits: np.uint64) -> np.int64:
    """A place in the list of a node, uniform, from 32 random bits."""
    start = starts[np.uint64(node)]
    length = starts[np.uint64(node) + np.uint64(1)] - start
    return start + np.int64((bits * np.uint64(length)) >> np.uint64(32))


@njit(nogil=True, cache=True)
def _end(nodes: np.ndarray, aliases: np.ndarray | None, place: np.int64, bits: np.uint64) -> int:
    """Where the edge at a place leads, or its alias, as 32 random bits choose."""
    if aliases is None:
        return nodes[np.uint64(place)]
    edge = aliases[np.uint64(place)]
    return (
        edge.item
        if np.float32(bits >> np.uint64(8)) * np.float32(2.0**-24) < edge.keep
        else edge.other
    )


@njit(cache=True, nogil=True)
def hop(
    graph: Adjacency,
    keys: np.ndarray,
    step: np.uint64,
    current: np.ndarray,
    middle: np.ndarray,
    places: np.ndarray,
    busy: int,
) -> None:
    """One double hop of the first `busy` walks: `current` moves on by way of `middle`.

    One 64-bit draw gives both places; a second one, only where there are weights, both ends.
    """
    low = np.uint64(0xFFFFFFFF)
    for lane in range(busy):
        bits = mix(keys[lane], np.uint64(2) * step)
        places[lane] = _place(graph.context_starts, current[lane], bits >> np.uint64(32))
    for lane in range(busy):
        bits = mix(keys[lane], np.uint64(2) * step + np.uint64(1))
        middle[lane] = _end(
            graph.contexts, graph.context_aliases, places[lane], bits >> np.uint64(32)
        )
    for lane in range(busy):
        bits = mix(keys[lane], np.uint64(2) * step)
        places[lane] = _place(graph.item_starts, middle[lane], bits & low)
    for lane in range(busy):
        bits = mix(keys[lane], np.uint64(2) * step + np.uint64(1))
        current[lane] = _end(graph.items, graph.item_aliases, places[lane], bits & low)
