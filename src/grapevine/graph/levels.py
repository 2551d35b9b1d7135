"""Which nodes a few nodes need, level by level: each once, renumbered from 0.

The levels of a mini-batch lie inside each other (Ying et al., KDD 2018, algorithm 2): the nodes
asked for, then whom those listen to, then whom these listen to. Numbered in the order in which they
are met, every level is the front part of the next, so that one numbering serves them all.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int32, Int64
from numba import njit

from grapevine.structs.jagged import Jagged

# N = nodes of the graph, T = most neighbours of one, n = nodes of the widest level


@dataclass(frozen=True, slots=True)
class Levels:
    """The nodes that a few nodes need, each once.

    Attributes:
        nodes: `(n,)` rows of the graph's nodes. The first `sizes[k]` of them are level k.
        sizes: `(depth + 1,)` falling: level 0 is all of them, the last level those asked for.
        places: `(sizes[1], T)` the neighbours of all nodes but those met last, as places in
            `nodes`; -1 where there are fewer than T. Empty at depth 0.
        asked: `(asked,)` the place of each node that was asked for, in the order of asking.
    """

    nodes: Int64[np.ndarray, " n"]
    sizes: tuple[int, ...]
    places: Int32[np.ndarray, "heard width"]
    asked: Int32[np.ndarray, " asked"]


def levels(
    asked: Int64[np.ndarray, " asked"], neighbours: Int32[np.ndarray, "N T"], depth: int
) -> Levels:
    """The nodes that `depth` rounds of listening need.

    Args:
        asked: rows of the nodes whose state is wanted, in any order, repeated or not.
        neighbours: rows of the neighbours of each node; -1 where there are fewer than T.
        depth: K, rounds of listening.
    """
    # Zeros are given out page by page when first touched: a batch pays for what it meets alone.
    place_of = np.zeros(len(neighbours), np.int32)
    nodes, sizes, places, found = _meet(asked, neighbours, depth, place_of)
    return Levels(nodes, tuple(sizes.tolist()), places, found)


@njit(nogil=True, cache=True)
def _meet(
    asked: np.ndarray, neighbours: np.ndarray, depth: int, place_of: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    width = neighbours.shape[1]
    room = len(asked)
    nodes = np.empty(room, np.int64)
    found = np.empty(room, np.int32)
    met = 0
    for index in range(len(asked)):
        node = asked[index]
        if place_of[node] == 0:  # places are kept plus one, so that 0 says "not met"
            nodes[met] = node
            met += 1
            place_of[node] = met
        found[index] = place_of[node] - 1
    sizes = np.empty(depth + 1, np.int64)
    sizes[depth] = met
    places = np.empty((0, width), np.int32)
    done = 0
    for level in range(depth - 1, -1, -1):
        last = met
        grown = np.empty((last, width), np.int32)
        grown[:done] = places
        places = grown
        room = min(met + (last - done) * width, len(neighbours))
        wider = np.empty(room, np.int64)
        wider[:met] = nodes[:met]
        nodes = wider
        for place in range(done, last):
            for slot in range(width):
                node = neighbours[nodes[place], slot]
                if node < 0:
                    places[place, slot] = -1
                    continue
                if place_of[node] == 0:
                    nodes[met] = node
                    met += 1
                    place_of[node] = met
                places[place, slot] = place_of[node] - 1
        done = last
        sizes[level] = met
    return nodes[:met], sizes, places, found


def strangers(
    known: Jagged, keys: Int64[np.ndarray, " rows"], candidates: Int64[np.ndarray, " candidates"]
) -> Bool[np.ndarray, "rows candidates"]:
    """Which candidates are not in the list that each key names: those that may be negatives.

    Args:
        known: lists of item rows.
        keys: the list of each row of the answer.
        candidates: item rows, each once.
    """
    highest = int(max(candidates.max(initial=-1), known.values.max(initial=-1)))
    place_of = np.zeros(highest + 1, np.int32)
    out = np.ones((len(keys), len(candidates)), np.bool_)
    _rule_out(known.offsets, known.values, keys, candidates, place_of, out)
    return out


@njit(nogil=True, cache=True)
def _rule_out(
    offsets: np.ndarray,
    values: np.ndarray,
    keys: np.ndarray,
    candidates: np.ndarray,
    place_of: np.ndarray,
    out: np.ndarray,
) -> None:
    for place in range(len(candidates)):
        place_of[candidates[place]] = place + 1
    for row in range(len(keys)):
        for index in range(offsets[keys[row]], offsets[keys[row] + 1]):
            place = place_of[values[index]]
            if place > 0:
                out[row, place - 1] = False
