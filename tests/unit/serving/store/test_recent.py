"""Histories at hand are never older than what was acknowledged."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from grapevine.serving.store import Event, Exposure, Listed, open_store
from grapevine.serving.store.recent import Recent
from grapevine.serving.store.values import Brief


def told(count):
    return tuple(Brief(f"i{n}", "view", n) for n in range(count))


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 4), st.booleans())))
def test_what_is_given_is_what_is_there(steps):
    there, recent = dict.fromkeys("abcde", 0), Recent(most=8)
    for user, more, all_at_once in steps:
        if more:
            there[user] += more
            recent.changed(None if all_at_once else [user])
        assert recent.of(user, lambda user=user: told(there[user])) == told(there[user])
        assert recent._events == sum(len(one) + 1 for one in recent._kept.values()) <= 8


def test_what_was_read_while_something_was_committed_is_not_kept():
    recent = Recent()

    def read():
        recent.changed(["u"])
        return told(1)

    assert recent.of("u", read) == told(1)
    assert recent.of("u", lambda: told(2)) == told(2)
    assert recent.of("u", lambda: told(3)) == told(2)


def test_an_acknowledged_event_is_in_the_next_history(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        wrong = []

        def go_on(user):
            for n in range(40):
                store.append([Event(f"{user}-{n}", user, f"i{n}", "view")]).result()
                if len(store.brief_history(user)) != n + 1:
                    wrong.append((user, n))

        threads = [threading.Thread(target=go_on, args=(f"u{n}",)) for n in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert not wrong
        assert store.forget("u1").left == 0
        assert store.brief_history("u1") == ()
        assert store.brief_history("u2", 1) == store.brief_history("u2")[-1:]


def test_a_list_is_kept_as_its_exposures_are(tmp_path):
    places = (("x", "new", 0.5), ("y", "old", 0.25))
    listed = Listed("r", "u", ("a", "b"), (2.0, 1.0), places, "v")
    plain = [
        Exposure("r", "u", item, rank, score, chance, experiment, arm, "v")
        for experiment, arm, chance in places
        for rank, (item, score) in enumerate((("a", 2.0), ("b", 1.0)), start=1)
    ]
    for kind, send in (("one", lambda s: s.show([listed])), ("other", lambda s: s.expose(plain))):
        with open_store(f"sqlite:///{tmp_path / kind}.db", clock=lambda: 7) as store:
            assert send(store).result().new == 4
            assert send(store).result().repeated == 4
            found = [*store.exposed("x"), *store.exposed("y")]
            assert sorted(found, key=lambda one: (one.experiment, one.rank)) == [
                Exposure(**{**{n: getattr(one, n) for n in one.__slots__}, "shown_at": 7})
                for one in plain
            ]
