"""Any order of calls: the store answers as a few lists and dictionaries would."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from grapevine.serving.store import Appended, Event, Exposure, open_store

NAMES = ["u1", "u2", "Zoë", "' OR 1=1 --"]
THINGS = ["i1", "i2", "片"]
USERS, ITEMS = st.sampled_from(NAMES), st.sampled_from(THINGS)
T0 = 1_700_000_000_000


def event(number: int) -> Event:
    """The event of a number: an `event_id` names one thing, however often it is sent."""
    return Event(
        event_id=f"e{number}",
        user_id=NAMES[number % 4],
        item_id=THINGS[number % 3],
        behaviour=("view", "buy")[number % 2],
        timestamp=None if number % 5 == 0 else T0 + 2_500 * (number - 8),
        value=None if number % 3 == 0 else 1e29 * (number - 6),
        session_id=None if number % 2 else "abc"[number % 3],
    )


SENT = st.integers(0, 16).map(event)


class StoreMachine(RuleBasedStateMachine):
    """The store beside its model: events in order of arrival, lists that were shown, marks."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.address = f"sqlite:///{Path(self.folder.name) / 'store.db'}"
        self.now = T0
        self.open()
        self.events: dict[str, tuple[int, Event]] = {}
        self.shown: dict[tuple[str, str], tuple[int, str]] = {}
        self.marks: dict[str, int] = {}
        self.waiting: list[tuple[object, Appended]] = []

    def open(self) -> None:
        self.store = open_store(self.address, clock=lambda: self.now)

    @initialize()
    def start(self) -> None:
        assert self.store.counts() == {"events": 0, "exposures": 0}

    @rule(step=st.integers(-10_000, 10_000))
    def clock_moves(self, step: int) -> None:
        self.now += step

    @rule(sent=st.lists(SENT, max_size=5), wait=st.booleans())
    def append(self, sent: list[Event], wait: bool) -> None:
        new = 0
        for event in sent:
            if event.event_id not in self.events:
                if self.is_late(event.user_id, event.timestamp):
                    continue
                new += 1
                timed = self.now if event.timestamp is None else event.timestamp
                kept = Event(
                    event.event_id,
                    event.user_id,
                    event.item_id,
                    event.behaviour,
                    timed,
                    event.value,
                    event.session_id,
                )
                self.events[event.event_id] = (self.now, kept)
        self.waiting.append((self.store.append(sent), Appended(new, len(sent) - new)))
        if wait:
            self.settle()

    def is_late(self, user: str, at: int | None) -> bool:
        """Whether a thing speaks of the time before its user was forgotten."""
        return at is not None and at != self.now and at <= self.marks.get(user, -1)

    @rule(request=st.integers(0, 5), user=USERS, items=st.lists(ITEMS, max_size=3, unique=True))
    def expose(self, request: int, user: str, items: list[str]) -> None:
        sent = [Exposure(f"r{request}", user, item, n + 1, 0.5) for n, item in enumerate(items)]
        for exposure in sent:
            if self.now > self.marks.get(user, -1):
                self.shown.setdefault((exposure.request_id, exposure.item_id), (self.now, user))
        self.store.expose(sent).result()

    @rule(user=USERS)
    def forget(self, user: str) -> None:
        mine = [name for name, (_, event) in self.events.items() if event.user_id == user]
        lists = [key for key, (_, shown_to) in self.shown.items() if shown_to == user]
        proof = self.store.forget(user)
        assert (dict(proof.removed), proof.left) == (
            {"events": len(mine), "exposures": len(lists)},
            0,
        )
        for name in mine:
            del self.events[name]
        for key in lists:
            del self.shown[key]
        self.marks[user] = self.now

    @rule(before=st.integers(-20_000, 20_000))
    def retain(self, before: int) -> None:
        limit = self.now + before
        old = [name for name, (arrived, _) in self.events.items() if arrived < limit]
        lists = [key for key, (at, _) in self.shown.items() if at < limit]
        assert self.store.retain(limit) == {"events": len(old), "exposures": len(lists)}
        for name in old:
            del self.events[name]
        for key in lists:
            del self.shown[key]

    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.open()

    @rule()
    def settle(self) -> None:
        for future, expected in self.waiting:
            assert future.result() == expected  # pyright: ignore[reportAttributeAccessIssue]
        self.waiting.clear()

    @rule(user=USERS, most=st.integers(1, 4), since=st.integers(-20_000, 20_000))
    def look(self, user: str, most: int, since: int) -> None:
        self.settle()
        mine = [event for _, event in self.events.values() if event.user_id == user]
        assert self.store.history(user) == mine
        assert self.store.history(user, most) == mine[-most:]
        times: dict[str, int] = {}
        for (_, item), (at, shown_to) in self.shown.items():
            if shown_to == user and at >= self.now + since:
                times[item] = times.get(item, 0) + 1
        assert self.store.shown(user, self.now + since) == times

    @invariant()
    def marks_are_kept(self) -> None:
        assert self.store.forgotten(["u1", "u2", "Zoë"]) == {
            user: at for user, at in self.marks.items() if user in {"u1", "u2", "Zoë"}
        }

    def teardown(self) -> None:
        self.settle()
        assert self.store.counts() == {"events": len(self.events), "exposures": len(self.shown)}
        self.store.close()
        self.folder.cleanup()


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestStoreMachine = pytest.mark.slow(TestStoreMachine)
