"""What a service learns besides what it is asked: items, popularity and forgetting, as they change.

Everything is read from the store, so that several servers over one database come to the same; a
server's own changes are followed at once, those of others within `SECONDS`.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from grapevine.log import logger
from grapevine.serving import browse
from grapevine.serving.engine import NO_LIVE, Live, Served
from grapevine.serving.store import Store

SECONDS = 2.0
"""How often it is looked what other servers have changed."""
LATELY_TURNS = 5
"""Every so many looks what is popular now is counted again, and what goes with new items."""


class Following:
    """What is known since the run in service was trained, and who is forgotten.

    Args:
        store: where it is read.
        revise: is given what is known by now, whenever that has changed.
        current: the version in service, which knows what its users did before.
    """

    def __init__(
        self, store: Store, revise: Callable[[Live], None], current: Callable[[], Served]
    ) -> None:
        self.store, self._revise, self._current = store, revise, current
        self.live = NO_LIVE
        self._number = 0
        self._met: int | None = None
        self._marks: dict[str, int] = {}
        self._marked: object = None
        self._lock, self._marking = threading.Lock(), threading.Lock()
        self._stale = set[str]()

    def items(self) -> None:
        """Take over what was said of items since the last look; when it returns, it counts."""
        with self._lock:
            said = self.store.shelf.since(self._number)
            if said:
                self.live = self.live.said({one.item_id: one.fields for one in said})
                # What came before an item was put has not been looked at for it.
                self._stale |= {one.item_id for one in said if one.fields is not None}
                self._number = said[-1].number
                self._revise(self.live)

    def marks(self) -> bool:
        """Take over who was forgotten, here or by another server; whether somebody was."""
        with self._marking:
            version = self.store.marks_version()
            if version == self._marked:
                return False
            self._marks, self._marked = self.store.marks(), version
        self._place_again()
        return True

    def forgot(self, mark: str, at: int) -> None:
        """A user was forgotten just now: what new items are placed by is looked up again."""
        # One at a time: marks that were read before must not take the place of this one.
        with self._marking:
            self._marks = {**self._marks, mark: at}
        self._place_again()

    def _place_again(self) -> None:
        """Look up again what was taken beside new items: those who took it may be forgotten."""
        with self._lock:
            # Not just what was found before: another may be looked up this very moment.
            self._stale |= {name for name, one in self.live.items.items() if one is not None}

    def forgotten_at(self, user_id: str) -> int | None:
        """When a user was forgotten, in milliseconds since 1970; None who was not.

        Asks nobody: it costs one hash, however many users there are.
        """
        return self._marks.get(self.store.mark_of(user_id)) if self._marks else None

    def lately(self) -> None:
        """Count anew what is popular now, and what those took who took new items."""
        popular = self.store.popular_lately()
        if self._met is None:
            self._met = self.store.last_event()
        last, met = self.store.met_since(self._met)
        with self._lock:
            new = {name for name, fields in self.live.items.items() if fields is not None}
            stale, self._stale = (self._stale | met) & new, set[str]()
        try:
            placed = self.store.met_among(stale) | (stale & self.live.beside.keys())
            beside = {name: self._beside(name) for name in placed}
        except BaseException:
            with self._lock:
                self._stale |= stale
            raise
        with self._lock:
            self._met = last
            changed = {
                name: found
                for name, found in beside.items()
                if found != self.live.beside.get(name, {}) and self.live.items.get(name) is not None
            }
            if changed or popular != self.live.lately:
                lately = self.live.lately if popular == self.live.lately else popular
                self.live = Live(self.live.items, {**self.live.beside, **changed}, lately)
                self._revise(self.live)

    @contextmanager
    def by_turns(self, more: Iterable[Callable[[], None]] = ()) -> Iterator[None]:
        """While it runs, everything is looked at again and again.

        Args:
            more: what else is to be done at each turn.
        """
        stopped = threading.Event()
        turns = [self.items, *more]

        def follow() -> None:
            turn = 0
            while not stopped.wait(SECONDS):
                turn += 1
                for look in [*turns, *([self.lately] if turn % LATELY_TURNS == 0 else [])]:
                    try:
                        look()
                    except Exception:  # the store's health tells, and the next turn tries again
                        logger.exception("what has changed could not be looked up")

        thread = threading.Thread(target=follow, name="following", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    def _beside(self, item_id: str) -> Mapping[str, float]:
        """What else those took who took an item, each user's items sharing one."""
        served, found = self._current(), dict[str, float]()
        for user in self.store.takers(item_id):
            taken = {item for item, _, _ in self.store.brief_history(user)}
            if self.forgotten_at(user) is None:
                taken |= {str(one.item_id) for one in browse.history(served, user)}
            taken.discard(item_id)
            for item in taken & served.catalogue.row_of.keys():
                found[item] = found.get(item, 0.0) + 1 / len(taken)
        return found
