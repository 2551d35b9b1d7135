"""Where numbers stand among others that rise: how pairs of a user and an item are looked up."""

import numpy as np
from jaxtyping import Bool, Int64


def places(
    rising: Int64[np.ndarray, " numbers"], wanted: Int64[np.ndarray, " *any"]
) -> Int64[np.ndarray, " *any"]:
    """The place of each number; -1 where it is not there.

    >>> places(np.array([2, 5, 9]), np.array([[9, 3], [2, 10]])).tolist()
    [[2, -1], [0, -1]]

    Args:
        rising: each number once; of one that stands there more than once it is the first place.
        wanted: which are looked for.
    """
    if not len(rising):
        return np.full(np.shape(wanted), -1, np.int64)
    place = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    return np.where(rising[place] == wanted, place, -1)


def holds(
    rising: Int64[np.ndarray, " numbers"], wanted: Int64[np.ndarray, " *any"]
) -> Bool[np.ndarray, " *any"]:
    """Which of the numbers are there.

    >>> holds(np.array([2, 5, 9]), np.array([9, 3])).tolist()
    [True, False]
    """
    return places(rising, wanted) >= 0
