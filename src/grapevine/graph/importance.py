"""Which nodes are worth keeping near: those that many ask for and that have little to be kept.

`Imp^k(v)` is the number of nodes that reach v within k hops over the number that v reaches: the
good of having its neighbourhood at hand over what that costs (AliGraph, Zhu et al., PVLDB 2019,
section 3.2, eq. 1). Degrees follow power laws, and so does it: a few nodes pass any threshold.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64
from numba import njit, prange

from grapevine.graph.cooccurrence import BLOCKS
from grapevine.structs.jagged import Jagged


def reached(ends: Jagged, hops: int = 2) -> Int64[np.ndarray, "nodes hops"]:
    """How many other nodes each node reaches within 1, 2, ... hops."""
    out = np.zeros((len(ends), hops), np.int64)
    _reach(ends.offsets, ends.values, out)
    return out


def importance(ends: Jagged, starts: Jagged, hops: int = 2) -> Float64[np.ndarray, "nodes hops"]:
    """Imp^k of each node for k = 1, 2, ...; 0 where nobody reaches it.

    It is infinite for a node that others reach and that itself reaches nobody.

    Args:
        ends: the nodes that the edges of each node lead to.
        starts: the nodes whose edges lead to each.
        hops: K.
    """
    asked, kept = reached(starts, hops), reached(ends, hops)
    out = np.full(asked.shape, np.inf)
    np.divide(asked, kept, out=out, where=kept > 0)
    return np.where(asked > 0, out, 0.0)


def cache_depth(
    importance_NK: Float64[np.ndarray, "nodes hops"], thresholds: Sequence[float]
) -> Int64[np.ndarray, " nodes"]:
    """Hops up to which the neighbourhood of each node is kept; 0 where it is not.

    AliGraph, algorithm 2: all within k hops, for the largest k with `Imp^k >= threshold k`.

    Args:
        importance_NK: as `importance` gives it.
        thresholds: one for each number of hops.
    """
    if len(thresholds) != importance_NK.shape[1]:
        raise ValueError(f"{len(thresholds)} thresholds for {importance_NK.shape[1]} hops")
    passed = importance_NK >= np.asarray(thresholds)
    return (passed * np.arange(1, len(thresholds) + 1)).max(axis=1, initial=0)


@njit(parallel=True, nogil=True, cache=True)
def _reach(offsets: np.ndarray, ends: np.ndarray, out: np.ndarray) -> None:
    nodes, hops = out.shape
    for block in prange(min(BLOCKS, nodes)):
        # The last node that met another, plus one: cleared by moving on.
        stamp = np.zeros(nodes, np.int32)
        met = np.empty(nodes, np.int32)
        for node in range(block, nodes, BLOCKS):
            stamp[node] = node + 1
            met[0] = node
            done, found = 0, 1
            for hop in range(hops):
                last = found
                for place in range(done, last):
                    one = met[place]
                    for end in ends[offsets[one] : offsets[one + 1]]:
                        if stamp[end] != node + 1:
                            stamp[end] = node + 1
                            met[found] = end
                            found += 1
                done = last
                out[node, hop] = found - 1
