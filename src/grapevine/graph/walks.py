"""Random walks along a bipartite graph: item, context, item, and so on.

A step waits for memory far longer than it computes. So each thread takes many walks in turns, and
each step in passes, none of which needs what its own walk has just asked for: the reads of all
walks are under way together.

Every draw is named by the seed, the walk and the hop (`graph.counter`), never by its turn: a walk
does not depend on which others are taken, or on which thread.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int32, Int64, Shaped, UInt32, UInt64
from numba import njit, prange

from grapevine.graph.alias import list_aliases
from grapevine.graph.counter import mix
from grapevine.graph.select import LOW
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.jagged import Jagged

HALF = np.uint64(32)

LANES = 128
"""Walks that a thread takes in turns."""


class Adjacency(NamedTuple):
    """A bipartite graph as walks read it.

    Attributes:
        item_spans: `(I,)` where the contexts of each item start, above, and how many they are, in
            the lower 32 bits: one look into memory gives both.
        contexts: `(E,)` context rows, item by item.
        context_aliases: `(E,)` of ALIAS, an alias table for each item, or None without weights.
        context_spans: `(C,)` the same as `item_spans`, of the items of each context.
        items: `(E,)` item rows, context by context.
        item_aliases: `(E,)` of ALIAS, an alias table for each context, or None.
    """

    item_spans: UInt64[np.ndarray, " I"]
    contexts: Int32[np.ndarray, " E"]
    context_aliases: Shaped[np.ndarray, " E"] | None
    context_spans: UInt64[np.ndarray, " C"]
    items: Int32[np.ndarray, " E"]
    item_aliases: Shaped[np.ndarray, " E"] | None


def adjacency(graph: Bipartite) -> Adjacency:
    """The arrays of a graph, with alias tables where its edges have weights.

    Raises:
        ValueError: the graph has 2^32 edges or more, or with weights 2^31.
    """
    bits = 32 if graph.item_weights is None else 31
    if graph.num_edges >= 2**bits:
        raise ValueError(f"walks know fewer than 2^{bits} such edges: got {graph.num_edges:,}")
    return Adjacency(
        _spans(graph.contexts),
        graph.contexts.values,
        _aliases(graph.contexts, graph.item_weights),
        _spans(graph.items),
        graph.items.values,
        _aliases(graph.items, graph.context_weights),
    )


def _spans(lists: Jagged) -> UInt64[np.ndarray, " lists"]:
    spans = np.empty(len(lists.offsets) - 1, np.uint64)
    _fill_spans(lists.offsets, spans)
    return spans


@njit(parallel=True, nogil=True, cache=True)
def _fill_spans(offsets: Int64[np.ndarray, " ends"], spans: UInt64[np.ndarray, " lists"]) -> None:
    """In one pass: with millions of nodes the copies of numpy cost as much as some walks."""
    for row in prange(len(spans)):
        start = np.uint64(offsets[row])
        spans[row] = (start << HALF) | (np.uint64(offsets[row + 1]) - start)


def _aliases(
    lists: Jagged, weights: Shaped[np.ndarray, " E"] | None
) -> Shaped[np.ndarray, " E"] | None:
    return None if weights is None else list_aliases(lists, weights)


def random_walks(
    graph: Bipartite,
    starts: Int32[np.ndarray, " walks"],
    length: int,
    seed: int,
    *,
    first: int = 0,
    out: Int32[np.ndarray, "walks nodes"] | None = None,
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
        out: where to write them; new memory can cost more time than the walks
            (benchmarks/walks.py).

    Raises:
        ValueError: a start is out of range, or `out` has another shape.
    """
    shape = len(starts), 2 * length + 1
    if out is None:
        out = np.empty(shape, np.int32)
    if out.shape != shape or out.dtype != np.int32:
        raise ValueError(f"these walks are int32 of {shape}: got {out.dtype} of {out.shape}")
    out[:, 0] = graph.rows_of(starts)
    _walk(adjacency(graph), np.uint64(seed), np.int64(first), out)
    return out


@njit(parallel=True, nogil=True, cache=True)
def _walk(
    graph: Adjacency, seed: np.uint64, first: np.int64, out: Int32[np.ndarray, "walks nodes"]
) -> None:
    for block in prange((len(out) + LANES - 1) // LANES):
        start = block * LANES
        _walk_together(graph, seed, first + start, out[start : start + LANES])


@njit(nogil=True, cache=True)
def _walk_together(
    graph: Adjacency, seed: np.uint64, first: np.int64, out: Int32[np.ndarray, "walks nodes"]
) -> None:
    lanes = new_lanes(len(out))
    walk = np.empty(len(out), np.uint64)
    # Nodes are gathered step by step, in the cache, and written walk by walk: written at once, each
    # would wait for a line of memory of its own, and those after it with it.
    taken = np.empty((out.shape[1], len(out)), np.int32)
    busy = 0
    for row in range(len(out)):
        if graph.item_spans[out[row, 0]] & LOW == 0:
            out[row, 1:] = -1
            continue
        lanes.keys[busy] = walk_key(seed, np.uint64(out[row, 0]), np.uint64(first + row))
        lanes.current[busy] = out[row, 0]
        walk[busy] = row
        busy += 1
    for step in range(out.shape[1] // 2):
        hop(graph, np.uint64(step), lanes, np.uint64(busy))
        column = np.uint64(2 * step + 1)
        for lane in range(np.uint64(busy)):
            taken[column, lane] = lanes.middle[lane]
        for lane in range(np.uint64(busy)):
            taken[column + np.uint64(1), lane] = lanes.current[lane]
    for lane in range(np.uint64(busy)):
        row = out[walk[lane]]
        for column in range(np.uint64(1), np.uint64(out.shape[1])):
            row[column] = taken[column, lane]


class Lanes(NamedTuple):
    """Where the walks stand that a thread takes in turns.

    Attributes:
        keys: names the draws of each.
        origins: item that each starts over at.
        current: item that each is at.
        middle: context that each came through.
        draws: random bits of the hop under way.
        places: edge that each is about to take.
    """

    keys: UInt64[np.ndarray, " lanes"]
    origins: UInt32[np.ndarray, " lanes"]
    current: UInt32[np.ndarray, " lanes"]
    middle: UInt32[np.ndarray, " lanes"]
    draws: UInt64[np.ndarray, " lanes"]
    places: UInt64[np.ndarray, " lanes"]


@njit(nogil=True, cache=True)
def new_lanes(count: int) -> Lanes:
    """Lanes for so many walks, with nothing in them."""
    return Lanes(
        np.empty(count, np.uint64),
        np.empty(count, np.uint32),
        np.empty(count, np.uint32),
        np.empty(count, np.uint32),
        np.empty(count, np.uint64),
        np.empty(count, np.uint64),
    )


@njit(inline="always", cache=True)
def walk_key(seed: np.uint64, node: np.uint64, walk: np.uint64) -> np.uint64:
    """Names the draws of a walk from a node."""
    return mix(mix(seed, node), walk)


def chance(probability: float) -> np.uint64:
    """A probability in parts of 2^16, as `start_over` wants it."""
    return np.uint64(round(probability * 2**16))


@njit(nogil=True, cache=True)
def start_over(step: np.uint64, restart: np.uint64, lanes: Lanes, busy: np.uint64) -> None:
    """Put each of the first `busy` walks back to its origin with the chance `restart`.

    One 64-bit draw serves four steps, 16 bits each.
    """
    shift = np.uint64(16) * (step % np.uint64(4))
    for lane in range(busy):
        bits = mix(~lanes.keys[lane], step // np.uint64(4)) >> shift
        if (bits & np.uint64(0xFFFF)) < restart:
            lanes.current[lane] = lanes.origins[lane]


@njit(inline="always", cache=True)
def _place(span: Any, bits: np.uint64) -> np.uint64:
    """A place in a list, uniform, from 32 random bits."""
    return (span >> HALF) + ((bits * (span & LOW)) >> HALF)


@njit(nogil=True, cache=True)
def _follow(
    nodes: np.ndarray,
    aliases: np.ndarray | None,
    lanes: Lanes,
    counter: np.uint64,
    shift: np.uint64,
    ends: np.ndarray,
    busy: np.uint64,
) -> None:
    """Where the edges at `places` lead, or with weights their aliases, as a second draw chooses."""
    if aliases is None:
        for lane in range(busy):
            ends[lane] = nodes[lanes.places[lane]]
    else:
        for lane in range(busy):
            edge: Any = aliases[lanes.places[lane]]
            bits = mix(lanes.keys[lane], counter) >> shift
            # 24 bits fill a float32's mantissa exactly.
            keep = np.float32(bits & np.uint64(0xFFFFFF)) * np.float32(2.0**-24) < edge.keep
            ends[lane] = edge.item if keep else edge.other


@njit(nogil=True, cache=True)
def hop(graph: Adjacency, step: np.uint64, lanes: Lanes, busy: np.uint64) -> None:
    """One double hop of the first `busy` walks: `current` moves on by way of `middle`.

    One 64-bit draw gives both places; a second one, only where there are weights, both ends.
    """
    first, second = np.uint64(2) * step, np.uint64(2) * step + np.uint64(1)
    for lane in range(busy):
        lanes.draws[lane] = mix(lanes.keys[lane], first)
    for lane in range(busy):
        span = graph.item_spans[lanes.current[lane]]
        lanes.places[lane] = _place(span, lanes.draws[lane] >> HALF)
    _follow(graph.contexts, graph.context_aliases, lanes, second, HALF, lanes.middle, busy)
    for lane in range(busy):
        span = graph.context_spans[lanes.middle[lane]]
        lanes.places[lane] = _place(span, lanes.draws[lane] & LOW)
    _follow(graph.items, graph.item_aliases, lanes, second, np.uint64(0), lanes.current, busy)
