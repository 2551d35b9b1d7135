"""Importance neighbourhoods: the items that short random walks from an item meet most.

From each item u go R walks of L double hops, item -> context -> item, each of which starts over at
u with the restart probability (Ying et al., KDD 2018, section 3.1; Eksombatchai et al., WWW 2018).
The T items met most are its neighbours, weighed by their share of the visits among the T. With
longer walks the shares tend to personalised PageRank.
"""

import numpy as np
from jaxtyping import Float32, Int32, Int64
from numba import njit, prange

from grapevine.graph.hubs import cap
from grapevine.graph.walks import LANES, Adjacency, adjacency, chance, hop, start_over, walk_key
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.neighbour_table import NeighbourTable

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
        ValueError: width, walks or length is below 1, or restart lies outside [0, 1].
    """
    if min(width, walks, length) < 1 or not 0 <= restart <= 1:
        raise ValueError(
            "width, walks and length must be 1 or more, and restart must lie in [0, 1]: got "
            f"{width}, {walks}, {length} and {restart}"
        )
    wanted = np.arange(graph.num_items) if rows is None else np.asarray(rows, np.int64)
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
    """Walk and count, some nodes at a time, until there are enough walks to take in turns."""
    together = max(1, LANES // walks)
    lanes = together * walks
    slots = 4
    while slots < 2 * walks * length:
        slots *= 2
    for chunk in prange((len(wanted) + CHUNK - 1) // CHUNK):
        keys = np.empty(lanes, np.uint64)
        origins = np.empty(lanes, np.int32)
        current = np.empty(lanes, np.int32)
        middle = np.empty(lanes, np.int32)
        places = np.empty(lanes, np.int64)
        visits = np.empty((length, lanes), np.int32)
        held = np.full(slots, -1, np.int32)
        counts = np.zeros(slots, np.int32)
        used = np.empty(walks * length, np.int32)
        walking = np.empty(together, np.int64)
        stop = min((chunk + 1) * CHUNK, len(wanted))
        row = chunk * CHUNK
        while row < stop:
            group = 0
            while row < stop and group < together:
                node = wanted[row]
                # An item without contexts goes nowhere, and keeps its empty row.
                if graph.context_starts[node] < graph.context_starts[node + 1]:
                    for walk in range(walks):
                        keys[group * walks + walk] = walk_key(
                            seed, np.uint64(node), np.uint64(walk)
                        )
                        origins[group * walks + walk] = node
                    walking[group] = row
                    group += 1
                row += 1
            busy = group * walks
            current[:busy] = origins[:busy]
            for step in range(length):
                start_over(keys, np.uint64(step), restart, origins, current, busy)
                hop(graph, keys, np.uint64(step), current, middle, places, busy)
                visits[step, :busy] = current[:busy]
            for place in range(group):
                node = wanted[walking[place]]
                met = visits[:, place * walks : (place + 1) * walks]
                found = _count(met, np.int32(node), held, counts, used)
                _keep_most(
                    held, counts, used[:found], nodes[walking[place]], weights[walking[place]]
                )


@njit(nogil=True, cache=True)
def _count(
    visits: np.ndarray, node: np.int32, held: np.ndarray, counts: np.ndarray, used: np.ndarray
) -> int:
    """Count what was met in an open-addressing hash; `used` are its slots but that of the node."""
    mask = np.uint32(len(held) - 1)
    found = 0
    for step in range(visits.shape[0]):
        for walk in range(visits.shape[1]):
            item = visits[step, walk]
            if item == node:
                continue
            slot = (np.uint32(item) * np.uint32(0x9E3779B1)) >> np.uint32(7) & mask
            while held[slot] != item and held[slot] != -1:
                slot = (slot + np.uint32(1)) & mask
            if held[slot] == -1:
                held[slot] = item
                used[found] = slot
                found += 1
            counts[slot] += np.int32(1)
    return found


@njit(nogil=True, cache=True)
def _keep_most(
    held: np.ndarray, counts: np.ndarray, used: np.ndarray, nodes: np.ndarray, weights: np.ndarray
) -> None:
    """The T most counted, ties to the lower row, as shares of them all; empties the hash."""
    width = len(nodes)
    kept = 0
    for slot in used:
        item, count = held[slot], np.float32(counts[slot])
        held[slot] = -1
        counts[slot] = 0
        place = kept
        if kept == width:
            place -= 1
            if count < weights[place] or (count == weights[place] and item > nodes[place]):
                continue
        else:
            kept += 1
        while place > 0 and (
            weights[place - 1] < count or (weights[place - 1] == count and nodes[place - 1] > item)
        ):
            weights[place] = weights[place - 1]
            nodes[place] = nodes[place - 1]
            place -= 1
        weights[place] = count
        nodes[place] = item
    if kept > 0:
        weights[:kept] /= weights[:kept].sum()
