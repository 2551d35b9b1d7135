"""The best few of many: the larger score first, and the lower row where scores are equal."""

from typing import Any

import numpy as np
from numba import njit

LOW = np.uint64(0xFFFFFFFF)
"""The lower half of 64 bits."""


@njit(inline="always", cache=True)
def key_of(score: Any, row: int) -> np.uint64:
    """A score of 0 or more and a row below 2^32, as one number to sort by."""
    # The bits of a float that is not negative are in its order.
    bits = np.uint64(np.float32(score).view(np.uint32))
    return (bits << np.uint64(32)) | (LOW - np.uint64(row))


@njit(inline="always", cache=True)
def row_of(key: np.uint64) -> np.int64:
    """The row that a key was made of."""
    return np.int64(LOW - (key & LOW))


@njit(inline="always", cache=True)
def score_of(key: np.uint64) -> np.float32:
    """The score that a key was made of."""
    return np.uint32(key >> np.uint64(32)).view(np.float32)


@njit(nogil=True, cache=True)
def _sink(heap: np.ndarray, place: int, size: int) -> None:
    """Move a key down until neither of those below it is smaller."""
    key = heap[place]
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = key


@njit(nogil=True, cache=True)
def best(keys: np.ndarray, total: int, most: int) -> int:
    """Move the `most` largest of the first `total` keys to the front, largest first.

    Returns:
        How many there are: the smaller of `most` and `total`.
    """
    kept = min(total, most)
    # The smallest key on top, so that it is the first to give way (a heap, then heap sort).
    for place in range(kept // 2 - 1, -1, -1):
        _sink(keys, place, kept)
    for place in range(kept, total):
        if keys[place] > keys[0]:
            keys[0] = keys[place]
            _sink(keys, 0, kept)
    for last in range(kept - 1, 0, -1):
        smallest = keys[0]
        keys[0] = keys[last]
        _sink(keys, 0, last)
        keys[last] = smallest
    return kept
