"""Events into the order of histories, and repeated ones found: compiled, in parallel."""

from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Bool, Int32, Int64

from grapevine.structs.jagged import offsets_of

_FEW = 16
_ODD = 0x9E3779B97F4A7C15 - 2**64


@dataclass(frozen=True, slots=True)
class SortedEvents:
    """Events grouped by user; within each sorted by time, then by order, then by arrival.

    Attributes:
        offsets: `(users + 1,)` the events of user u are `[offsets[u], offsets[u + 1])`.
        rows: `(events,)` which arrival stands at each place.
        times: `(events,)` its time.
        keys: `(events,)` its key.
        repeated: `(events,)` true where an event before it has its user, time and key.
        out_of_order: events earlier than the one that arrived before them, of the same user.
        ties: kept events with the time of the kept event before them, of the same user.
    """

    offsets: Int64[np.ndarray, " users_plus_one"]
    rows: Int64[np.ndarray, " events"] | Int32[np.ndarray, " events"]
    times: Int64[np.ndarray, " events"]
    keys: Int64[np.ndarray, " events"]
    repeated: Bool[np.ndarray, " events"]
    out_of_order: int
    ties: int

    def users(self, start: int, stop: int) -> Int64[np.ndarray, " places"]:
        """User row of the events at places start to stop."""
        first = int(np.searchsorted(self.offsets, start, side="right")) - 1
        last = int(np.searchsorted(self.offsets, stop, side="left"))
        lengths = np.diff(np.clip(self.offsets[first : last + 1], start, stop))
        return np.repeat(np.arange(first, last), lengths)


def sort_events(
    users: Int32[np.ndarray, " events"],
    times: Int64[np.ndarray, " events"],
    keys: Int64[np.ndarray, " events"],
    num_users: int,
    order: Int64[np.ndarray, " events"] | None = None,
    also: Int64[np.ndarray, " events"] | None = None,
) -> SortedEvents:
    """Counting sort by user, then a stable sort by time inside each user.

    The result does not depend on the number of threads: each user's events are one thread's work.

    Args:
        users: user row of each event, in arrival order.
        times: time of each event.
        keys: what, beside user and time, makes two events the same event.
        num_users: every user row is below it.
        order: breaks ties in time before the arrival does.
        also: a second part of the key, such as a hash; not returned. The two are hashed into 64
            bits, so unlike events of one user and time are confused once in 2^64.
    """
    offsets = offsets_of(np.bincount(users, minlength=num_users))
    small = len(users) < 2**31
    rows = np.empty(len(users), np.int32 if small else np.int64)
    sorted_times = np.empty(len(users), np.int64)
    sorted_keys = np.empty(len(users), np.int64)
    identity = keys if also is None else keys * np.int64(_ODD) + also
    _scatter(users, times, identity, offsets[:-1].copy(), rows, sorted_times, sorted_keys)
    repeated = np.zeros(len(users), np.bool_)
    out_of_order, ties = _sort_each(
        offsets,
        rows,
        sorted_times,
        sorted_keys,
        repeated,
        np.empty(0, np.int64) if order is None else order,
    )
    if also is not None:
        sorted_keys = keys[rows]
    return SortedEvents(
        offsets, rows, sorted_times, sorted_keys, repeated, int(out_of_order), int(ties)
    )


@numba.njit(cache=True, nogil=True)
def _scatter(users, times, keys, free, rows, sorted_times, sorted_keys):
    for event in range(len(users)):
        place = free[users[event]]
        free[users[event]] = place + 1
        rows[place] = event
        sorted_times[place] = times[event]
        sorted_keys[place] = keys[event]


@numba.njit(cache=True, nogil=True, parallel=True)
def _sort_each(offsets, rows, times, keys, repeated, order):
    out_of_order = 0
    ties = 0
    for user in numba.prange(len(offsets) - 1):
        start, stop = offsets[user], offsets[user + 1]
        late = 0
        for place in range(start + 1, stop):
            late += times[place] < times[place - 1]
        out_of_order += late
        if late or len(order):
            _sort_one(rows[start:stop], times[start:stop], keys[start:stop], order)
        ties += _mark_repeated(times[start:stop], keys[start:stop], repeated[start:stop])
    return out_of_order, ties


@numba.njit(cache=True, nogil=True)
def _sort_one(rows, times, keys, order):
    if len(order):
        first = np.argsort(order[rows], kind="mergesort")
        index = first[np.argsort(times[first], kind="mergesort")]
    else:
        index = np.argsort(times, kind="mergesort")
    rows[:] = rows[index]
    times[:] = times[index]
    keys[:] = keys[index]


@numba.njit(cache=True, nogil=True)
def _mark_repeated(times, keys, repeated):
    """Mark events whose time and key came before; return how many of the rest share a time."""
    ties = 0
    start = 0
    while start < len(times):
        stop = start + 1
        while stop < len(times) and times[stop] == times[start]:
            stop += 1
        if stop - start > 1:
            _mark_run(keys[start:stop], repeated[start:stop])
            ties += stop - start - 1 - repeated[start:stop].sum()
        start = stop
    return ties


@numba.njit(cache=True, nogil=True)
def _mark_run(keys, repeated):
    if len(keys) <= _FEW:
        for later in range(1, len(keys)):
            for earlier in range(later):
                if keys[earlier] == keys[later]:
                    repeated[later] = True
                    break
    else:
        index = np.argsort(keys, kind="mergesort")
        for at in range(1, len(index)):
            if keys[index[at]] == keys[index[at - 1]]:
                repeated[index[at]] = True
