"""What is asked of a store for an answer, and beside it: histories, counts, the latest."""

from collections.abc import Iterable

from grapevine.serving.store import checks, lately, reads
from grapevine.serving.store.access import Access
from grapevine.serving.store.recent import Recent
from grapevine.serving.store.values import Brief, Event

MOST_HISTORY = 500
"""Events of a history, at most."""


class Answers(Access):
    """See `Store`."""

    _recent: Recent | None
    """Histories at hand; None where others may write too."""

    def history(self, user_id: str, most: int = MOST_HISTORY) -> list[Event]:
        """The last events of a user in order of arrival, the latest last.

        Every event whose append is acknowledged is among them.
        """
        if checks.id_fault(user_id):
            return []
        most = max(0, min(most, MOST_HISTORY))
        return self._read(lambda connection: reads.history(connection, user_id, most))

    def brief_history(self, user_id: str, most: int = MOST_HISTORY) -> tuple[Brief, ...]:
        """The same as item, behaviour and time alone: what a model is asked with, and faster.

        Where nobody else can write, those asked for lately are at hand.
        """
        if checks.id_fault(user_id):
            return ()
        most = max(0, min(most, MOST_HISTORY))

        def read() -> tuple[Brief, ...]:
            return self._read(lambda connection: reads.brief_history(connection, user_id, most))

        if self._recent is None or most != MOST_HISTORY:
            return read()
        return self._recent.of(user_id, read)

    def shown(self, user_id: str, since: int) -> dict[str, int]:
        """In how many lists each item was shown to a user, for caps on frequency.

        Args:
            user_id: who.
            since: milliseconds since 1970.
        """
        if checks.id_fault(user_id):
            return {}
        return self._read(lambda connection: reads.shown(connection, user_id, since))

    def item_counts(self, item_id: str) -> dict[str, int]:
        """Events of an item by behaviour."""
        if checks.id_fault(item_id):
            return {}
        return self._read(lambda connection: reads.item_counts(connection, item_id))

    def latest_users(self, most: int = 20) -> dict[str, int]:
        """Users of the latest events, the latest first, and how many of those are theirs."""
        return self._read(lambda connection: reads.latest_users(connection, most))

    def popular_lately(self) -> dict[str, dict[str, int]]:
        """Of each behaviour, how many users did it with each item, among the latest events."""
        return self._read(lately.popular)

    def takers(self, item_id: str) -> list[str]:
        """The latest users of an item, the latest first."""
        if checks.id_fault(item_id):
            return []
        return self._read(lambda connection: lately.takers(connection, item_id))

    def met_since(self, number: int) -> tuple[int, set[str]]:
        """The number of the last event that was read, and the items of those after `number`."""
        return self._read(lambda connection: lately.met_since(connection, number))

    def met_among(self, item_ids: Iterable[str]) -> set[str]:
        """Those of the items that have an event."""
        asked = [one for one in item_ids if not checks.id_fault(one)]
        return self._read(lambda connection: lately.met_among(connection, asked))

    def last_event(self) -> int:
        """The number of the last event; 0 where there is none."""
        return self._read(lately.last)

    def counts(self) -> dict[str, int]:
        """Rows of each table with rows of users; reads all of them, so not for every request."""
        return self._read(reads.counts)
