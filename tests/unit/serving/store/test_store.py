"""What the store promises, over both databases."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from grapevine.errors import ConfigError, StoreBusy, StoreError
from grapevine.serving.store import (
    Appended,
    Event,
    Exposure,
    Listed,
    Outcome,
    Refused,
    open_store,
)
from grapevine.serving.store.queue import GROUP_ROWS

T0 = 1_700_000_000_000
DAY = 86_400_000


def listed(request: str, user: str, items: list[str], **fields: object) -> list[Exposure]:
    return [
        Exposure(request, user, item, rank + 1, 1.0 / (rank + 1), **fields)  # pyright: ignore[reportArgumentType]
        for rank, item in enumerate(items)
    ]


def test_an_event_comes_back_as_it_was_sent(store):
    full = Event("e1", "Zoë", "片", "buy", T0 + 5, 4.5, "s1", "r1")
    assert store.append([full]).result() == Appended(1, 0)
    assert store.history("Zoë") == [full]


def test_an_event_without_a_time_gets_that_of_its_arrival(store, clock):
    clock.now = T0 + 77
    store.append([Event("e1", "u", "i", "view")]).result()
    assert store.history("u") == [Event("e1", "u", "i", "view", T0 + 77)]


def test_an_event_counts_once_and_the_first_one_stays(store, events):
    first = events(3)
    assert store.append(first).result() == Appended(3, 0)
    again = [replace(one, item_id="other") for one in first]
    assert store.append([*again, *events(1)]).result() == Appended(1, 3)
    assert store.history("u1")[:3] == first


def test_an_event_that_comes_twice_in_one_call_counts_once(store, events):
    (one,) = events(1)
    assert store.append([one, replace(one, item_id="later")]).result() == Appended(1, 1)
    assert store.history("u1") == [one]


def test_what_many_send_at_once_is_new_to_exactly_one_of_them(store, events):
    sent = [events(20, user=f"u{n}") for n in range(5)] * 4
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda part: store.append(part).result(), sent))
    assert sum(answer.new for answer in answers) == 100
    assert sum(answer.repeated for answer in answers) == 300
    assert store.counts() == {"events": 100, "exposures": 0}
    for part in sent[:5]:
        assert store.history(part[0].user_id) == part


def test_a_history_is_in_order_of_arrival_though_clocks_go_back(store, clock, events):
    sent = []
    for step in (0, 60, -3_600, 10):
        clock.now = T0 + 1000 * step
        (one,) = events(1, timestamp=None)
        store.append([one]).result()
        sent.append(replace(one, timestamp=clock.now))
    assert store.history("u1") == sent
    assert store.history("u1", 2) == sent[-2:]
    assert list(store.brief_history("u1", 3)) == [
        (one.item_id, one.behaviour, one.timestamp) for one in sent[-3:]
    ]


def test_a_history_has_a_greatest_length(store, events):
    store.append(events(600)).result()
    assert len(store.history("u1", 10_000)) == len(store.brief_history("u1", 10_000)) == 500
    assert store.history("u1", 3)[-1] == store.history("u1")[-1]
    assert store.history("nobody") == store.history("u1", 0) == store.history("u1", -1) == []


def test_what_was_acknowledged_is_read_at_once(store, events):
    faults = []

    def click(user: str) -> None:
        for one in events(15, user=user):
            store.append([one]).result()
            if store.history(user, 1) != [one]:
                faults.append(one)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(click, [f"u{n}" for n in range(8)]))
    assert not faults


def test_bad_events_are_refused_whole_with_every_fault(store, events):
    good = events(2)
    bad = [good[0], replace(good[1], user_id="", value=float("nan"))]
    with pytest.raises(Refused) as caught:
        store.append(bad)
    assert [(fault.place, fault.field) for fault in caught.value.faults] == [
        (1, "user_id"),
        (1, "value"),
    ]
    assert store.counts()["events"] == 0
    with pytest.raises(Refused, match="propensity"):
        store.expose([Exposure("r", "u", "i", 1, 0.0, propensity=0.0)])


def test_how_often_items_were_shown(store, clock):
    store.expose(listed("r1", "u", ["a", "b"])).result()
    clock.now += 1000
    # The same list under two experiments, and sent twice: it was one list.
    for experiment in ("x", "y", "y"):
        store.expose(listed("r2", "u", ["a", "c"], experiment=experiment)).result()
    store.expose(listed("r3", "other", ["a"])).result()
    assert store.shown("u", T0) == {"a": 2, "b": 1, "c": 1}
    assert store.shown("u", T0 + 1) == {"a": 1, "c": 1}


def test_exposures_come_back_as_they_were_sent(store):
    sent = listed(
        "r1", "u", ["a", "b"], propensity=0.25, experiment="x", arm="new", model="m@1", shown_at=T0
    )
    assert store.expose(sent).result() == Appended(2, 0)
    assert store.expose(sent).result() == Appended(0, 2)
    assert list(store.exposed("x")) == sent
    assert list(store.exposed("x", since=T0 + 1)) == []


def test_outcomes_are_told_apart_by_the_first_list(store, clock, events):
    store.append(events(2, user="a", behaviour="buy", value=10.0)).result()
    clock.now += 1000
    store.expose(listed("r1", "a", ["i1"], experiment="x", arm="new")).result()
    store.expose(listed("r2", "b", ["i1"], experiment="x", arm="old")).result()
    clock.now += 1000
    store.expose(listed("r3", "a", ["i1"], experiment="x", arm="new")).result()
    store.expose(listed("r4", "b", ["i1"], experiment="x", arm="new")).result()
    # The client's clock is a day behind: what counts is when an event arrived.
    store.append(events(3, user="a", behaviour="buy", value=2.5, timestamp=T0 - DAY)).result()
    store.append(events(1, user="a", behaviour="view")).result()
    store.append(events(1, user="stranger", behaviour="buy")).result()
    assert store.outcomes("x", "buy") == [
        Outcome("a", "new", T0 + 1000, 1, 3, 7.5, 2, 20.0),
        Outcome("b", "old", T0 + 1000, 2, 0, 0.0, 0, 0.0),
    ]
    assert store.outcomes("nothing", "buy") == []


def test_outcomes_end_with_their_window(store, clock, events):
    store.append(events(1, user="a", behaviour="buy", value=20.0)).result()
    clock.now += 1000
    store.expose(listed("r1", "a", ["i1"], experiment="x", arm="new")).result()
    clock.now += DAY - 1
    store.append(events(1, user="a", behaviour="buy", value=2.0)).result()
    clock.now += 1
    # The window is half open, and what comes after it is not what was done before either.
    store.append(events(1, user="a", behaviour="buy", value=5.0)).result()
    within = Outcome("a", "new", T0 + 1000, 1, 1, 2.0, 1, 20.0)
    assert store.outcomes("x", "buy", window=DAY) == [within]
    assert store.outcomes("x", "buy", window=DAY + 1) == [replace(within, events=2, value=7.0)]
    assert store.outcomes("x", "buy") == [replace(within, events=2, value=7.0)]
    with pytest.raises(ValueError, match="0 ms"):
        store.outcomes("x", "buy", window=0)


def test_counts_of_items_and_latest_users(store, events):
    store.append(events(2, user="a", item_id="i")).result()
    store.append(events(1, user="b", item_id="i", behaviour="buy")).result()
    assert store.item_counts("i") == {"view": 2, "buy": 1}
    assert list(store.latest_users(5).items()) == [("b", 1), ("a", 2)]
    assert list(store.latest_users(1)) == ["b"]


def test_experiments_are_kept_and_changed(store, clock):
    first = {"layer": "home", "salt": "s", "arms": [{"name": "a", "share": 0.5}]}
    store.put_experiment("x", first)
    clock.now += 5
    store.put_experiment("y", {})
    changed = store.put_experiment("x", {**first, "salt": "t"})
    assert (changed.created_at, changed.changed_at) == (T0, T0 + 5)
    assert list(store.experiments()) == ["x", "y"]
    assert store.experiments()["x"].definition["salt"] == "t"
    with pytest.raises(Refused, match="name"):
        store.put_experiment("", {})


def test_a_key_is_shown_once_and_opens_until_it_is_revoked(store, clock):
    plain = store.add_key("web", ["read", "write"])
    clock.now += 1
    other = store.add_key("shop", ["read"])
    assert len(plain) > 43
    found = store.key(plain)
    assert (found.name, found.scopes) == ("web", {"read", "write"})
    for wrong in ("", "gv", "gv__", plain[:-1], plain + "a", plain.replace("gv_", "gx_"), "gv_é_x"):
        assert store.key(wrong) is None
    # The open part of one with the secret of another.
    mixed = "_".join([*plain.split("_")[:2], other.split("_", 2)[2]])
    assert store.key(mixed) is None
    assert store.revoke(found.key_id)
    assert not store.revoke(found.key_id)
    assert store.key(plain) is None
    assert store.key(other).name == "shop"
    assert [key.revoked_at for key in store.all_keys()] == [T0 + 1, None]
    with pytest.raises(ConfigError, match="did you mean `read`"):
        store.add_key("web", ["reads"])


def test_forgetting_leaves_nothing_but_a_mark(store, clock, events):
    store.append(events(3)).result()
    store.append(events(2, user="u2")).result()
    store.expose(listed("r", "u1", ["a"])).result()
    clock.now += 9
    proof = store.forget("u1")
    assert (dict(proof.removed), proof.left) == ({"events": 3, "exposures": 1}, 0)
    assert store.history("u1") == []
    assert store.shown("u1", 0) == {}
    assert len(store.history("u2")) == 2
    assert store.forgotten(["u1", "u2", "u3"]) == {"u1": T0 + 9}
    assert "u1" not in proof.mark
    assert len(proof.mark) == 64
    # Nothing is left to remove, and the mark is the same.
    again = store.forget("u1")
    assert (dict(again.removed), again.mark) == ({"events": 0, "exposures": 0}, proof.mark)


def test_events_that_wait_are_forgotten_as_well(store, events):
    waiting = [store.append(events(100)) for _ in range(5)]
    proof = store.forget("u1")
    assert all(one.done() for one in waiting)
    assert proof.removed["events"] == 500
    assert store.history("u1") == []


def test_what_is_sent_again_brings_nobody_back(store, clock, events):
    before = events(3, timestamp=T0 - 5)
    store.append(before).result()
    clock.now += 10
    store.forget("u1")
    clock.now += 10
    queued = events(2, timestamp=T0 + 10)
    assert store.append([*before, *queued]).result() == Appended(0, 5)
    assert store.expose(listed("r", "u1", ["a"], shown_at=T0)).result() == Appended(0, 1)
    assert store.counts() == {"events": 0, "exposures": 0}
    # Who comes back comes back: what happened since then is kept, and so is what has no time.
    later = [*events(1, timestamp=T0 + 11), *events(1, timestamp=None)]
    assert store.append(later).result() == Appended(2, 0)
    assert store.expose(listed("r", "u1", ["a"])).result() == Appended(1, 0)
    assert store.append(events(1, user="u2", timestamp=1)).result() == Appended(1, 0)
    assert len(store.history("u1")) == 2


@pytest.mark.parametrize("user", ["", "a\x00", "\ud800", "u" * 1000])
def test_whom_nobody_can_be_has_done_nothing(store, user):
    assert (store.history(user), store.brief_history(user)) == ([], ())
    assert store.shown(user, 0) == store.item_counts(user) == {}
    with pytest.raises(Refused):
        store.forget(user)


def test_retention_removes_what_arrived_before(store, clock, events, monkeypatch):
    monkeypatch.setattr("grapevine.serving.store.forget.PIECE_ROWS", 4)
    store.append(events(10, timestamp=T0 + DAY)).result()
    store.expose(listed("r1", "u1", ["a"])).result()
    clock.now += DAY
    kept = events(3, timestamp=T0 - DAY)
    store.append(kept).result()
    assert store.retain(T0 + 1) == {"events": 10, "exposures": 1}
    assert store.history("u1") == kept
    assert store.retain(T0 + 1) == {"events": 0, "exposures": 0}


def test_everything_is_there_when_it_is_opened_again(url, events):
    with open_store(url) as store:
        sent = events(5)
        store.append(sent)  # nobody waits: closing writes it all the same
        plain = store.add_key("k", ["admin"])
        mark = store.forget("gone").mark
    with open_store(url) as store:
        assert store.history("u1") == sent
        assert store.key(plain) is not None
        assert store.forget("gone").mark == mark
        assert store.append(sent).result() == Appended(0, 5)


def test_a_reader_beside_the_service_changes_nothing(store, url, events):
    store.append(events(2)).result()
    with open_store(url, read_only=True) as reader:
        assert reader.history("u1") == store.history("u1")
        store.append(events(1)).result()
        assert len(reader.history("u1")) == 3
        assert reader.health().alive
        for change in (
            lambda: reader.append(events(1)),
            lambda: reader.forget("u1"),
            lambda: reader.add_key("k", ["read"]),
        ):
            with pytest.raises(StoreError, match="opened only to be read"):
                change()
    assert len(store.history("u1")) == 3


def test_a_reader_finds_no_store_where_there_is_none(url):
    with pytest.raises(StoreError, match=r"no store|holds no events"):
        open_store(url, read_only=True)


def test_a_full_queue_is_told_and_empties(store, events, monkeypatch):
    go = threading.Event()
    held = store._writer.do(lambda connection: go.wait())
    monkeypatch.setattr(store._writer.queue, "most", 30)
    waiting = [store.append(events(10)) for _ in range(3)]
    with pytest.raises(StoreBusy) as caught:
        store.append(events(1))
    assert "second" in caught.value.hint
    assert store.health().queue == 30
    go.set()
    held.result()
    assert [one.result() for one in waiting] == [Appended(10, 0)] * 3
    assert store.append(events(1)).result() == Appended(1, 0)
    assert store.health().queue == 0


def test_what_is_taken_back_in_time_is_not_written(store, events):
    go = threading.Event()
    store._writer.do(lambda connection: go.wait())
    kept, gone = store.append(events(1)), store.append(events(1))
    assert gone.cancel()
    go.set()
    assert kept.result() == Appended(1, 0)
    assert store.counts()["events"] == 1


def test_one_bad_row_fails_alone(store, events):
    """Past the checks, as a fault of ours would be: what others sent is kept all the same."""
    go = threading.Event()
    held = store._writer.do(lambda connection: go.wait())
    before = store.append(events(1))
    row = dict.fromkeys(("event_id", "user_id", "item_id", "timestamp", "arrived", "value"), 1)
    bad = {**row, "behaviour": None, "session_id": None, "request_id": None}
    failing = store._writer.insert("events", [{**bad, "event_id": "x", "user_id": "u"}])
    after = store.append(events(1))
    go.set()
    held.result()
    assert before.result() == after.result() == Appended(1, 0)
    with pytest.raises(StoreError) as caught:
        failing.result()
    assert caught.value.hint
    assert store.health().alive


def test_work_that_fails_changes_nothing_and_stops_nobody(store, events):
    def half(connection):
        connection.exec_driver_sql("DELETE FROM events")
        raise ZeroDivisionError

    store.append(events(2)).result()
    with pytest.raises(ZeroDivisionError):
        store._writer.do(half).result()
    assert store.counts()["events"] == 2
    assert store.append(events(1)).result() == Appended(1, 0)
    assert store.health().alive


def test_what_waits_is_committed_together(store, events):
    before = store.health().counts["commits"]
    go = threading.Event()
    store._writer.do(lambda connection: go.wait())
    waiting = [store.append(events(1)) for _ in range(GROUP_ROWS + 10)]
    go.set()
    for one in waiting:
        one.result()
    # One for what held it up, one for a full group, one for the rest.
    assert store.health().counts["commits"] - before == 3


def test_exposures_wait_for_company_and_events_do_not(url, events):
    with open_store(url, wait_ms=60_000) as store:
        waiting = store.expose(listed("r", "u", ["a"]))
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        assert store.append(events(1)).result(30) == Appended(1, 0)
        assert waiting.result() == Appended(1, 0)
        waiting = store.expose(listed("r2", "u", ["a"]))
    assert waiting.result(0) == Appended(1, 0)


def test_what_was_shown_is_read_once_the_store_has_settled(url):
    with open_store(url, wait_ms=60_000) as store:
        waiting = store.expose(listed("r", "u", ["a"], experiment="e"))
        assert store.outcomes("e", "buy") == []
        assert store.settle(30)
        assert waiting.result(0) == Appended(1, 0)
        assert [one.user_id for one in store.outcomes("e", "buy")] == ["u"]
    assert not store.settle(0)


def test_a_closed_store_says_so(url, events):
    store = open_store(url)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.append(events(1))
    assert not store.health().alive


@pytest.mark.parametrize(
    "address", ["", "grapevine.db", "mysql://host/db", "sqlite://", "sqlite:///:memory:"]
)
def test_what_is_no_address_of_a_store_is_refused(address):
    with pytest.raises(ConfigError) as caught:
        open_store(address)
    assert "sqlite:///grapevine.db" in caught.value.hint


def test_a_list_of_odd_items_is_kept(url):
    items = ("cafe\u0301", "\N{PILE OF POO}" * 500)
    with open_store(url) as store:
        assert store.show([Listed("r", "u", items, (1.0, 0.5))]).result() == Appended(2, 0)
        assert [one.item_id for one in store.exposed("")] == [*items]
