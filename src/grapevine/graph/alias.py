"""Alias tables: a draw in proportion to weights in constant time (Walker 1977; Vose 1991)."""

import numpy as np
from jaxtyping import Float32, Int32, Int64, Shaped
from numba import njit

from grapevine.structs.jagged import Jagged

ALIAS = np.dtype([("keep", np.float32), ("item", np.int32), ("other", np.int32)])
"""A place of an alias table: `item` with chance `keep`, else `other`."""


def alias_tables(
    weights: Float32[np.ndarray, "K I"],
    order: Int32[np.ndarray, " I"],
    starts: Int64[np.ndarray, " slices_plus_one"],
) -> Shaped[np.ndarray, "K I"]:
    """Alias tables of ALIAS (Vose 1991): one for each row of weights and slice of `order`.

    Args:
        weights: of each item in each row; what a slice sums to does not matter.
        order: item rows, slice by slice.
        starts: where each slice starts, and where the last one ends.
    """
    table = np.empty(weights.shape, ALIAS)
    _fill_aliases(weights, order, starts, table)
    return table


def list_aliases(
    lists: Jagged, weights: Float32[np.ndarray, " total"]
) -> Shaped[np.ndarray, " total"]:
    """An alias table for each list, whose ends are the values of the list.

    Args:
        lists: rows below 2^31.
        weights: of each value, positive.
    """
    places = np.arange(len(weights), dtype=np.int32)
    table = alias_tables(weights[None], places, lists.offsets)[0]
    for end in ("item", "other"):
        table[end] = lists.values[table[end]]
    return table


@njit(cache=True, nogil=True)
def _fill_aliases(weights: np.ndarray, order: np.ndarray, starts: np.ndarray, table) -> None:
    stack = np.empty(weights.shape[1], np.int64)
    scaled = np.empty(weights.shape[1], np.float64)
    for k in range(weights.shape[0]):
        for slot in range(len(starts) - 1):
            start, stop = starts[slot], starts[slot + 1]
            total = 0.0
            for place in range(start, stop):
                total += weights[k, order[place]]
            # Light places are stacked from the left end, heavy ones from the right.
            light, heavy = start, stop
            for place in range(start, stop):
                row = table[k, place]
                row.keep, row.item, row.other = 1.0, order[place], order[place]
                scaled[place] = weights[k, order[place]] * (stop - start) / total
                if scaled[place] < 1.0:
                    stack[light] = place
                    light += 1
                else:
                    heavy -= 1
                    stack[heavy] = place
            while light > start and heavy < stop:
                light -= 1
                low, high = stack[light], stack[heavy]
                row = table[k, low]
                row.keep, row.other = scaled[low], order[high]
                scaled[high] -= 1.0 - scaled[low]
                if scaled[high] < 1.0:
                    heavy += 1
                    stack[light] = high
                    light += 1
