from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.data import split
from grapevine.data.dataset import TEST, TRAIN, UNUSED, VALIDATION, Dataset
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


def with_clock(data: Dataset, clock: str) -> Dataset:
    return replace(data, schema=replace(data.schema, clock=clock))


def slow_leave_last_out(data: Dataset) -> list[int]:
    """The rule, event by event."""
    labels = []
    events = data.interactions
    for user in range(events.num_users):
        places = range(events.offsets[user], events.offsets[user + 1])
        targets = [place for place in places if events.behaviours[place] == data.schema.target_row]
        for place in places:
            if len(targets) < 3 or place < targets[-2]:
                labels.append(TRAIN)
            elif place < targets[-1]:
                labels.append(VALIDATION)
            else:
                labels.append(TEST if place == targets[-1] else UNUSED)
    return labels


@given(EVENTS)
def test_leave_last_out_is_its_slow_self(events):
    data = world([(0, 0, "view", 0), *events], behaviours=BEHAVIOURS)
    expected = slow_leave_last_out(data)
    assert split.leave_last_out(data).labels.tolist() == expected


@given(EVENTS, st.integers(1, 7))
def test_a_sampled_validation_leaves_the_rest_to_learn_from(events, users):
    data = world([(0, 0, "view", 0), *events], behaviours=BEHAVIOURS)
    whole = np.array(slow_leave_last_out(data))
    parts = split.leave_last_out_sampled(data, validation_users=users)
    assert ((parts.labels == TEST) == (whole == TEST)).all()
    assert ((parts.labels == UNUSED) == (whole == UNUSED)).all()
    moved = parts.labels != whole
    assert (whole[moved] == VALIDATION).all()
    assert (parts.labels[moved] == TRAIN).all()
    owners = np.repeat(np.arange(len(data.users)), np.diff(data.interactions.offsets))
    # All or nothing of a user, of as many users as were asked for.
    assert not set(owners[moved]) & set(owners[parts.labels == VALIDATION])
    asked = len(set(owners[whole == VALIDATION]))
    assert len(set(owners[parts.labels == VALIDATION])) == min(users, asked)
    again = split.remake(data, split.settings_of(parts))
    assert (again.labels == parts.labels).all()
    assert again.settings == parts.settings


def test_other_seeds_draw_other_users_for_validation():
    events = [(user, item, "buy", item) for user in range(40) for item in range(4)]
    data = world(events, behaviours=BEHAVIOURS)
    drawn = [
        split.leave_last_out(data, validation_users=10, seed=seed).labels for seed in (0, 0, 1)
    ]
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()
    assert all((labels == VALIDATION).sum() == 10 for labels in drawn)
    with pytest.raises(ConfigError, match="validation_users"):
        split.leave_last_out(data, validation_users=0)


def test_leave_last_out_by_hand():
    shopping = [
        ("ann", "tea", "buy", 1),
        ("ann", "jam", "view", 2),
        ("ann", "jam", "buy", 3),
        ("ann", "rum", "view", 4),
        ("ann", "rum", "buy", 5),
        ("ann", "oat", "view", 6),
        ("bob", "tea", "buy", 1),
        ("bob", "oat", "buy", 2),
    ]
    parts = split.leave_last_out(world(shopping, behaviours=BEHAVIOURS))
    # ann: jam is the validation; the view of rum is known when the test asks for rum, and the
    # view of oat is not known to anyone. bob has two purchases, too few to ask.
    assert parts.labels.tolist() == [0, 0, 1, 1, 2, 3, 0, 0]
    train, test = parts
    ids = train.items.ids.to_list()
    assert ids == ["jam", "oat", "rum", "tea"]
    assert [ids[i] for i in train.interactions.histories[0]] == ["tea", "jam"]
    assert train.validation is parts.validation
    assert [ids[i] for i in parts.validation.targets[0]] == ["jam"]
    assert parts.validation.history is train.interactions
    assert [ids[i] for i in test.targets[0]] == ["rum"]
    assert [ids[i] for i in test.questions(0, 1).items] == ["tea", "jam", "jam", "rum"]
    assert test.asked_at.tolist() == [5]
    assert (test.name, test.by, test.target) == ("test", "leave-last-out", 1)
    assert parts.settings == {"by": "leave-last-out", "repeats": "drop"}
    assert (parts.counts["test_users"], parts.counts["users_not_asked"]) == (1, 1)
    assert (parts.counts["train"], parts.counts["unused"]) == (4, 1)


def test_everything_is_learnt_from():
    data = world([("u", "a"), ("v", "b")])
    train, test = split.everything(data)
    assert len(train.interactions) == 2
    assert (len(test), train.validation) == (0, None)
    assert test.targets.values.dtype == np.int32


def test_published_labels_are_taken_as_they_are():
    data = world([("u", "a"), ("u", "b"), ("v", "b"), ("v", "a")])
    labelled = replace(data, labels=np.array([TRAIN, TEST, TRAIN, TEST], np.uint8))
    parts = split.of(labelled)
    assert parts.settings == {"by": "published", "repeats": "drop"}
    assert (len(parts.validation), len(parts.test)) == (0, 2)
    assert parts.train.labels is None
    with pytest.raises(DataError, match="no `split` column"):
        split.published(data)


def test_names_are_dispatched_and_misspelt_ones_corrected():
    data = world([("u", i) for i in "abcd"])
    assert split.of(data).settings["by"] == "leave-last-out"
    assert split.of(data, "none").settings["by"] == "none"
    assert split.of(data, "time", at=2000).settings["at"] == 2000
    with pytest.raises(ConfigError, match="did you mean `leave-last-out`"):
        split.of(data, "leave-last-one")
    with pytest.raises(ConfigError, match="no option of the split by leave-last-out"):
        split.of(data, at=2000)
    with pytest.raises(ConfigError, match="`yesterday` is not a moment"):
        split.of(data, "time", at="yesterday")
    with pytest.raises(ConfigError, match="after the test"):
        split.by_time(data, 1000, validation_at=2000)
    with pytest.raises(ConfigError, match=r"between 0 and 1: got 1\.5"):
        split.by_time(data, test_fraction=1.5)


def test_the_clock_decides_which_rules_there_are():
    data = world([("u", i) for i in "abcd"])
    ordered, timeless = with_clock(data, "order"), with_clock(data, "none")
    assert len(split.leave_last_out(ordered).test) == 1
    for rule in (split.by_time, split.rolling):
        with pytest.raises(DataError, match="hint: split by leave-last-out"):
            rule(ordered)
    with pytest.raises(DataError, match="hint: use the published split"):
        split.leave_last_out(timeless)


def test_a_split_that_asks_nobody_is_refused_with_what_would_help():
    few = world([("u", "a", "view", 1), ("u", "a", "buy", 2)], behaviours=BEHAVIOURS)
    with pytest.raises(DataError, match="no user has a `buy` event to test with") as caught:
        split.of(few)
    assert caught.value.hint == (
        "it takes a user with 3 `buy` events; split by time; or predict another behaviour: import "
        "with --target view"
    )
    with pytest.raises(DataError, match="hint: start the test earlier: --at"):
        split.of(world([("u", "a", "event", 1), ("u", "b", "event", 2)]), "time", at=5000)
    again = world([("u", "a", "event", time) for time in range(1, 5)])
    with pytest.raises(DataError, match="hint: ask for what users already have, too: --repeats"):
        split.of(again)
    assert len(split.of(again, repeats="keep").test) == 1
    # What has no question on purpose stays what it is.
    assert len(split.of(few, "none").test) == 0
