"""Histories at hand: those asked for lately, never older than what was acknowledged."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable

from grapevine.serving.store.values import Brief

KEPT_EVENTS = 200_000
"""Events that are kept, of all users together: some 30 MB."""


class Recent:
    """The histories of the users who were asked about last. Safe in threads.

    A history is dropped after its user's event was committed and before that is acknowledged, so
    whoever was told that an event is kept finds it. What was read while something was committed is
    used once and not kept: it may be from before.

    Args:
        most: events of all histories together.
    """

    def __init__(self, most: int = KEPT_EVENTS) -> None:
        self.most = most
        self._kept: OrderedDict[str, tuple[Brief, ...]] = OrderedDict()
        self._events, self._commits = 0, 0
        self._lock = threading.Lock()

    def of(self, user_id: str, read: Callable[[], tuple[Brief, ...]]) -> tuple[Brief, ...]:
        """The history of a user, read if it is not at hand."""
        with self._lock:
            found = self._kept.get(user_id)
            if found is not None:
                self._kept.move_to_end(user_id)
                return found
            commits = self._commits
        found = read()
        with self._lock:
            if commits == self._commits and user_id not in self._kept:
                self._kept[user_id] = found
                # One that is empty takes room too.
                self._events += len(found) + 1
                while self._events > self.most:
                    self._events -= len(self._kept.popitem(last=False)[1]) + 1
        return found

    def changed(self, user_ids: Iterable[str] | None) -> None:
        """These users have new events; all may have changed if None."""
        with self._lock:
            self._commits += 1
            if user_ids is None:
                self._kept.clear()
                self._events = 0
                return
            for user_id in user_ids:
                gone = self._kept.pop(user_id, None)
                if gone is not None:
                    self._events -= len(gone) + 1
