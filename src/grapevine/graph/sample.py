"""A few neighbours of each node, drawn anew whenever the key changes."""

import numpy as np
from jaxtyping import Int32
from numba import njit, prange

from grapevine.graph.counter import below, mix
from grapevine.structs.jagged import Jagged


def sample(neighbours: Jagged, width: int, key: np.uint64) -> Int32[np.ndarray, "nodes width"]:
    """`width` neighbours of each node, uniform; -1 throughout where it has none.

    Without replacement where a node has as many, with replacement where it has fewer, as GraphSAGE
    draws them (Hamilton et al., NeurIPS 2017, arXiv:1706.02216, section 3.1). What is drawn for a
    node depends on the key and the node alone.

    Args:
        neighbours: of each node.
        width: T, how many are drawn.
        key: names the draw.
    """
    out = np.empty((len(neighbours), width), np.int32)
    _sample(neighbours.offsets, neighbours.values, np.uint64(key), out)
    return out


@njit(parallel=True, nogil=True, cache=True)
def _sample(offsets: np.ndarray, values: np.ndarray, key: np.uint64, out: np.ndarray) -> None:
    width = out.shape[1]
    for node in prange(len(out)):
        first = offsets[node]
        degree = offsets[node + 1] - first
        drawn = out[node]
        if degree == 0:
            drawn[:] = -1
            continue
        own_key = mix(key, np.uint64(node))
        if degree < width:
            for slot in range(width):
                drawn[slot] = values[first + below(own_key, np.uint64(slot), degree)]
            continue
        # Floyd's sampling (Bentley and Floyd, CACM 1987): places first, told apart by comparing.
        for slot in range(width):
            last = degree - width + slot
            place = below(own_key, np.uint64(slot), last + 1)
            for before in range(slot):
                if drawn[before] == place:
                    place = last
                    break
            drawn[slot] = place
        for slot in range(width):
            drawn[slot] = values[first + drawn[slot]]
