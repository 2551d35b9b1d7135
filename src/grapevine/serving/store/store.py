"""The event store: durable, idempotent, read-your-writes; one interface over two databases."""

import json
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from grapevine.errors import StoreBusy, StoreError
from grapevine.serving.store import checks, export, forget, keys, lately, reads, rows, tables
from grapevine.serving.store.backend import Backend
from grapevine.serving.store.insert import add_missing, upsert
from grapevine.serving.store.recent import KEPT_EVENTS, Recent
from grapevine.serving.store.shelf import Shelf
from grapevine.serving.store.values import (
    Appended,
    Brief,
    Event,
    Experiment,
    Exposure,
    Forgotten,
    Health,
    Key,
    Listed,
    Outcome,
)
from grapevine.serving.store.writer import Writer

if TYPE_CHECKING:
    from grapevine.data.import_report import ImportReport

T = TypeVar("T")

MOST_HISTORY = 500
"""Events of a history, at most."""


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Store:
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
        self.backend = backend
        self.clock = clock
        self._written_by = writer
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

    # What users did and were shown.

    def append(self, events: Sequence[Event]) -> "Future[Appended]":
        """Keep events; the future is done when they are durable.

        An event whose `event_id` is there already counts as repeated, and the first one stays. So
        does, without being kept, one that speaks of the time before its user was forgotten.

        Raises:
            Refused: an event breaks the limits; none of the call is taken.
            StoreBusy: too much waits to be written.
        """
        if faults := checks.event_faults(events):
            raise checks.Refused(faults)
        return self._writer.insert("events", rows.of_events(events, self.clock()))

    def expose(self, exposures: Sequence[Exposure]) -> "Future[Appended]":
        """Keep what was shown; through the same writer, and as durable.

        Raises:
            Refused: an exposure breaks the limits; none of the call is taken.
            StoreBusy: too much waits to be written.
        """
        if faults := checks.exposure_faults(exposures):
            raise checks.Refused(faults)
        return self._writer.insert("exposures", rows.of_exposures(exposures, self.clock()))

    def show(self, lists: Sequence[Listed]) -> "Future[Appended]":
        """Keep lists that were shown: as `expose` of all their items, for a tenth of the time.

        Raises:
            Refused: a list breaks the limits; none of the call is taken.
            StoreBusy: too much waits to be written.
        """
        if faults := checks.list_faults(lists):
            raise checks.Refused(faults)
        return self._writer.insert("exposures", rows.of_lists(lists, self.clock()))

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

    # Experiments.

    def put_experiment(self, name: str, definition: Mapping[str, Any]) -> Experiment:
        """Put an experiment down, or change it; its definition is any JSON object."""
        if reason := checks.id_fault(name):
            raise checks.Refused([checks.Fault(None, "name", reason)])
        now = self.clock()
        text = json.dumps(definition, ensure_ascii=False, allow_nan=False, sort_keys=True)
        row = {"name": name, "definition": text, "created_at": now, "changed_at": now}
        self._do(
            lambda connection: upsert(connection, tables.experiments, row, keep=("created_at",))
        )
        return self.experiments()[name]

    def experiments(self) -> dict[str, Experiment]:
        """All experiments by name, the oldest first."""
        columns = tables.experiments.c
        asked = select(columns.name, columns.definition, columns.created_at, columns.changed_at)
        asked = asked.order_by(columns.created_at, columns.name)
        rows = self._read(lambda connection: connection.execute(asked).all())
        return {row[0]: Experiment(row[0], json.loads(row[1]), row[2], row[3]) for row in rows}

    def exposed(self, experiment: str, since: int = 0) -> Iterator[Exposure]:
        """The exposures of an experiment in order of arrival, read in pieces."""
        with self._reading() as connection:
            yield from reads.exposures(connection, experiment, since)

    def outcomes(
        self,
        experiment: str,
        behaviour: str,
        *,
        window: int | None = None,
        until: int | None = None,
    ) -> list[Outcome]:
        """What each user of an experiment did, before the first list that was shown and from it on.

        Args:
            experiment: its name.
            behaviour: that counts.
            window: milliseconds from the first list on in which events count; all later ones do if
                not given. Users whose window is not over yet are among them: see `exposed_at`.
            until: when the experiment ended, in milliseconds since 1970: no list and no event from
                then on counts. None where it runs.

        Raises:
            ValueError: the window is empty.
        """
        if window is not None and window <= 0:
            raise ValueError(f"a window of {window} ms holds nothing")
        return self._read(
            lambda connection: reads.outcomes(connection, experiment, behaviour, window or 0, until)
        )

    # API keys.

    def add_key(self, name: str, scopes: Collection[str]) -> str:
        """Make a key; what is returned is shown once and kept nowhere.

        Raises:
            ConfigError: a scope is not known.
        """
        allowed = keys.check_scopes(scopes)
        if reason := checks.id_fault(name):
            raise checks.Refused([checks.Fault(None, "name", reason)])
        key_id, plain, hashed = keys.new_key()
        row = {
            "key_id": key_id,
            "name": name,
            "hash": hashed,
            "scopes": " ".join(sorted(allowed)),
            "created_at": self.clock(),
            "revoked_at": None,
        }
        self._do(lambda connection: add_missing(connection, tables.api_keys, row))
        return plain

    def key(self, plain: str) -> Key | None:
        """The key that this is, or None where it is none, or was revoked."""
        key_id, secret = keys.parts(plain)
        columns = tables.api_keys.c
        asked = select(*_KEY_COLUMNS, columns.hash).where(
            columns.key_id == key_id, columns.revoked_at.is_(None)
        )
        row = self._read(lambda connection: connection.execute(asked).first())
        known = bytes(row[-1]) if row is not None else None
        return keys.key_of(tuple(row[:-1])) if keys.matches(secret, known) and row else None

    def all_keys(self) -> list[Key]:
        """All keys, those revoked too, the oldest first."""
        asked = select(*_KEY_COLUMNS).order_by(
            tables.api_keys.c.created_at, tables.api_keys.c.key_id
        )
        rows = self._read(lambda connection: connection.execute(asked).all())
        return [keys.key_of(tuple(row)) for row in rows]

    def revoke(self, key_id: str) -> bool:
        """Make a key void from now on; whether it was good before."""
        columns = tables.api_keys.c
        change = (
            update(tables.api_keys)
            .where(columns.key_id == key_id, columns.revoked_at.is_(None))
            .values(revoked_at=self.clock())
        )
        return self._do(lambda connection: connection.execute(change).rowcount) > 0

    # Forgetting.

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

    # Out of the store.

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

    @property
    def _writer(self) -> Writer:
        if self._written_by is None:
            raise StoreError(
                f"{self.backend.where}: was opened only to be read", hint="open it to write"
            )
        return self._written_by

    def _do(
        self,
        work: Callable[[Connection], Any],
        after: Callable[[Connection], None] | None = None,
    ) -> Any:
        return self._writer.do(work, after).result()

    def _read(self, ask: Callable[[Connection], T]) -> T:
        """The answer to a question; asked twice where a server has closed the connection."""
        with self._reading() as connection:
            try:
                return ask(connection)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
        with self._reading() as connection:
            return ask(connection)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """A connection that can only read, its faults in our words."""
        try:
            with self.backend.readers.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise self.backend.explain(error) from error
        except PoolTimeout as error:
            raise StoreBusy("every connection is in use", hint="try again in a second") from error


def _removal(name: str, older_than: int) -> Callable[[Connection], int]:
    return lambda connection: forget.remove_older(connection, name, older_than)


_KEY_COLUMNS = (
    tables.api_keys.c.key_id,
    tables.api_keys.c.name,
    tables.api_keys.c.scopes,
    tables.api_keys.c.created_at,
    tables.api_keys.c.revoked_at,
)
