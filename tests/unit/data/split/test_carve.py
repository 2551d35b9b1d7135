from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.data import audit, split
from grapevine.data.dataset import TEST, TRAIN, VALIDATION
from grapevine.errors import ConfigError
from grapevine.testing.worlds import world

BEHAVIOURS = ("view", "buy")
EVENTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.sampled_from(BEHAVIOURS), st.integers(0, 9)),
    max_size=40,
)
TWO = [("z", "p", "buy", 1), ("z", "q", "buy", 2)]


def published(events, clock):
    """A log whose last event of each user is its publisher's test."""
    data = world(events, behaviours=BEHAVIOURS)
    offsets = data.interactions.offsets
    labels = np.full(len(data.interactions), TRAIN, np.uint8)
    labels[offsets[1:] - 1] = TEST
    schema = replace(data.schema, clock=clock)
    return replace(data, labels=labels, schema=schema)


@given(EVENTS, st.sampled_from(["exact", "none"]), st.sampled_from(["drop", "keep", "unmet"]))
def test_a_validation_is_taken_from_training_alone(events, clock, repeats):
    data = published([*TWO, ("z", "r", "buy", 3), *events], clock)
    labels, log = data.labels, data.interactions
    parts = split.published(data, repeats=repeats, validation_users=3, seed=1)
    found, users = parts.labels, log.users
    moved = np.flatnonzero(found != labels)
    assert (labels[moved] == TRAIN).all()
    assert (found[moved] == VALIDATION).all()
    buys = np.bincount(users[(labels == TRAIN) & (log.behaviours == 1)], minlength=log.num_users)
    assert len(np.unique(users[moved])) == min(3, (buys > 1).sum())
    assert set(users[moved]) <= set(np.flatnonzero(buys > 1))
    audit.audit(parts).raise_if_leaking()
    for user in np.unique(users[moved]):
        mine = (users == user) & (labels == TRAIN)
        places = np.flatnonzero(mine & (log.behaviours == 1))
        held = found == VALIDATION
        if clock == "exact":
            # The last one is asked for, and all that came after it is moved with it.
            assert (held & mine)[places[-1] :].sum() == mine[places[-1] :].sum()
        pairs = set(log.items[held & mine].tolist())
        if repeats == "unmet" and clock == "none":
            assert len(pairs) == 1
            assert not set(log.items[mine & ~held].tolist()) & pairs
        elif clock == "none":
            assert (held & mine).sum() == 1
    # It can be made again from what is written down of it.
    again = split.remake(data, split.rules.settings_of(parts))
    np.testing.assert_array_equal(again.labels, found)
    other = split.published(data, repeats=repeats, validation_users=3, seed=1)
    np.testing.assert_array_equal(other.labels, found)


def test_what_is_written_is_opened_as_it_was():
    data = published([*TWO, ("z", "r", "buy", 3)], "exact")
    parts = split.published(data, validation_users=1)
    stored = replace(data, labels=parts.labels, schema=replace(data.schema, split=parts.settings))
    opened = split.published(stored)
    assert opened.settings == parts.settings
    np.testing.assert_array_equal(opened.labels, parts.labels)
    again = split.remake(stored, split.rules.settings_of(opened))
    np.testing.assert_array_equal(again.labels, parts.labels)


def test_what_cannot_be_carved_is_refused():
    data = published([*TWO, ("z", "r", "buy", 3)], "exact")
    carved = split.published(data, validation_users=1)
    with pytest.raises(ConfigError, match="has a validation already"):
        split.published(replace(data, labels=carved.labels), validation_users=1)
    with pytest.raises(ConfigError, match="0 users have two training events of `buy`"):
        split.published(published([("a", "p", "buy", 1)] * 2, "exact"), validation_users=1)
    with pytest.raises(ConfigError, match="ask for 1 user"):
        split.published(data, validation_users=-1)
