from dataclasses import replace

from grapevine.data import split
from grapevine.data.split import summary
from grapevine.testing.worlds import world

MAY = 1_714_521_600_000


def test_a_time_split_is_told_with_dates():
    events = [
        ("ann", "tea", "event", MAY - 2000),
        ("ann", "jam", "event", MAY - 1),
        ("ann", "rum", "event", MAY),
        ("bob", "tea", "event", MAY - 3000),
        ("cid", "jam", "event", MAY + 1),
    ]
    data = world(events)
    data = replace(data, schema=replace(data.schema, catalogue=True))
    parts = split.by_time(data, "2024-05-01", validation_at=MAY - 1500)
    facts = summary.facts(parts)
    assert (facts["at"], facts["at_utc"]) == (MAY, "2024-05-01T00:00:00Z")
    assert facts["validation_at_utc"] == "2024-04-30T23:59:58.500Z"
    assert (facts["test"], facts["test_new_users"], facts["validation_repeats"]) == (2, 1, 0)
    assert summary.table(parts) == {
        "split by": "time",
        "validation starts": "2024-04-30T23:59:58.500Z",
        "test starts": "2024-05-01T00:00:00Z",
        "training events": 2,
        "validation events": 1,
        "test events": 2,
        "validation users asked": 1,
        "validation targets": 1,
        "test users asked": 2,
        "test targets": 2,
    }
    assert facts["notes"] == [
        "1 users without a new `event` event in the test are learnt from, not asked",
        "1 test users are new: they are asked with an empty history",
    ]


def test_why_users_are_not_asked_by_leave_last_out():
    events = [("ann", item, "event", time) for time, item in enumerate("abcd")]
    events += [("bob", item, "event", time) for time, item in enumerate("aba")]
    events += [("cid", "a", "event", 1), ("dan", "b", "event", 1)]
    data = world(events)
    data = replace(data, schema=replace(data.schema, catalogue=False))
    parts = split.leave_last_out(data)
    # ann is asked for d, which nobody else has; bob would be asked for his first item again.
    assert list(summary.notes(parts)) == [
        "2 users with fewer than 3 `event` events are learnt from, not asked",
        "1 test events repeat a `event` that the user already has, and are not asked; to ask them: "
        "--repeats keep",
        "1 test targets are items that training does not know: no list can hold them",
    ]


def test_nothing_is_asked_of_a_split_of_everything():
    parts = split.everything(world([("ann", "a", "event", 1)]))
    assert list(summary.notes(parts)) == ["everything is learnt from, and nothing is asked"]
    assert summary.table(parts) == {"split by": "none", "training events": 1}
