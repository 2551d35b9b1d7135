from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.data import split
from grapevine.data.audit import LEAKS, Audit, audit
from grapevine.data.dataset import TEST, TRAIN, Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.negatives import sample
from grapevine.data.split import Split
from grapevine.data.vocabulary import Vocabulary
from grapevine.errors import CheckFailed
from grapevine.testing.worlds import world

BEHAVIOURS = ("view", "buy")
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 7), st.sampled_from(BEHAVIOURS), st.integers(0, 12)
    ),
    min_size=1,
    max_size=40,
)
RULES: dict[str, Callable[..., Split]] = {
    "leave-last-out": split.leave_last_out,
    "time": split.by_time,
    "rolling": lambda data: split.rolling(data)[1],
}


def gathered(data: Dataset) -> Dataset:
    """The same, its items known only from the events."""
    return replace(data, schema=replace(data.schema, catalogue=False))


def shop() -> Dataset:
    """Ten users in turn take one of twenty items, no two at one time, and look at it before."""
    events = []
    for turn in range(12):
        for user in range(10):
            time, item = 100 * turn + 2 * user, (7 * turn + 3 * user) % 20
            events += [(user, item, "view", time), (user, item, "buy", time + 1)]
    # A latecomer for the time split, and an item that is met at the very end.
    events += [(99, 5, "buy", 1190), (0, 77, "buy", 1195)]
    return gathered(world(events, behaviours=BEHAVIOURS))


def insert(events: Interactions, user: int, item: int, behaviour: int, time: int) -> Interactions:
    """One event more, at its time in the history of the user."""
    start, stop = events.offsets[user : user + 2]
    place = start + np.searchsorted(events.times[start:stop], time, side="right")
    new = {"items": item, "behaviours": behaviour, "times": time}
    columns = {
        name: np.insert(getattr(events, name), place, value).astype(getattr(events, name).dtype)
        for name, value in new.items()
    }
    offsets = events.offsets.copy()
    offsets[user + 1 :] += 1
    return replace(events, offsets=offsets, **columns)


def plant(parts: Split, *event: int) -> Split:
    """The same split with one more training event."""
    events = insert(parts.train.interactions, *event)
    return replace(parts, train=replace(parts.train, interactions=events))


def known_query(parts: Split) -> int:
    """A test query of a user and an item that training knows."""
    good = (parts.test.users >= 0) & (
        parts.test.targets.values[parts.test.targets.offsets[:-1]] >= 0
    )
    return int(np.flatnonzero(good)[0])


def start_of_training(parts: Split) -> int:
    return int(parts.train.interactions.times.min())


def training(parts: Split) -> Audit:
    query = known_query(parts)
    user, item = int(parts.test.users[query]), int(parts.test.targets[query][0])
    return audit(plant(parts, user, item, 1, start_of_training(parts)))


def history(parts: Split) -> Audit:
    query = known_query(parts)
    user, item = int(parts.test.users[query]), int(parts.test.targets[query][0])
    shown = insert(parts.test.history, user, item, 1, start_of_training(parts))
    return audit(replace(parts, test=replace(parts.test, history=shown)))


def popularity(parts: Split) -> Audit:
    counts = parts.data.target_interactions.counts()
    return audit(parts, popularity=counts[parts.data.items.rows(parts.train.items.ids)])


def degrees(parts: Split) -> Audit:
    whole = parts.data.interactions
    users = np.diff(whole.offsets)[parts.data.users.rows(parts.train.users.ids)]
    return audit(parts, degrees=(users, np.zeros(len(parts.train.items), int)))


def item_degrees(parts: Split) -> Audit:
    events = parts.train.interactions
    items = parts.data.interactions.counts()[parts.data.items.rows(parts.train.items.ids)]
    return audit(parts, degrees=(np.diff(events.offsets), items))


def vocabulary(parts: Split) -> Audit:
    return audit(parts, vocabulary=parts.data.items)


def own_vocabulary(parts: Split) -> Audit:
    ids = Vocabulary.of([*parts.train.items.ids, 77])
    events = replace(parts.train.interactions, num_items=len(ids))
    table = pl.DataFrame({"item_id": ids.ids})
    train = replace(parts.train, items=ids, item_table=table, interactions=events)
    return audit(replace(parts, train=train))


def future(parts: Split) -> Audit:
    user = int(parts.test.users[known_query(parts)])
    asked = {int(parts.test.asked_at[known_query(parts)]), parts.settings.get("at", 0)}
    return audit(plant(parts, user, 3, 0, max(asked) + 1))


def future_history(parts: Split) -> Audit:
    query = known_query(parts)
    late = max(int(parts.test.asked_at[query]), parts.settings.get("at", 0)) + 1
    shown = insert(parts.test.history, int(parts.test.users[query]), 3, 0, late)
    return audit(replace(parts, test=replace(parts.test, history=shown)))


def negatives(parts: Split) -> Audit:
    drawn = np.zeros((len(parts.test), 4), np.int32) - 1
    query = known_query(parts)
    drawn[query, 2] = parts.test.targets[query][0]
    return audit(parts, negatives=drawn)


def tie(parts: Split) -> Audit:
    start = parts.settings.get("validation_at", parts.settings["at"])
    return audit(plant(parts, 3, 3, 0, start))


def tied_labels(parts: Split) -> Audit:
    """A cut by the number of events instead of by time."""
    data, at = parts.data, parts.settings["at"]
    events = np.sort(data.interactions.times)
    assert (events == at).sum() == 1
    twin = replace(data.interactions, times=np.where(data.interactions.times == at + 1, at,
                                                     data.interactions.times))  # fmt: skip
    labels = np.where(data.interactions.times <= at, TRAIN, TEST).astype(np.uint8)
    return audit(split.apply(replace(data, interactions=twin), labels, {"by": "time", "at": at}))


PLANTED: dict[str, tuple[str, Callable[[Split], Audit]]] = {
    "a test pair in training": ("training", training),
    "a test pair in a history": ("history", history),
    "popularity of all events": ("popularity", popularity),
    "user degrees of all events": ("degrees", degrees),
    "item degrees of all events": ("degrees", item_degrees),
    "a model that knows all items": ("vocabulary", vocabulary),
    "training that knows a test item": ("vocabulary", own_vocabulary),
    "training after the test": ("future", future),
    "a history after the test": ("future", future_history),
    "a positive among the negatives": ("negatives", negatives),
}


def found(result: Audit) -> set[str]:
    return {finding.leak for finding in result.leaks}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize(("leak", "planted"), PLANTED.values(), ids=PLANTED)
def test_a_planted_leak_is_found_and_no_other(leak, planted, rule):
    result = planted(rule(shop()))
    assert found(result) == {leak}
    with pytest.raises(CheckFailed, match=f"{leak}: {LEAKS[leak]}"):
        result.raise_if_leaking()


@pytest.mark.parametrize("planted", [tie, tied_labels])
@pytest.mark.parametrize("rule", [RULES["time"], RULES["rolling"]], ids=["time", "rolling"])
def test_a_tie_across_the_cut_is_found_and_no_other_leak(planted, rule):
    assert found(planted(rule(shop()))) == {"tie"}


@pytest.mark.parametrize("behaviour", [0, 1], ids=BEHAVIOURS)
@pytest.mark.parametrize("where", ["training", "history"])
def test_an_event_of_an_item_held_out_whole_is_found_and_no_other_leak(where, behaviour):
    parts = split.cold_items(replace(shop(), schema=world([(0, 0)], behaviours=BEHAVIOURS).schema))
    assert not audit(parts).findings
    item = int(parts.test.targets.values[0])
    # By one who is not asked for it, so that no held-out pair is among the events.
    askers = np.repeat(parts.test.users, parts.test.targets.lengths)
    takers = set(askers[parts.test.targets.values == item].tolist())
    user = min(set(range(len(parts.train.users))) - takers)
    if where == "training":
        result = audit(plant(parts, user, item, behaviour, 5))
    else:
        shown = insert(parts.test.history, user, item, behaviour, 5)
        result = audit(replace(parts, test=replace(parts.test, history=shown)))
    assert found(result) == {"cold"}
    with pytest.raises(CheckFailed, match="held out whole has an event"):
        result.raise_if_leaking()


def test_every_leak_is_planted():
    assert {leak for leak, _ in PLANTED.values()} | {"tie", "cold"} == set(LEAKS)


def test_a_tie_in_a_split_by_order_is_a_warning():
    data = world([("u", i, "event", time) for i, time in zip("abcd", [1, 5, 5, 5])])
    result = audit(split.leave_last_out(data))
    assert not result.leaks
    assert [(one.leak, one.where, one.count) for one in result.warnings] == [
        ("tie", "training events, validation", 1),
        ("tie", "training events, test", 1),
        ("tie", "histories, test", 2),
    ]
    result.raise_if_leaking()


def test_the_message_names_what_leaks():
    data = world([("ann", "tea"), ("ann", "jam"), ("ann", "rum"), ("ann", "oat")])
    parts = split.leave_last_out(data)
    rum = int(data.items.rows(["rum"])[0])
    with pytest.raises(CheckFailed) as raised:
        audit(plant(parts, 0, rum, 0, 0)).raise_if_leaking()
    assert str(raised.value).splitlines()[:2] == [
        "the split leaks:",
        f"- training: {LEAKS['training']} (validation): 1, such as user ann, item rum, time 0",
    ]
    assert raised.value.exit_code == 1


def test_where_only_the_unmet_is_asked_for_any_event_of_a_pair_leaks():
    events = [("u", "a", "view", 1), ("u", "b", "buy", 2), ("u", "a", "buy", 3)]
    data = world([*events, ("v", "c", "buy", 1)], behaviours=BEHAVIOURS)
    labels = np.array([TRAIN, TRAIN, TEST, TRAIN], np.uint8)
    parts = split.apply(data, labels, {"by": "published", "repeats": "drop"})
    check_clean(parts)
    unmet = replace(parts, test=replace(parts.test, unmet=True))
    with pytest.raises(CheckFailed, match=r"\(test\): 1, such as user u, item a, time 1"):
        audit(unmet).raise_if_leaking()


@pytest.mark.parametrize("repeats", ["drop", "keep", "unmet"])
@given(EVENTS, st.booleans(), st.booleans())
def test_clean_splits_pass(repeats, events, catalogue, people):
    data = world([(0, 0, "view", -9), (1, 1, "buy", -8), *events], behaviours=BEHAVIOURS)
    if people:
        data = replace(data, user_table=pl.DataFrame({"user_id": data.users.ids}))
    data = data if catalogue else gathered(data)
    labels = split.leave_last_out(data).labels
    for parts in (
        split.leave_last_out(data, repeats=repeats),
        split.by_time(data, 4, validation_at=0, repeats=repeats),
        split.by_time(data, 4, validation_fraction=0, repeats=repeats),
        split.published(replace(data, labels=labels), repeats=repeats),
        split.everything(data),
    ):
        check_clean(parts)


@given(EVENTS)
def test_clean_rolling_splits_pass(events):
    data = world([(n % 6, n % 8, "buy", n - 50) for n in range(50)] + events, behaviours=BEHAVIOURS)
    for parts in split.rolling(data, windows=2, test_fraction=0.3):
        check_clean(parts)


def check_clean(parts: Split) -> None:
    """What is derived from training alone, and negatives drawn around the targets, pass too."""
    events = parts.train.interactions
    drawn = sample(0, parts.test.users, parts.test.targets, len(parts.train.items), 5)
    result = audit(
        parts,
        popularity=parts.train.target_interactions.counts(),
        degrees=(np.diff(events.offsets), events.counts()),
        vocabulary=parts.train.items,
        negatives=drawn,
    )
    assert result.leaks == []


def test_a_later_event_of_a_repeat_leaks_and_an_earlier_one_does_not():
    data = world([("u", i) for i in "abca"])
    parts = split.leave_last_out(data, repeats="keep")
    assert audit(parts).leaks == []
    assert found(audit(plant(parts, 0, 0, 0, 4000))) == {"training", "future"}


def test_relabelling_and_shuffling_find_the_same():
    data = shop()
    ids = list(zip(data.interactions.users, data.interactions.items, data.interactions.behaviours,
                   data.interactions.times))  # fmt: skip
    users, items = data.users.ids.to_list(), data.items.ids.to_list()
    order = np.random.default_rng(0).permutation(len(ids))

    def findings(shuffled: Any, mirrored: bool) -> list:
        events = [ids[place] for place in shuffled]
        sign = -1 if mirrored else 1
        other = gathered(
            world(
                [
                    (sign * users[u], sign * items[i], BEHAVIOURS[b], int(t))
                    for u, i, b, t in events
                ],
                behaviours=BEHAVIOURS,
            )
        )
        parts = split.by_time(other)
        counts = other.target_interactions.counts()[other.items.rows(parts.train.items.ids)]
        user = int(parts.train.users.rows([sign * 3])[0])
        item = int(parts.train.items.rows([sign * 5])[0])
        late = plant(parts, user, item, 1, 1150)
        return [
            (one.leak, one.where, one.count)
            for one in audit(late, popularity=counts, vocabulary=other.items).findings
        ]

    expected = findings(range(len(ids)), False)
    assert {leak for leak, _, _ in expected} == {"popularity", "vocabulary", "future"}
    assert findings(order, False) == expected
    assert findings(order, True) == expected


def test_what_does_not_fit_is_refused():
    parts = split.leave_last_out(shop())
    with pytest.raises(ValueError, match="popularity must have 20 entries"):
        audit(parts, popularity=np.zeros(3))
    with pytest.raises(ValueError, match="negatives must have"):
        audit(parts, negatives=np.zeros((1, 2), np.int32))
