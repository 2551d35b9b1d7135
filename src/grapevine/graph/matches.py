"""Which of the wanted items a list already holds, list by list."""

import numpy as np
from jaxtyping import Bool, Int32, Int64
from numba import njit

from grapevine.structs.jagged import Jagged


def last_match(
    lists: Jagged,
    keep: Bool[np.ndarray, " total"] | None,
    rows: Int64[np.ndarray, " queries"],
    wanted: Jagged,
    num_items: int,
) -> Int64[np.ndarray, " wanted"]:
    """Where in `lists.values` each wanted item last stands in its query's list, or -1.

    One pass over the lists asked for, with one integer an item besides; nothing is sorted.

    Args:
        lists: item rows, such as the histories of all users.
        keep: which of their values count; all if None.
        rows: the list each query looks into; -1 is an empty one.
        wanted: item rows, one list a query; -1 is in no list.
        num_items: every item row is below it.
    """
    every = np.ones(1, np.bool_) if keep is None else keep
    return _last_match(
        lists.offsets,
        lists.values,
        every,
        keep is None,
        rows,
        wanted.offsets,
        wanted.values,
        num_items,
    )


@njit(cache=True, nogil=True)
def _last_match(
    offsets: Int64[np.ndarray, " lists_plus_one"],
    values: Int32[np.ndarray, " total"],
    keep: Bool[np.ndarray, " total"],
    keep_all: bool,
    rows: Int64[np.ndarray, " queries"],
    wanted_offsets: Int64[np.ndarray, " queries_plus_one"],
    wanted: Int32[np.ndarray, " wanted"],
    num_items: int,
) -> Int64[np.ndarray, " wanted"]:
    # The place of an item says itself which list it was met in, so it is never cleared.
    place = np.full(num_items, -1, np.int64)
    found = np.full(len(wanted), -1, np.int64)
    for query in range(len(rows)):
        row = rows[query]
        if row < 0 or wanted_offsets[query] == wanted_offsets[query + 1]:
            continue
        start, stop = offsets[row], offsets[row + 1]
        for index in range(start, stop):
            if keep_all or keep[index]:
                place[values[index]] = index
        for index in range(wanted_offsets[query], wanted_offsets[query + 1]):
            item = wanted[index]
            if item >= 0 and start <= place[item] < stop:
                found[index] = place[item]
    return found
