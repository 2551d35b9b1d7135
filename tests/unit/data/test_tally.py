"""One pass over blocks counts what a slow loop over events counts, wherever the blocks fall."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.data import tally as module
from grapevine.data.interactions import Interactions
from grapevine.data.tally import DAY_MS, YEAR_2000_MS, tally
from grapevine.structs.jagged import offsets_of

USERS, ITEMS, KINDS = 5, 4, 3
EVENT = st.tuples(
    st.integers(0, USERS - 1),
    st.integers(0, ITEMS - 1),
    st.integers(0, KINDS - 1),
    st.integers(-2, 6).map(lambda half_days: YEAR_2000_MS + half_days * DAY_MS // 2),
)
NOW_MS = YEAR_2000_MS + DAY_MS


def interactions(events: list[tuple[int, int, int, int]]) -> Interactions:
    ordered = sorted(events, key=lambda event: (event[0], event[3]))
    users, items, behaviours, times = np.array(ordered, np.int64).reshape(-1, 4).T
    return Interactions(
        offsets_of(np.bincount(users, minlength=USERS)),
        items.astype(np.int32),
        behaviours.astype(np.uint8),
        times,
        ITEMS,
    )


@given(events=st.lists(EVENT, max_size=40), block=st.integers(1, 50))
def test_it_agrees_with_a_loop_over_events(events, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        seen = tally(interactions(events), KINDS, "exact", NOW_MS)
    first: dict[tuple[int, int], dict[int, int]] = defaultdict(dict)
    for user, item, kind, time in events:
        known = first[user, item].get(kind, time)
        first[user, item][kind] = min(known, time)
    bare = {
        kind: [
            pair
            for pair, times in first.items()
            if kind in times
            and not any(times.get(before, np.inf) <= times[kind] for before in range(kind))
        ]
        for kind in range(1, KINDS)
    }
    assert seen.items.tolist() == [sum(e[1] == item for e in events) for item in range(ITEMS)]
    assert seen.behaviours.tolist() == [sum(e[2] == kind for e in events) for kind in range(KINDS)]
    assert seen.pairs == len(first)
    assert seen.reached.tolist() == [sum(k in t for t in first.values()) for k in range(KINDS)]
    for kind, pairs in bare.items():
        assert seen.unprepared[kind] == len(pairs)
        example = seen.unprepared_example[kind]
        assert example in pairs if pairs else example == (-1, -1)
    times = [event[3] for event in events]
    assert seen.midnight == sum(time % DAY_MS == 0 for time in times)
    assert seen.early[0] == sum(time < YEAR_2000_MS for time in times)
    assert seen.future[0] == sum(time > NOW_MS for time in times)
    if events:
        assert seen.mode[1] == max(Counter(times).values())
        assert (seen.mode[2], seen.mode[0]) in {(event[0], event[3]) for event in events}
        days = Counter(time // DAY_MS for time in times)
        assert {seen.first_day + n: c for n, c in enumerate(seen.days.tolist()) if c} == days
    else:
        assert seen.mode == (0, 0, -1)


@given(events=st.lists(EVENT.map(lambda event: (event[0], event[1], 0, event[3])), max_size=40))
def test_one_behaviour_is_counted_as_several_are(events):
    alone = tally(interactions(events), 1, "exact", NOW_MS)
    among = tally(interactions(events), KINDS, "exact", NOW_MS)
    assert alone.pairs == among.pairs == alone.reached[0] == among.reached[0]


def test_centuries_of_times_need_no_calendar():
    seen = tally(interactions([(0, 0, 0, 0), (0, 1, 0, 10**15)]), 1, "exact", NOW_MS)
    assert len(seen.days) == 0
    assert seen.future == (1, 0)
    assert seen.early == (1, 0)
