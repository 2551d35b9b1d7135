"""History times similarity: every question sums what the items of its history say of the others.

This is the weighted sum over neighbours on the graph history -> item -> item, as one compiled loop
that writes the dense block of scores. Each row is summed by one thread in the order of its history,
so the result does not depend on the batch or on the number of threads.
"""

import numpy as np
from jaxtyping import Float32, Int32, Int64
from numba import njit, prange

TILE = 2048
"""Columns summed at once, so that the running sums (8 KiB) stay in the nearest cache."""


@njit(parallel=True, nogil=True, cache=True)
def listen_sparse(
    offsets: Int64[np.ndarray, " queries_plus_one"],
    items: Int32[np.ndarray, " events"],
    weights: Float32[np.ndarray, " events"],
    near_offsets: Int64[np.ndarray, " items_plus_one"],
    near_items: Int32[np.ndarray, " edges"],
    near_weights: Float32[np.ndarray, " edges"],
) -> Float32[np.ndarray, "queries items"]:
    """`sum over the history of weight x row of similarity`, the similarity in CSR."""
    num_items = len(near_offsets) - 1
    out = np.zeros((len(offsets) - 1, num_items), np.float32)
    for query in prange(len(offsets) - 1):
        for event in range(offsets[query], offsets[query + 1]):
            item, weight = items[event], weights[event]
            for edge in range(near_offsets[item], near_offsets[item + 1]):
                out[query, near_items[edge]] += weight * near_weights[edge]
    return out


@njit(parallel=True, nogil=True, cache=True)
def listen_dense(
    offsets: Int64[np.ndarray, " queries_plus_one"],
    items: Int32[np.ndarray, " events"],
    similarity: Float32[np.ndarray, "items items"],
) -> Float32[np.ndarray, "queries items"]:
    """`sum over the history of the row of similarity`, the similarity dense."""
    num_items = similarity.shape[1]
    out = np.zeros((len(offsets) - 1, num_items), np.float32)
    for query in prange(len(offsets) - 1):
        for start in range(0, num_items, TILE):
            stop = min(start + TILE, num_items)
            row = out[query, start:stop]
            for event in range(offsets[query], offsets[query + 1]):
                said = similarity[items[event], start:stop]
                for column in range(stop - start):
                    row[column] += said[column]
    return out
