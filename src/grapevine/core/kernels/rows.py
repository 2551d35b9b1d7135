"""Some rows of a table: which of them a batch needs, and sums into them."""

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64, Shaped
from numba import njit, prange

from grapevine.core.kernels.threads import threads_for

LINE = 16
"""Columns that a thread adds at a time: a line of the cache of float32."""


def slots_of(
    nodes: Int64[np.ndarray, " occurrences"], num_nodes: int
) -> tuple[Int64[np.ndarray, " rows"], Int32[np.ndarray, " nodes"]]:
    """The different nodes, rising, and the place of each among them; -1 for those not there."""
    there: Bool[np.ndarray, " nodes"] = np.zeros(num_nodes, np.bool_)
    there[nodes] = True
    rows = np.flatnonzero(there)
    slots = np.full(num_nodes, -1, np.int32)
    slots[rows] = np.arange(len(rows), dtype=np.int32)
    return rows, slots


def add_rows(
    out: Float[np.ndarray, "rows width"],
    places: Shaped[np.ndarray, " occurrences"],
    values: Float[np.ndarray, "occurrences width"],
) -> None:
    """Add each value to the row of `out` at its place, in order, whichever thread does it."""
    if len(places) != len(values) or out.shape[1] != values.shape[1]:
        raise ValueError(f"cannot add {values.shape} at {len(places)} places of {out.shape}")
    if len(places) and not 0 <= places.min() <= places.max() < len(out):
        raise ValueError(f"places must lie in [0, {len(out)})")
    with threads_for(values.size):
        _add_rows(out, places, np.ascontiguousarray(values))


@njit(parallel=True, nogil=True, cache=True)
def _add_rows(out: np.ndarray, places: np.ndarray, values: np.ndarray) -> None:
    width = out.shape[1]
    for line in prange((width + LINE - 1) // LINE):
        low = line * LINE
        high = min(low + LINE, width)
        for place in range(len(places)):
            row = places[place]
            for d in range(low, high):
                out[row, d] += values[place, d]
