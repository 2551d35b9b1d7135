"""The limits on what comes in: all faults at once, and nothing that the rest cannot keep."""

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.data.readers import times
from grapevine.serving.store import Event, Exposure, Listed, Refused, event_faults, read_events
from grapevine.serving.store.checks import (
    END_MS,
    MOST_FAULTS,
    exposure_faults,
    id_fault,
    list_faults,
)

GOOD = {"event_id": "e", "user_id": "u", "item_id": "i", "behaviour": "view"}


def fault_of(**fields: object) -> list[tuple[str, str]]:
    _, faults = read_events([{**GOOD, **fields}])
    return [(fault.field, fault.reason) for fault in faults]


def test_a_good_event_is_read_whole():
    row = {**GOOD, "timestamp": 5, "value": 2, "session_id": "s", "request_id": "r"}
    assert read_events([row, GOOD]) == (
        [Event("e", "u", "i", "view", 5, 2, "s", "r"), Event("e", "u", "i", "view")],
        [],
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is missing"),
        (7, "is not text"),
        (["u"], "is not text"),
        ("", "is empty"),
        ("é" * 65, "is longer than 128 bytes"),
        ("a\x00", "holds a control character"),
        ("a\n", "holds a control character"),
        ("a\x85b", "holds a control character"),
        ("\ud800", "is not valid Unicode"),
        (unicodedata.normalize("NFD", "é"), "is not in Unicode's normal form C"),
    ],
)
@pytest.mark.parametrize("field", ["event_id", "user_id", "item_id", "behaviour"])
def test_bad_ids_are_told(field, value, reason):
    ((name, said),) = fault_of(**{field: value})
    assert name == field
    assert said.startswith(reason)


@pytest.mark.parametrize("value", ["é" * 64, "片" * 42, "a b", "<script>", "'; --", "../x", "👩‍👧"])
def test_odd_ids_are_taken_as_they_are(value):
    assert id_fault(value) == ""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39, 10**400, "3", True, [1]])
def test_bad_values_are_told(value):
    assert [name for name, _ in fault_of(value=value)] == ["value"]


@pytest.mark.parametrize("value", [-1, END_MS, 1.5, "now", True, 10**30])
def test_bad_times_are_told(value):
    assert [name for name, _ in fault_of(timestamp=value)] == ["timestamp"]


def test_seconds_are_not_taken_for_milliseconds():
    for value in (10**9, 1_700_000_000, 10**11 - 1):
        ((name, said),) = fault_of(timestamp=value)
        assert name == "timestamp"
        assert "send milliseconds" in said
    assert fault_of(timestamp=10**11) == fault_of(timestamp=1_700_000_000_000) == []


def test_times_end_where_those_of_datasets_do():
    assert END_MS == times.END_MS
    assert fault_of(timestamp=END_MS - 1) == []


def test_all_faults_are_told_at_once():
    rows = [{**GOOD, "user_id": ""}, "text", {**GOOD, "behavior": "x", "value": math.inf}, {}]
    _, faults = read_events(rows)
    assert [(fault.place, fault.field) for fault in faults] == [
        (0, "user_id"),
        (1, ""),
        (2, "behavior"),
        (2, "value"),
        *((3, name) for name in ("event_id", "user_id", "item_id", "behaviour")),
    ]
    assert faults[2].reason == "is no field of an event: `behaviour`?"


@pytest.mark.parametrize("given", [None, 3, "events", {"events": []}, b"[]"])
def test_what_is_no_list_is_told(given):
    events, (fault,) = read_events(given)
    assert events == []
    assert str(fault) == "`events` is not a list"


def test_a_call_has_a_greatest_length():
    assert not read_events([GOOD] * 1000)[1]
    for faults in (read_events([GOOD] * 1001)[1], event_faults([Event(**GOOD)] * 1001)):
        assert [str(fault) for fault in faults] == [
            "`events` are 1,001: at most 1,000 go into one call"
        ]


def test_the_message_names_fields_and_never_what_they_held():
    secret = "jane@example.org\x00"
    with pytest.raises(Refused) as caught:
        raise Refused(event_faults([Event("e", secret, secret, "view")] * 300))
    assert "jane" not in str(caught.value)
    assert "event 0: `user_id` holds a control character, and 599 more" in str(caught.value)
    assert len(caught.value.faults) == MOST_FAULTS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("rank", bad) for bad in (0, -1, 2**31, 1.0, True)),
        *(("propensity", bad) for bad in (0, -0.1, 1.1, math.nan)),
        *(("score", bad) for bad in (math.nan, math.inf, None)),
        *(("shown_at", bad) for bad in (-1, 1.5)),
        *((name, "\x00") for name in ("request_id", "user_id", "item_id", "experiment", "model")),
    ],
)
def test_bad_exposures_are_told(field, value):
    fields = {"request_id": "r", "user_id": "u", "item_id": "i", "rank": 1, "score": 0.5}
    faults = exposure_faults([Exposure(**{**fields, field: value})])
    assert [fault.field for fault in faults] == [field]


@pytest.mark.parametrize("item", ["cafe\u0301", "x" * 300, "a\tb", "i1"])
def test_items_of_a_list_are_named_as_their_catalogue_does(item):
    """Nobody sends them: a list is not lost because a catalogue spells an item otherwise."""
    assert list_faults([Listed("r", "u", (item, "i2"), (1.0, 0.5))]) == []
    assert list_faults([Listed("r", "u", ("i2", item), (1.0, 0.5))]) == []


@pytest.mark.parametrize("item", ["", None, 7, "a\0b", "\ud800", "x" * 501])
def test_what_no_database_holds_is_told_of_a_list(item):
    for items in ((item, "i2"), ("i2", item)):
        (fault,) = list_faults([Listed("r", "u", items, (1.0, 0.5))])
        assert (fault.field, fault.what) == ("item_id", "list")
    (fault,) = list_faults([Listed("r", "u\0", ("i1",), (1.0,))])
    assert fault.field == "user_id"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
FIELDS = st.sampled_from([*GOOD, "timestamp", "value", "session_id", "request_id", "other"])


@given(st.lists(ANYTHING | st.dictionaries(FIELDS, ANYTHING), max_size=4) | ANYTHING)
def test_anything_is_read_or_told(given):
    events, faults = read_events(given)
    if not faults:
        assert event_faults(events) == []
