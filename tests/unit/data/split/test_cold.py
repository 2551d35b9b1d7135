from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.data import split
from grapevine.data.audit import audit
from grapevine.data.dataset import TEST, TRAIN, UNUSED, VALIDATION
from grapevine.data.folder import open_dataset, write_dataset
from grapevine.errors import ConfigError, DataError
from grapevine.testing.worlds import world

BEHAVIOURS = ("view", "buy")
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 9), st.sampled_from(BEHAVIOURS), st.integers(0, 12)
    ),
    min_size=1,
    max_size=60,
)
# Two items and two users that always leave something to learn from.
BASE = [(u, i, "buy", 5) for u in (6, 7) for i in (10, 11, 12)]


@given(EVENTS, st.integers(0, 3))
def test_an_item_is_held_out_whole_or_not_at_all(events, seed):
    data = world(events + BASE, behaviours=BEHAVIOURS)
    parts = split.cold_items(data, share=0.3, validation_share=0.2, seed=seed)
    is_target = data.interactions.behaviours == 1
    for item in range(len(data.items)):
        mine = data.interactions.items == item
        found = set(parts.labels[mine & is_target].tolist())
        others = set(parts.labels[mine & ~is_target].tolist())
        assert len(found) <= 1
        assert others <= ({TRAIN} if found <= {TRAIN} else {UNUSED})
    assert not audit(parts).findings
    cold = parts.test.targets.values
    assert len(parts.train.items) == len(data.items)
    assert (parts.train.interactions.counts()[cold] == 0).all()
    assert parts.test.history is parts.train.interactions


def test_the_shares_are_of_items_with_a_target_and_the_seed_draws_them():
    events = [(u, i, "buy", 10 * u + i) for u in range(4) for i in range(50)]
    data = world([*events, (0, 99, "view", 1)], items=[100], behaviours=BEHAVIOURS)
    parts = split.cold_items(data, share=0.2, validation_share=0.1)
    rows = data.interactions.items
    assert len(np.unique(rows[parts.labels == TEST])) == 10
    assert len(np.unique(rows[parts.labels == VALIDATION])) == 5
    other = split.cold_items(data, share=0.2, validation_share=0.1, seed=1)
    assert not np.array_equal(other.labels, parts.labels)


def test_a_question_comes_after_all_that_its_user_did():
    data = world([("u", i, "event", 100 * i) for i in range(8)])
    parts = split.cold_items(data)
    batch = parts.test.questions(0, 1)
    assert len(batch.items) == 6
    assert batch.asked_at[0] > batch.times.max()


def test_the_validation_can_be_left_out():
    data = world([("u", i) for i in range(20)])
    parts = split.cold_items(data, validation_share=0)
    assert parts.train.validation is None
    assert len(parts.test.targets.values) == 2


@pytest.mark.parametrize("repeats", ["drop", "keep"])
def test_settings_make_the_same_split_again(repeats):
    data = world([(u, (3 * u + n) % 17) for u in range(9) for n in range(6)])
    parts = split.of(data, "cold-items", share=0.25, seed=4, repeats=repeats)
    again = split.remake(data, split.settings_of(parts))
    assert np.array_equal(again.labels, parts.labels)
    assert again.settings == parts.settings
    assert again.train.fingerprint == parts.train.fingerprint


def test_what_is_written_opens_as_the_same_split(tmp_path):
    made = world([(u, (3 * u + n) % 17) for u in range(9) for n in range(6)])
    events = made.interactions
    table = made.item_table
    folder = write_dataset(
        tmp_path / "in",
        made.schema,
        table[events.items].with_columns(user_id=events.users, timestamp=events.times),
        table,
    )
    parts = split.cold_items(open_dataset(folder))
    opened = open_dataset(split.write(parts, tmp_path / "out"))
    again = split.remake(opened, split.settings_of(split.published(opened)))
    assert again.settings == parts.settings
    assert again.test.history is again.train.interactions
    assert again.test.asked_at.tolist() == parts.test.asked_at.tolist()
    assert again.test.targets.values.tolist() == parts.test.targets.values.tolist()


def test_items_known_from_events_alone_are_refused():
    data = world([("u", "a"), ("u", "b")])
    gathered = replace(data, schema=replace(data.schema, catalogue=False))
    with pytest.raises(DataError, match="known from the events alone"):
        split.cold_items(gathered)


def test_one_item_is_too_few():
    with pytest.raises(DataError, match="1 items have a `event`"):
        split.cold_items(world([("u", "a"), ("v", "a")]))


@pytest.mark.parametrize("shares", [(0, 0.1), (1, 0), (0.5, 0.5), (0.1, -0.1), (float("nan"), 0)])
def test_shares_that_leave_nothing_are_refused(shares):
    share, validation_share = shares
    with pytest.raises(ConfigError, match="leave nothing to learn from"):
        split.cold_items(world([("u", "ab")]), share=share, validation_share=validation_share)
