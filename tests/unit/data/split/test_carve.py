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
    wanted = set()
    for user in range(log.num_users):
        mine = np.flatnonzero((users == user) & (labels == TRAIN))
        buys = mine[log.behaviours[mine] == 1]
        if repeats != "keep":
            buys = buys[np.unique(log.items[buys], return_index=True)[1]]
        if len(buys) > 1:
            wanted.add(user)
        if user not in users[moved]:
            continue
        here = moved[users[moved] == user]
        if clock == "exact":
            chosen = buys.max()
        else:
            chosen = next(place for place in buys if log.items[place] in log.items[here])
        expected = {int(chosen)}
        if clock == "exact":
            expected |= set(mine[mine > chosen].tolist())
        else:
            again = (log.items[mine] == log.items[chosen]) & (log.behaviours[mine] == 1)
            expected |= set(mine[again].tolist())
        if repeats == "unmet":
            expected |= set(mine[log.items[mine] == log.items[chosen]].tolist())
        assert set(here.tolist()) == expected
    assert set(users[moved]) <= wanted
    assert len(np.unique(users[moved])) == min(3, len(wanted))
    assert len(parts.validation) == min(3, len(wanted)) or repeats == "keep"
    audit.audit(parts).raise_if_leaking()
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


def test_a_stored_split_of_any_rule_is_carved_and_made_again():
    data = published(
        [*TWO, ("z", "r", "buy", 3), ("y", "p", "buy", 1), ("y", "q", "buy", 2)], "exact"
    )
    parts = split.by_time(data, at=3, validation_fraction=0)
    stored = replace(data, labels=parts.labels, schema=replace(data.schema, split=parts.settings))
    carved = split.published(stored, validation_users=1)
    assert (carved.labels == VALIDATION).any()
    again = split.remake(stored, split.rules.settings_of(carved))
    np.testing.assert_array_equal(again.labels, carved.labels)


def test_what_cannot_be_carved_is_refused():
    data = published([*TWO, ("z", "r", "buy", 3)], "exact")
    carved = split.published(data, validation_users=1)
    with pytest.raises(ConfigError, match="has a validation already"):
        split.published(replace(data, labels=carved.labels), validation_users=1)
    with pytest.raises(ConfigError, match="0 users have two training events of `buy`"):
        split.published(published([("a", "p", "buy", 1)] * 2, "exact"), validation_users=1)
    with pytest.raises(ConfigError, match="ask for 1 user"):
        split.published(data, validation_users=-1)
