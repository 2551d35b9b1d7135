from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.data.interactions import Interactions
from grapevine.testing.worlds import world


@pytest.fixture
def events() -> Interactions:
    """User 0 clicked 2 and bought 0; user 1 did nothing; user 2 clicked 2 and 3."""
    return Interactions(
        offsets=np.array([0, 2, 2, 4]),
        items=np.array([2, 0, 2, 3], np.int32),
        behaviours=np.array([0, 1, 0, 0], np.uint8),
        times=np.array([10, 20, 5, 6]),
        num_items=5,
        values=np.array([np.nan, 3, 1, 2], np.float32),
    )


def test_one_structure_is_graph_and_histories(events):
    assert (events.num_users, len(events)) == (3, 4)
    assert events.users.tolist() == [0, 0, 2, 2]
    assert [part.tolist() for part in events.histories] == [[2, 0], [], [2, 3]]
    assert np.shares_memory(events.histories.values, events.items)


def test_counts_name_every_item(events):
    assert events.counts().tolist() == [1, 0, 2, 1, 0]


def test_of_one_behaviour_keeps_every_user_and_column(events):
    clicks = events.of(0)
    assert [part.tolist() for part in clicks.histories] == [[2], [], [2, 3]]
    assert clicks.times.tolist() == [10, 5, 6]
    np.testing.assert_array_equal(clicks.values, [np.nan, 1, 2])
    assert events.of(9).num_users == 3
    assert len(events.of(9)) == 0


EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from(["view", "buy"])), max_size=25
)


@given(EVENTS)
def test_once_keeps_the_last_of_the_farthest_event_with_each_item(given_events):
    log = world([(9, 9, "buy"), *given_events], behaviours=("view", "buy")).interactions
    found = log.once()
    for user in range(log.num_users):
        here = slice(log.offsets[user], log.offsets[user + 1])
        rows = zip(log.behaviours[here], log.times[here], log.items[here], strict=True)
        best = {}
        for kind, time, item in rows:
            if item not in best or kind >= best[item][1]:
                best[item] = (time, kind)
        mine = slice(found.offsets[user], found.offsets[user + 1])
        kept = zip(found.times[mine], found.behaviours[mine], found.items[mine], strict=True)
        assert list(kept) == sorted((time, kind, item) for item, (time, kind) in best.items())


def test_keeping_everything_copies_nothing(events):
    assert events.where(np.ones(4, bool)) is events


def test_a_batch_holds_whole_histories_in_the_order_asked(events):
    batch = events.batch(np.array([2, -1, 0, 1]))
    assert [part.tolist() for part in batch.history] == [[2, 3], [], [2, 0], []]
    assert batch.times.tolist() == [5, 6, 10, 20]
    assert batch.behaviours.tolist() == [0, 0, 0, 1]


def test_unless_said_otherwise_everyone_is_asked_just_after_the_last_event(events):
    assert events.batch(np.array([2, -1, 0, 1])).asked_at.tolist() == [7, 0, 21, 0]
    asked = events.batch(np.array([2, 0]), np.array([100, 200])).asked_at
    assert asked.tolist() == [100, 200]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("column", ["items", "behaviours", "times", "values"])
def test_a_short_column_is_named(events, column):
    with pytest.raises(ValueError, match=f"{column} has 3 entries for 4 events"):
        replace(events, **{column: getattr(events, column)[:-1]})


def test_an_item_outside_the_catalogue_is_refused(events):
    with pytest.raises(ValueError, match=r"item rows must lie in \[0, 3\): got 0 .. 3"):
        replace(events, num_items=3)
    with pytest.raises(ValueError, match=r"got -1 .. 3"):
        replace(events, items=np.array([2, -1, 2, 3], np.int32))
