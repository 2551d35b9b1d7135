"""Draws without replacement that depend on their key alone, not on what was drawn before them."""

import numpy as np
from jaxtyping import Float64, Int32, Int64
from numba import njit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
TRIES = 16
"""Tries for each draw wanted, after which all items left are raced at once."""


@njit(cache=True, nogil=True)
def draw_without_replacement(
    seed: np.uint64,
    queries: Int64[np.ndarray, " queries"],
    offsets: Int64[np.ndarray, " queries_plus_one"],
    exclude: Int32[np.ndarray, " excluded"],
    weights: Float64[np.ndarray, " items"],
    totals: Float64[np.ndarray, " items"],
    n: int,
) -> Int32[np.ndarray, "queries n"]:
    """Draw n items for each query, each in proportion to its weight among those still left.

    An item met before, or excluded, is drawn again; where that takes too long (the items left
    weigh little) the rest is drawn by an exponential race over all that is left, which has the
    same distribution, since a draw does not depend on how the ones before it were made.

    Args:
        seed: of all draws.
        queries: key of each query; equal keys draw alike.
        offsets: query q leaves out `exclude[offsets[q]:offsets[q + 1]]`.
        exclude: item rows; those below 0 are nobody.
        weights: not negative.
        totals: running sums of the weights.
        n: items drawn for each query; -1 where no item with a weight is left.
    """
    num_items = len(weights)
    out = np.full((len(queries), n), -1, np.int32)
    # The last query that may not take an item, plus one: cleared by moving on.
    taken = np.zeros(num_items, np.int64)
    for query in range(len(queries)):
        stamp = query + 1
        for index in range(offsets[query], offsets[query + 1]):
            if exclude[index] >= 0:
                taken[exclude[index]] = stamp
        state = _mix(seed ^ _mix(np.uint64(queries[query]) + GOLDEN))
        drawn, tries = 0, 0
        while drawn < n and tries < TRIES * n and num_items:
            state += GOLDEN
            tries += 1
            item = np.searchsorted(totals, _unit(state) * totals[-1], side="right")
            if item < num_items and weights[item] > 0 and taken[item] != stamp:
                taken[item] = stamp
                out[query, drawn] = item
                drawn += 1
        if drawn < n:
            _race(state, taken, stamp, weights, out[query, drawn:])
    return out


@njit(cache=True, nogil=True)
def _race(
    state: np.uint64,
    taken: Int64[np.ndarray, " items"],
    stamp: int,
    weights: Float64[np.ndarray, " items"],
    out: Int32[np.ndarray, " wanted"],
) -> None:
    """Every item left arrives after an exponential time of rate its weight; the first ones win."""
    arrival = np.full(len(weights), np.inf)
    for item in range(len(weights)):
        if weights[item] > 0 and taken[item] != stamp:
            arrival[item] = -np.log1p(-_unit(state + GOLDEN * np.uint64(item + 1))) / weights[item]
    order = np.argsort(arrival)
    for place in range(min(len(out), len(order))):
        if arrival[order[place]] < np.inf:
            out[place] = order[place]


@njit(cache=True, nogil=True)
def _unit(state: np.uint64) -> float:
    """A number in [0, 1) with 53 random bits."""
    return (_mix(state) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def _mix(bits: np.uint64) -> np.uint64:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014, 10.1145/2660193.2660195)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
