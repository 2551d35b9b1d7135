"""The best few of one list of scores, equals by rising row: as `core.topk` has it for many."""

from collections.abc import Set

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped


def best(
    scores: Float32[np.ndarray, " items"],
    count: int,
    mask: Bool[np.ndarray, " items"] | None,
    hidden: Set[int],
) -> tuple[Int64[np.ndarray, " found"], Float32[np.ndarray, " found"]]:
    """Rows and scores of the best items, best first; what scores -inf is never among them.

    Args:
        scores: of all items; left as they are.
        count: how many at most.
        mask: which may be shown; None for all.
        hidden: rows that may not.
    """
    if mask is not None or hidden:
        scores = np.where(mask, scores, np.float32(-np.inf)) if mask is not None else scores.copy()
        scores[list(hidden)] = -np.inf
    rows = _first(scores, count)
    return rows, scores[rows]


def best_of(
    scores: Float32[np.ndarray, " few"],
    rows: Int64[np.ndarray, " few"],
    count: int,
    hidden: Set[int],
) -> tuple[Int64[np.ndarray, " found"], Float32[np.ndarray, " found"]]:
    """The same of a few rows.

    Args:
        scores: of these rows.
        rows: rising.
        count: how many at most.
        hidden: rows that may not be shown.
    """
    if hidden:
        keep = open_of(rows, hidden)
        rows, scores = rows[keep], scores[keep]
    places = _first(scores, count)
    return rows[places], scores[places]


def open_of(rows: Int64[np.ndarray, " few"], hidden: Set[int]) -> Bool[np.ndarray, " few"]:
    """Which rows are not hidden; of lists this short `np.isin` takes ten times as long."""
    return np.fromiter((row not in hidden for row in rows.tolist()), np.bool_, len(rows))


def _first(scores: Shaped[np.ndarray, " items"], count: int) -> Int64[np.ndarray, " found"]:
    """Places of the greatest, the lower place first among equals."""
    count = min(count, len(scores))
    if count == 0:
        return np.empty(0, np.int64)
    last = np.partition(scores, len(scores) - count)[len(scores) - count]
    if last == -np.inf:
        places = np.flatnonzero(scores > last)
    else:
        above, beside = np.flatnonzero(scores > last), np.flatnonzero(scores == last)
        places = np.sort(np.concatenate([above, beside[: count - len(above)]]))
    return places[np.argsort(-scores[places], kind="stable")]
