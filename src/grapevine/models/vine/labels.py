"""What became of a user and an item after an event: how far they went, by the funnel."""

import numpy as np
from jaxtyping import Float32, Int64

from grapevine.data.interactions import Interactions


def furthest(events: Interactions) -> Int64[np.ndarray, " events"]:
    """The last behaviour in the funnel that a user did with an item from each event on.

    Args:
        events: of every behaviour; the rows of behaviours are in the order of the funnel.
    """
    users = np.repeat(np.arange(events.num_users), np.diff(events.offsets))
    pair = users * np.int64(max(events.num_items, 1)) + events.items
    # Pair by pair, the last event first: what has been reached by then is a running maximum.
    order = np.lexsort((-np.arange(len(pair)), pair))
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    # A step of more than any behaviour at each pair keeps the maximum within it.
    lift = np.int64(np.iinfo(np.uint8).max + 1)
    rank = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(pair)))
    reached = np.maximum.accumulate(rank * lift + events.behaviours[order]) - rank * lift
    out = np.empty(len(pair), np.int64)
    out[order] = reached
    return out


def scale_of(values: Float32[np.ndarray, " events"] | None) -> Float32[np.ndarray, " moments"]:
    """Mean and deviation of the values there are; of no length where there are none."""
    if values is None or not np.isfinite(values).any():
        return np.empty(0, np.float32)
    known = values[np.isfinite(values)].astype(np.float64)
    return np.array([known.mean(), max(known.std(), 1e-6)], np.float32)
