"""The event store: durable, idempotent, read-your-writes; one interface over two databases."""

import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import select

from grapevine.serving.store import export, forget, reads, tables
from grapevine.serving.store.access import now_ms
from grapevine.serving.store.asked import Answers
from grapevine.serving.store.backend import Backend
from grapevine.serving.store.experiments import Experiments
from grapevine.serving.store.insert import add_missing
from grapevine.serving.store.key_ring import KeyRing
from grapevine.serving.store.recent import KEPT_EVENTS, Recent
from grapevine.serving.store.removal import Removal
from grapevine.serving.store.shelf import Shelf
from grapevine.serving.store.told import ToldOf
from grapevine.serving.store.values import Health
from grapevine.serving.store.writer import Writer

if TYPE_CHECKING:
    from grapevine.data.import_report import ImportReport

T = TypeVar("T")


class Store(ToldOf, Answers, Experiments, KeyRing, Removal):
    """See `open_store`. All methods may be called from any thread.

    Args:
        backend: the database, prepared.
        writer: what writes to it; None where it is only read.
        clock: milliseconds since 1970.
        kept: events of histories that are kept at hand, where only this process can write.
    """

    def __init__(
        self,
        backend: Backend,
        writer: Writer | None,
        clock: Callable[[], int] = now_ms,
        kept: int = KEPT_EVENTS,
    ) -> None:
        super().__init__(backend, writer, clock)
        self._recent = Recent(kept) if writer is not None and backend.alone and kept else None
        if writer is not None:
            if self._recent is not None:
                writer.committed = self._recent.changed
            fresh = {"name": forget.SALT, "value": secrets.token_bytes(forget.SALT_BYTES)}
            self._do(lambda connection: add_missing(connection, tables.state, fresh))
        asked = select(tables.state.c.value).where(tables.state.c.name == forget.SALT)
        self.shelf = Shelf(self._do, self._read, lambda: self.clock())
        self._salt = salt = bytes(self._read(lambda connection: connection.scalar(asked)) or b"")
        if writer is not None:
            writer.screen = lambda connection, table, rows: forget.drop_late(
                connection, salt, table, rows
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write all that waits, then close every connection."""
        if self._written_by is not None:
            self._written_by.close()
        self.backend.close()

    def health(self) -> Health:
        """How it is now; asks nobody, so that it answers at once."""
        if self._written_by is not None:
            return self._written_by.health()
        return Health(True, 0, 0, 0.0, self.backend.name)

    def export(
        self,
        out: Path | str,
        *,
        items: Path | None = None,
        behaviours: Sequence[str] | None = None,
        target: str | None = None,
        name: str | None = None,
    ) -> "ImportReport":
        """Write the events as a dataset folder, each with its `event_id`; see `gv.load`.

        Raises:
            ConfigError: `out` is in use.
            DataError: there are no events.
        """
        again = False

        def written(pages: Iterator[list[Any]]) -> "ImportReport":
            nonlocal again
            if again:
                shutil.rmtree(out)
            again = True
            return export.write_folder(
                pages, Path(out), items=items, behaviours=behaviours, target=target, name=name
            )

        return self.read_events(written)

    def read_events(self, read: Callable[[Iterator[list[Any]]], T]) -> T:
        """What somebody makes of all events.

        Args:
            read: is given them in order of arrival, in pieces, the fields of `Event`. Where a user
                is forgotten meanwhile, who may have been read before, it is asked again, and what
                it made counts for nothing.
        """
        while True:
            marks = self._read(reads.marks)
            with self._reading() as connection:
                found = read(reads.events(connection))
            if self._read(reads.marks) == marks:
                return found

    def compact(self) -> None:
        """Rewrite the store, so that no byte of what was removed remains and no space is wasted.

        Needs as much free space as the store has, and writing waits meanwhile.

        Raises:
            StoreError: on PostgreSQL, always, with what to do instead.
        """
        self._do(lambda _: None, after=self.backend.compact)

    def backup(self, path: Path | str) -> None:
        """Copy the whole store while it is in use.

        Raises:
            StoreError: it cannot be written; on PostgreSQL, always, with what to do instead.
        """
        self.backend.backup(Path(path))
