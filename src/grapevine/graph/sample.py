"""A few neighbours of each node, drawn anew whenever the key changes."""

import numpy as np
from jaxtyping import Int32, Int64
from numba import njit, prange

from grapevine.graph.counter import below, mix
from grapevine.structs.jagged import Jagged


def sample(
    neighbours: Jagged,
    width: int,
    key: np.uint64,
    rows: Int64[np.ndarray, " rows"] | None = None,
) -> Int32[np.ndarray, "rows width"]:
    """`width` neighbours of each node, uniform; -1 throughout where it has none.

    Without replacement where a node has as many, with replacement where it has fewer, as GraphSAGE
    draws them (Hamilton et al., NeurIPS 2017, arXiv:1706.02216, section 3.1). What is drawn for a
    node depends on the key and the node alone.

    Args:
        neighbours: of each node.
        width: T, how many are drawn.
        key: names the draw.
        rows: the nodes that are asked for, all if not given; -1 is nobody.
    """
    rows = np.arange(len(neighbours)) if rows is None else rows
    out = np.empty((len(rows), width), np.int32)
    _sample(neighbours.offsets, neighbours.values, np.uint64(key), rows, out)
    return out


@njit(parallel=True, nogil=True, cache=True)
def _sample(
    offsets: np.ndarray, values: np.ndarray, key: np.uint64, rows: np.ndarray, out: np.ndarray
) -> None:
    width = out.shape[1]
    for place in prange(len(out)):
        node = rows[place]
        drawn = out[place]
        if node < 0 or offsets[node + 1] == offsets[node]:
            drawn[:] = -1
            continue
        first = offsets[node]
        degree = int(offsets[node + 1] - first)
        own_key = mix(key, np.uint64(node))
        if degree < width:
            for slot in range(width):
                drawn[slot] = values[first + below(own_key, np.uint64(slot), degree)]
            continue
        # Floyd's sampling (Bentley and Floyd, CACM 1987): places first, told apart by comparing.
        for slot in range(width):
            last = degree - width + slot
            found = below(own_key, np.uint64(slot), last + 1)
            for before in range(slot):
                if drawn[before] == found:
                    found = last
                    break
            drawn[slot] = found
        for slot in range(width):
            drawn[slot] = values[first + drawn[slot]]
