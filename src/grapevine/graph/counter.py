"""A counter-based generator for compiled loops: the draw depends on its name, not on its turn."""

import numpy as np
from jaxtyping import Float32, UInt64
from numba import njit, prange


@njit(inline="always", cache=True)
def mix(key: np.uint64, counter: np.uint64) -> np.uint64:
    """64 bits for one (key, counter): SplitMix64's output function (Steele et al., OOPSLA 2014).

    Args:
        key: the stream.
        counter: the place in the stream.
    """
    z = np.uint64(key) + (np.uint64(counter) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(inline="always", cache=True)
def below(key: np.uint64, counter: np.uint64, bound: int) -> np.int64:
    """A whole number in [0, bound), uniform to one part in 2^32 / bound; bound < 2^31."""
    return np.int64(((mix(key, counter) >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))


@njit(parallel=True, nogil=True, cache=True)
def uniform_block(
    keys: UInt64[np.ndarray, " rows"], columns: int
) -> Float32[np.ndarray, "rows columns"]:
    """Numbers in [0, 1) for each (key, column), the same whichever other rows are asked for."""
    out = np.empty((len(keys), columns), np.float32)
    for row in prange(len(keys)):
        for column in range(columns):
            # 24 bits fill a float32's mantissa exactly, so that 1.0 cannot come out.
            out[row, column] = np.float32(
                mix(keys[row], np.uint64(column)) >> np.uint64(40)
            ) * np.float32(2.0**-24)
    return out


@njit(nogil=True, cache=True)
def list_keys(
    key: np.uint64, offsets: np.ndarray, values: np.ndarray
) -> UInt64[np.ndarray, " lists"]:
    """One key for each list, from its values in order; equal lists have equal keys."""
    out = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(out)):
        state = key
        for place in range(offsets[row], offsets[row + 1]):
            state = mix(state, np.uint64(np.int64(values[place])))
        out[row] = state
    return out
