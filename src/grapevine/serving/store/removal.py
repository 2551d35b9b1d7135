"""What leaves a store: users who asked for it, and what is too old; how: see `forget`."""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, select

from grapevine.serving.store import checks, forget, reads, tables
from grapevine.serving.store.access import Access
from grapevine.serving.store.values import Forgotten


class Removal(Access):
    """See `Store`."""

    _salt: bytes
    """Of the marks."""

    def forget(self, user_id: str) -> Forgotten:
        """Remove a user, look again, and keep a mark that names nobody.

        A small SQLite file is rewritten at once, so that no byte of the user remains; for others
        see `compact`. Backups are not reached: see `docs/events.md`.

        Raises:
            Refused: no user can have this ID.
        """
        if reason := checks.id_fault(user_id):
            raise checks.Refused([checks.Fault(None, "user_id", reason)])
        at, mark = self.clock(), forget.mark_of(self._salt, user_id)
        removed = self._do(
            lambda connection: forget.remove_user(connection, user_id, mark, at),
            after=self.backend.after_removal,
        )
        left = self._read(lambda connection: forget.rows_left(connection, user_id))
        return Forgotten(user_id, removed, left, mark, at)

    def forgotten(self, user_ids: Iterable[str]) -> dict[str, int]:
        """Those of the users who asked to be forgotten, and when, in milliseconds since 1970.

        What they did before must leave the next dataset, vectors and checkpoints.
        """
        asked = list(user_ids)
        return self._read(lambda connection: forget.marked(connection, self._salt, asked))

    def mark_of(self, user_id: str) -> str:
        """The mark that a user has, or would have."""
        return forget.mark_of(self._salt, user_id)

    def marks(self) -> dict[str, int]:
        """All marks, and when each was made, in milliseconds since 1970."""
        asked = select(tables.marks.c.mark, tables.marks.c.forgotten_at)
        return dict(self._read(lambda connection: connection.execute(asked).all()))

    def marks_version(self) -> tuple[Any, ...]:
        """A value that is another one after each user that is forgotten."""
        return self._read(reads.marks)

    def retain(self, older_than: int) -> dict[str, int]:
        """Remove what arrived before; rows removed by table.

        An event that comes again after that counts as new: retry for days, not for years.

        Args:
            older_than: milliseconds since 1970.
        """
        removed = dict.fromkeys((table.name for table in tables.PERSONAL), 0)
        for name in removed:
            while count := self._do(_removal(name, older_than)):
                removed[name] += count
        if any(removed.values()):
            self._do(lambda _: None, after=self.backend.after_removal)
        return removed


def _removal(name: str, older_than: int) -> Callable[[Connection], int]:
    return lambda connection: forget.remove_older(connection, name, older_than)
