"""Splits by a moment."""

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.data import split
from grapevine.data.dataset import TEST, TRAIN, VALIDATION
from grapevine.errors import ConfigError, DataError
from grapevine.testing.worlds import world

BEHAVIOURS = ("view", "buy")
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 7), st.sampled_from(BEHAVIOURS), st.integers(0, 12)
    ),
    min_size=1,
    max_size=40,
)


@given(EVENTS, st.integers(1, 12), st.integers(1, 12))
def test_time_windows_hold_what_their_times_say(events, first, second):
    data = world([(0, 0, "view", 0), *events], behaviours=BEHAVIOURS)
    validation_at, at = sorted((first, second))
    parts = split.by_time(data, at, validation_at=validation_at)
    times = data.interactions.times
    expected = [TRAIN if t < validation_at else VALIDATION if t < at else TEST for t in times]
    assert parts.labels.tolist() == expected
    # All first-time targets of a user in the test window make one query.
    asked = defaultdict(set)
    known = set()
    for user, item, behaviour, time in zip(
        data.interactions.users, data.interactions.items, data.interactions.behaviours, times
    ):
        if behaviour == 1:
            (known.add if time < at else asked[user].add)((user, item))
    fresh = {user: {i for _, i in pairs - known} for user, pairs in asked.items() if pairs - known}
    assert len(parts.test) == len(fresh)
    assert sum(parts.test.targets.lengths) == sum(map(len, fresh.values()))


def test_equal_times_fall_on_one_side():
    data = world([(u, i, "event", 5 if i < 3 else 9) for u in range(2) for i in range(4)])
    # A tenth of eight events is one, but both events of time 9 come after the cut.
    parts = split.by_time(data, test_fraction=0.1, validation_fraction=0)
    assert parts.settings["at"] == 9
    assert parts.labels.tolist() == [0, 0, 0, 2] * 2
    with pytest.raises(DataError, match="leaves no training events"):
        split.by_time(data, test_fraction=0.5, validation_fraction=0)
    with pytest.raises(DataError, match="no events before the test"):
        split.by_time(data, test_fraction=0.5)


@pytest.mark.parametrize("at", [1714521600000, "1714521600000", "2024-05-01", "20240501",
                                "2024-05-01T02:00+02:00"])  # fmt: skip
def test_a_moment_in_any_of_the_usual_ways(at):
    data = world([("u", "a", "event", 1), ("u", "b", "event", 1714521600000)])
    parts = split.by_time(data, at, validation_fraction=0)
    assert parts.settings == {"by": "time", "at": 1714521600000, "repeats": "drop"}
    assert parts.labels.tolist() == [TRAIN, TEST]


def test_fractions_cut_where_the_share_begins():
    data = world([("u", i, "event", i) for i in range(100)])
    parts = split.by_time(data, test_fraction=0.2, validation_fraction=0.25)
    assert (parts.settings["validation_at"], parts.settings["at"]) == (60, 80)
    assert np.bincount(parts.labels).tolist() == [60, 20, 20]


def test_rolling_windows_follow_each_other():
    data = world([("u", i, "event", i) for i in range(100)])
    windows = split.rolling(data, windows=3, test_fraction=0.1)
    assert [np.bincount(one.labels, minlength=4).tolist() for one in windows] == [
        [60, 10, 10, 20],
        [70, 10, 10, 10],
        [80, 10, 10, 0],
    ]
    for before, after in pairwise(windows):
        assert before.settings["at"] == after.settings["validation_at"]
        assert before.settings["until"] == after.settings["at"]
    with pytest.raises(ConfigError, match="leave nothing to learn from"):
        split.rolling(data, windows=9, test_fraction=0.1)
    with pytest.raises(DataError, match="share a time for 2 windows"):
        split.rolling(world([("u", i, "event", 7) for i in range(30)]), windows=2)


def test_a_log_of_one_moment_cannot_be_split_by_time():
    data = world([(u, i, "event", 7) for u in range(3) for i in range(4)])
    with pytest.raises(DataError, match="no events before the test\nhint: start the test later"):
        split.of(data, "time")
