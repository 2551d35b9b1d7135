"""Importance neighbourhoods: the items that short random walks from an item meet most.

From each item u go R walks of L double hops, item -> context -> item, each of which starts over at
u with the restart probability (Ying et al., KDD 2018, section 3.1; Eksombatchai et al., WWW 2018).
The T items met most are its neighbours, weighed by their share of the visits among the T. With
longer walks the shares tend to personalised PageRank.
"""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, Int64
from numba import njit, prange

from grapevine.graph.hubs import cap
from grapevine.graph.select import LOW, row_of
from grapevine.graph.walks import (
    LANES,
    Adjacency,
    adjacency,
    chance,
    hop,
    new_lanes,
    start_over,
    walk_key,
)
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.neighbour_table import NeighbourTable

NOBODY = np.uint32(0xFFFFFFFF)
"""An empty slot of the hash."""

CHUNK = 64
"""Nodes that one thread works through with the same scratch arrays."""


def importance_table(
    graph: Bipartite,
    *,
    width: int = 20,
    walks: int = 50,
    length: int = 4,
    restart: float = 0.5,
    seed: int = 0,
    most_degree: int = 0,
    rows: Int64[np.ndarray, " rows"] | None = None,
) -> NeighbourTable:
    """The items that walks from each item met most, and their share of the visits.

    Every draw is named by (seed, item, walk, hop): the table is the same to the bit for any number
    of threads and any way to part the rows.

    Args:
        graph: items and contexts; edges with weights are taken in proportion to them.
        width: T, the most neighbours of an item.
        walks: R, walks from each item.
        length: L, double hops of a walk.
        restart: chance to go back to the start before a double hop.
        seed: names the draws.
        most_degree: edges that a node may have before it is capped (`graph.hubs`); 0 for any.
        rows: items whose neighbours are wanted, one row of the table each; None for all.

    Raises:
        ValueError: width, walks or length is below 1, restart lies outside [0, 1], or a row is out
            of range.
    """
    if min(width, walks, length) < 1 or not 0 <= restart <= 1:
        raise ValueError(
            "width, walks and length must be 1 or more, and restart must lie in [0, 1]: got "
            f"{width}, {walks}, {length} and {restart}"
        )
    wanted = graph.rows_of(rows)
    if most_degree:
        graph = cap(graph, most_degree, seed)
    nodes = np.full((len(wanted), width), -1, np.int32)
    weights = np.zeros((len(wanted), width), np.float32)
    _visit(
        wanted, adjacency(graph), np.uint64(seed), walks, length, chance(restart), nodes, weights
    )
    return NeighbourTable(nodes, weights)


@njit(parallel=True, nogil=True, cache=True)
def _visit(
    wanted: Int64[np.ndarray, " rows"],
    graph: Adjacency,
    seed: np.uint64,
    walks: int,
    length: int,
    restart: np.uint64,
    nodes: Int32[np.ndarray, "rows width"],
    weights: Float32[np.ndarray, "rows width"],
) -> None:
    for chunk in prange((len(wanted) + CHUNK - 1) // CHUNK):
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        _visit_chunk(
            wanted[part], graph, seed, walks, length, restart, nodes[part], weights[part]
        )  # fmt: skip


@njit(nogil=True, cache=True)
def _visit_chunk(
    wanted: Int64[np.ndarray, " rows"],
    graph: Adjacency,
    seed: np.uint64,
    walks: int,
    length: int,
    restart: np.uint64,
    nodes: Int32[np.ndarray, "rows width"],
    weights: Float32[np.ndarray, "rows width"],
) -> None:
    """Walk and count, some nodes at a time, until there are enough walks to take in turns."""
    together = max(1, LANES // walks)
    slots = 4
    while slots < 2 * walks * length:
        slots *= 2
    lanes = new_lanes(together * walks)
    visits = np.empty((length, together * walks), np.uint32)
    held = np.full(slots, NOBODY, np.uint32)
    counts = np.zeros(slots, np.uint32)
    used = np.empty(walks * length + 1, np.uint32)
    walking = np.empty(together, np.int64)
    row = 0
    while row < len(wanted):
        group = 0
        while row < len(wanted) and group < together:
            # An item without contexts goes nowhere, and keeps its empty row.
            if graph.item_spans[wanted[row]] & LOW:
                for walk in range(walks):
                    lane = group * walks + walk
                    lanes.keys[lane] = walk_key(seed, np.uint64(wanted[row]), np.uint64(walk))
                    lanes.origins[lane] = wanted[row]
                walking[group] = row
                group += 1
            row += 1
        busy = np.uint64(group * walks)
        lanes.current[:busy] = lanes.origins[:busy]
        for step in range(length):
            if step > 0:
                start_over(np.uint64(step), restart, lanes, busy)
            hop(graph, np.uint64(step), lanes, busy)
            visits[step, :busy] = lanes.current[:busy]
        for place in range(group):
            node = walking[place]
            met = visits[:, place * walks : (place + 1) * walks]
            found = _count(met, np.uint32(wanted[node]), held, counts, used)
            _keep_most(held, counts, used[:found], nodes[node], weights[node])


@njit(nogil=True, cache=True)
def _count(
    visits: np.ndarray, node: np.uint32, held: np.ndarray, counts: np.ndarray, used: np.ndarray
) -> Any:
    """Count what was met in an open-addressing hash; `used` are its slots but that of the node."""
    mask, one = np.uint32(len(held) - 1), np.uint32(1)
    found = np.uint64(0)
    for step in range(visits.shape[0]):
        for walk in range(visits.shape[1]):
            item = visits[step, walk]
            slot = ((item * np.uint32(0x9E3779B1)) >> np.uint32(12)) & mask
            while held[slot] != item and held[slot] != NOBODY:
                slot = (slot + one) & mask
            # Written without a branch, for none could be foretold.
            used[found] = slot
            found += np.uint64((held[slot] == NOBODY) & (item != node))
            held[slot] = item if item != node else held[slot]
            counts[slot] += one if item != node else np.uint32(0)
    return np.int64(found)


@njit(nogil=True, cache=True)
def _keep_most(
    held: np.ndarray, counts: np.ndarray, used: np.ndarray, nodes: np.ndarray, weights: np.ndarray
) -> None:
    """The T most counted, ties to the lower row, as shares of them all; empties the hash."""
    kept, width = 0, len(nodes)
    keys = np.empty(width + 1, np.uint64)
    keys[width - 1] = 0
    for slot in used:
        # The larger count first, then the lower row: as one number.
        key = (np.uint64(counts[slot]) << np.uint64(32)) | (LOW - np.uint64(held[slot]))
        held[slot] = NOBODY
        counts[slot] = 0
        if kept == width:
            if key < keys[width - 1]:
                continue
            kept -= 1
        place = np.uint64(kept)
        while place > 0 and keys[place - np.uint64(1)] < key:
            keys[place] = keys[place - np.uint64(1)]
            place -= np.uint64(1)
        keys[place] = key
        kept += 1
    total = np.float32(0.0)
    for place in range(kept):
        total += np.float32(keys[place] >> np.uint64(32))
    for place in range(kept):
        nodes[place] = row_of(keys[place])
        weights[place] = np.float32(keys[place] >> np.uint64(32)) / total
