from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.data import split
from grapevine.data.dataset import TEST, TRAIN, UNUSED, VALIDATION, Dataset
from grapevine.data.holdout import Holdout
from grapevine.data.interactions import Interactions
from grapevine.data.split import Split
from grapevine.errors import ConfigError, DataError
from grapevine.testing.worlds import world

BEHAVIOURS = ("view", "buy")
LABELLED = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 5),
        st.sampled_from(BEHAVIOURS),
        st.integers(0, 9),
        st.sampled_from([TRAIN, TRAIN, VALIDATION, TEST, UNUSED]),
    ),
    min_size=1,
    max_size=40,
)


def gathered(data: Dataset) -> Dataset:
    """The same, its items known only from the events."""
    return replace(data, schema=replace(data.schema, catalogue=False))


def listed(data: Dataset) -> Dataset:
    """The same, with a user table."""
    return replace(data, user_table=pl.DataFrame({"user_id": data.users.ids}))


def by_id(events: Interactions, users: list, items: list) -> dict:
    """Each user's events as (item ID, behaviour, time)."""
    rows = list(zip(events.items, events.behaviours, events.times, strict=True))
    return {
        user: [
            (items[i], int(b), int(t))
            for i, b, t in rows[events.offsets[u] : events.offsets[u + 1]]
        ]
        for u, user in enumerate(users)
    }


def questions(holdout: Holdout, train: Dataset) -> list:
    """Each query as (user ID, target IDs, time), strangers and strange items as None."""
    users, items = train.users.ids.to_list(), train.items.ids.to_list()
    return [
        (
            users[user] if user >= 0 else None,
            [items[i] if i >= 0 else None for i in targets],
            int(asked_at),
        )
        for user, targets, asked_at in zip(
            holdout.users, holdout.targets, holdout.asked_at, strict=True
        )
    ]


def slow_apply(data: Dataset, labels: list[int], repeats: str) -> tuple:
    """Training events, validation questions, test histories and test questions, by ID."""
    whole = by_id(data.interactions, data.users.ids.to_list(), data.items.ids.to_list())
    label = iter(labels)
    parts = {user: [(event, next(label)) for event in events] for user, events in whole.items()}
    learnt = [(u, e) for u, events in parts.items() for e, part in events if part == TRAIN]
    catalogue = set(data.items.ids) if data.schema.catalogue else {e[0] for _, e in learnt}
    people = set(data.users.ids) if data.user_table is not None else {u for u, _ in learnt}

    def shown(upto: int) -> dict:
        return {
            user: [e for e, part in events if part <= upto and e[0] in catalogue]
            for user, events in parts.items()
            if user in people
        }

    def asked(of: int) -> list:
        out = []
        for user, events in parts.items():
            kinds = {"drop": {1}, "keep": set(), "unmet": {0, 1}}[repeats]
            had = {e[0] for e, part in events if part < of and e[1] in kinds}
            targets, times = [], []
            for event, part in events:
                if part == of and event[1] == 1 and event[0] not in had:
                    had.add(event[0])
                    targets.append(event[0] if event[0] in catalogue else None)
                    times.append(event[2])
            if targets:
                out.append((user if user in people else None, targets, times[0]))
        return out

    return shown(TRAIN), asked(VALIDATION), shown(VALIDATION), asked(TEST)


@given(LABELLED, st.booleans(), st.booleans(), st.sampled_from(split.materialise.REPEATS))
def test_apply_is_its_slow_self(events, catalogue, people, repeats):
    events = [(0, 0, "view", 0, TRAIN), *events]
    data = world([event[:4] for event in events], items=[99], behaviours=BEHAVIOURS)
    data = listed(data) if people else data
    data = data if catalogue else gathered(data)
    order = np.lexsort((np.arange(len(events)), [e[3] for e in events], [e[0] for e in events]))
    labels = np.array([event[4] for event in events], np.uint8)[order]
    parts = split.apply(data, labels, {"by": "published", "repeats": repeats})

    train, users, items = parts.train, parts.train.users.ids.to_list(), parts.train.items.ids
    learnt, validation, shown, test = slow_apply(data, labels.tolist(), repeats)
    assert by_id(train.interactions, users, items.to_list()) == learnt
    assert questions(parts.validation, train) == validation
    assert by_id(parts.test.history, users, items.to_list()) == shown
    assert questions(parts.test, train) == test
    assert train.item_table["item_id"].to_list() == items.to_list()
    assert (train.user_table is not None) == people
    assert parts.test.unmet == (repeats == "unmet")
    assert parts.counts["test_targets"] == sum(len(targets) for _, targets, _ in test)
    assert parts.counts["test_cold_targets"] == sum(q[1].count(None) for q in test)
    assert parts.counts["test_new_users"] == [q[0] for q in test].count(None)
    assert parts.counts["users_not_asked"] == len({e[0] for e in events}) - len(test)


def test_repeats_are_no_questions_unless_they_are_wanted():
    again = [("u", "a"), ("u", "b"), ("u", "c"), ("u", "a")]
    dropped = split.leave_last_out(world(again))
    assert (len(dropped.validation), len(dropped.test)) == (1, 0)
    assert dropped.counts["test_repeats"] == 1
    assert dropped.counts["users_not_asked"] == 1
    kept = split.leave_last_out(world(again), repeats="keep")
    assert questions(kept.test, kept.train) == [("u", ["a"], 3000)]
    # What was asked in the validation is known in the test, question or not.
    assert dropped.test.history.items.tolist() == kept.test.history.items.tolist() == [0, 1, 2]


def test_an_item_is_asked_once_in_a_query():
    data = world([("u", "a"), ("u", "b"), ("u", "c"), ("u", "b")])
    for repeats in ("drop", "keep"):
        parts = split.by_time(data, 1000, repeats=repeats, validation_fraction=0)
        assert questions(parts.test, parts.train) == [("u", ["b", "c"], 1000)]
        assert parts.counts["test_duplicates"] == 1


def test_shuffling_the_input_changes_nothing():
    events = [(u, (3 * u + 5 * n) % 17, "event", 10 * n) for u in range(9) for n in range(7)]
    order = np.random.default_rng(0).permutation(len(events))
    for rule in (split.leave_last_out, split.by_time):
        one, two = rule(world(events)), rule(world([events[place] for place in order]))
        assert one.labels.tolist() == two.labels.tolist()
        assert questions(one.test, one.train) == questions(two.test, two.train)


def test_relabelling_relabels_the_questions():
    events = [(u, (3 * u + 5 * n) % 17, "event", 10 * n) for u in range(9) for n in range(7)]
    renamed = [(90 - u, 500 - i, b, t) for u, i, b, t in events]

    def named(parts: Split) -> list:
        return questions(parts.test, parts.train)

    for rule in (split.leave_last_out, split.by_time):
        one, two = named(rule(world(events))), named(rule(world(renamed)))
        assert sorted(two) == sorted((90 - u, [500 - i for i in ids], t) for u, ids, t in one)


def test_what_does_not_fit_is_refused():
    data = world([("u", "a"), ("u", "b")])
    with pytest.raises(DataError, match="1 labels for 2 events"):
        split.apply(data, np.zeros(1, np.uint8), {})
    with pytest.raises(DataError, match="a label of 7, the last one is 3"):
        split.apply(data, np.array([0, 7], np.uint8), {})
    with pytest.raises(DataError, match="no training events"):
        split.apply(data, np.array([2, 2], np.uint8), {})
    with pytest.raises(ConfigError, match="no rule for repeats is called `forget`"):
        split.leave_last_out(data, repeats="forget")
