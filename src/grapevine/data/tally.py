"""One pass over all events, block by block: what `describe` needs to count."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64, Shaped

from grapevine.data.interactions import Interactions
from grapevine.data.schema import Clock

BLOCK = 1 << 21
"""Events looked at together; memory grows with this, not with the number of events."""

DAY_MS = 86_400_000
YEAR_2000_MS = 946_684_800_000

RUN = 100
"""Bots: so many events in a row ..."""
RUN_MS = 100_000
"""... within so short a time, at no fewer than RUN / 2 different times."""

_MOST_DAYS = 100_000
_SAMPLE = 100_000


@dataclass(kw_only=True)
class Tally:
    """Counts over all events; times are counted only where there are times.

    Attributes:
        items: `(items,)` events of each item.
        behaviours: `(behaviours,)` events of each behaviour.
        pairs: distinct pairs of user and item.
        reached: `(behaviours,)` pairs in which the behaviour occurs.
        unprepared: `(behaviours,)` of these, the pairs in which no behaviour that stands before
            it in the cascade occurs at its first time or earlier.
        unprepared_example: for each behaviour a user row and an item row, (-1, -1) for none.
        fast: rows of the users with RUN events in a row within RUN_MS.
        midnight: events at 00:00:00 UTC exactly.
        early: events before the year 2000, and the user row of one.
        future: events after now, and the user row of one.
        mode: the commonest time, the number of its events, and the user row of one.
        first_day: days since 1970 of the first entry of `days`.
        days: events on each day; empty where they span more than three centuries.
    """

    items: Int64[np.ndarray, " items"]
    behaviours: Int64[np.ndarray, " behaviours"]
    reached: Int64[np.ndarray, " behaviours"]
    unprepared: Int64[np.ndarray, " behaviours"]
    unprepared_example: list[tuple[int, int]]
    pairs: int = 0
    fast: list[int] = field(default_factory=list)
    midnight: int = 0
    early: tuple[int, int] = (0, -1)
    future: tuple[int, int] = (0, -1)
    mode: tuple[int, int, int] = (0, 0, -1)
    first_day: int = 0
    days: Int64[np.ndarray, " days"] = field(default_factory=lambda: np.zeros(0, np.int64))


def tally(events: Interactions, num_behaviours: int, clock: Clock, now_ms: int) -> Tally:
    """Count everything once.

    Args:
        events: all events.
        num_behaviours: how many behaviours the schema names.
        clock: what the times mean.
        now_ms: the present, in milliseconds since 1970.
    """
    result = Tally(
        items=np.zeros(events.num_items, np.int64),
        behaviours=np.zeros(num_behaviours, np.int64),
        reached=np.zeros(num_behaviours, np.int64),
        unprepared=np.zeros(num_behaviours, np.int64),
        unprepared_example=[(-1, -1)] * num_behaviours,
    )
    timed = clock in {"exact", "approximate"} and len(events) > 0
    if timed:
        _open_calendar(result, events.times)
    for first, last in _blocks(events.offsets):
        place = slice(int(events.offsets[first]), int(events.offsets[last]))
        lengths = np.diff(events.offsets[first : last + 1])
        users = np.repeat(np.arange(first, last), lengths)
        items, behaviours = events.items[place], events.behaviours[place]
        result.items += np.bincount(items, minlength=events.num_items)
        result.behaviours += np.bincount(behaviours, minlength=num_behaviours)
        _count_pairs(result, users, items, behaviours, events.times[place])
        if timed:
            _count_times(result, users, events.times[place], now_ms)
    return result


def _blocks(offsets: Int64[np.ndarray, " users_plus_one"]) -> Iterator[tuple[int, int]]:
    """Ranges of users with about BLOCK events together; a user is never cut."""
    first, users = 0, len(offsets) - 1
    while first < users:
        last = int(np.searchsorted(offsets, offsets[first] + BLOCK, side="right")) - 1
        last = max(last, first + 1)
        if offsets[last] > offsets[first]:
            yield first, last
        first = last


def _count_pairs(
    result: Tally, users: np.ndarray, items: np.ndarray, behaviours: np.ndarray, times: np.ndarray
) -> None:
    key = (users - users[0]) * len(result.items) + items
    num_behaviours = len(result.behaviours)
    if num_behaviours == 1:
        key.sort()
        distinct = 1 + int(np.count_nonzero(np.diff(key)))
        result.pairs += distinct
        result.reached += distinct
        return
    order = np.argsort(key, kind="stable")
    pair = np.cumsum(np.diff(key[order], prepend=-1) != 0) - 1
    pairs = int(pair[-1]) + 1
    result.pairs += pairs
    never = np.iinfo(np.int64).max
    prepared = np.full(pairs, never)  # first time of any behaviour before this one
    for place in range(num_behaviours):
        # Events of a pair stand in order of time: written backwards, the first one stays.
        chosen = np.flatnonzero(behaviours[order] == place)[::-1]
        when = np.full(pairs, never)
        when[pair[chosen]] = times[order[chosen]]
        met = when != never
        bare = met & (prepared > when)
        result.reached[place] += np.count_nonzero(met)
        if place and bare.any():
            result.unprepared[place] += np.count_nonzero(bare)
            if result.unprepared_example[place] == (-1, -1):
                event = order[np.searchsorted(pair, np.argmax(bare))]
                result.unprepared_example[place] = int(users[event]), int(items[event])
        np.minimum(prepared, when, out=prepared)


def _open_calendar(result: Tally, times: Int64[np.ndarray, " events"]) -> None:
    low, high = int(times.min()) // DAY_MS, int(times.max()) // DAY_MS
    if high - low < _MOST_DAYS:
        result.first_day, result.days = low, np.zeros(high - low + 1, np.int64)
    # A time that many events share is common in any sample: one is found there, all are counted.
    values, counts = np.unique(times[:: max(1, len(times) // _SAMPLE)], return_counts=True)
    result.mode = int(values[counts.argmax()]), 0, -1


def _count_times(result: Tally, users: np.ndarray, times: np.ndarray, now_ms: int) -> None:
    day = times // DAY_MS
    result.midnight += int(np.count_nonzero(times == day * DAY_MS))
    if len(result.days):
        result.days += np.bincount(day - result.first_day, minlength=len(result.days))
    result.early = _met(result.early, users, times < YEAR_2000_MS)
    result.future = _met(result.future, users, times > now_ms)
    shared, *known = result.mode
    result.mode = shared, *_met((known[0], known[1]), users, times == shared)
    result.fast += _fast_users(users, times)


def _met(known: tuple[int, int], users: np.ndarray, mask: Shaped[np.ndarray, " events"]):
    """A count and an example, with the events of this block added."""
    count, example = known
    here = int(np.count_nonzero(mask))
    return count + here, int(users[mask.argmax()]) if here and example < 0 else example


def _fast_users(users: np.ndarray, times: np.ndarray) -> list[int]:
    """Users with RUN events in a row within RUN_MS, steadily: not a batch at one time."""
    if len(times) < RUN:
        return []
    steps = np.cumsum(np.diff(times, prepend=times[0]) != 0)
    start, stop = slice(0, len(times) - RUN + 1), slice(RUN - 1, None)
    fast = (
        (users[start] == users[stop])
        & (times[stop] - times[start] < RUN_MS)
        & (steps[stop] - steps[start] >= RUN // 2)
    )
    return np.unique(users[start][fast]).tolist()
