"""The best few of many, kept in order as they come: one insertion for all compiled loops."""

from typing import Any

import numba
import numpy as np


@numba.njit(inline="always", cache=True)
def insert(items: np.ndarray, scores: np.ndarray, item: Any, score: Any, place: Any) -> None:
    """Put an item among the best, behind its equals, so that the one that came first stays ahead.

    It becomes part of the kernels that call it: whoever changes it deletes their compiled files
    (`__pycache__`), which are made anew only for changes of their own.

    Args:
        items: of the best, the best first.
        scores: of the same, falling.
        item: the one that came.
        score: its own, more than that of whatever stands at `place`.
        place: the last that is to be looked at: free, or of the item that gives way.
    """
    while place > 0 and scores[place - 1] < score:
        scores[place] = scores[place - 1]
        items[place] = items[place - 1]
        place -= 1
    scores[place] = score
    items[place] = item
