"""The one thread that writes: what waits is committed together, then acknowledged."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from grapevine.errors import GrapevineError, StoreBusy, StoreError
from grapevine.log import logger
from grapevine.serving.store import tables
from grapevine.serving.store.backend import Backend
from grapevine.serving.store.insert import KEYS, Row, counted, insert_missing, names_of, upsert
from grapevine.serving.store.values import Appended, Health

T = TypeVar("T")

Screen = Callable[[Connection, str, list[Row]], list[Row]]

GROUP_ROWS = 1024
"""A group is closed when it has so many rows."""
WAIT_MS = 5.0
"""A group is closed so long after its first row, at most."""
SHOWN_WAIT_MS = 50.0
"""The same of a group of exposures alone, for which nobody waits."""
QUEUE_ROWS = 20_000
"""Rows that may wait."""
PATIENCE_S = 30.0
"""For so long a group is tried again while a server is away."""
PAUSE_S = 0.2
"""Between two such tries."""
CLOSING_S = 5.0
"""The same, at most, once the store is being closed."""
PROBE_S = 1.0
"""How often it is tried to write after a failure, while nobody sends anything."""


@dataclass(eq=False, slots=True)
class _Job:
    """Rows to insert into one table, or some other work in a transaction of its own."""

    future: "Future[Any]"
    table: str = ""
    rows: list[Row] = field(default_factory=list)
    work: Callable[[Connection], Any] | None = None
    after: Callable[[Connection], None] | None = None


class Writer:
    """Takes rows and work from any thread, and does them in the order they came, one at a time.

    A group is closed when it has `GROUP_ROWS` rows, when all are in it who wait or were answered
    just now, or when its first row has waited for `WAIT_MS`. A single caller thus never waits for
    company. While one group is on its way to the disk the next one gathers, so that a slow disk
    makes larger groups. A row is acknowledged (its future
    is resolved) only when the database has said that the commit is durable.

    Where a commit fails because the server went away, the very same group is tried again: rows
    that made it are told by their IDs. Any other failure is told to those who wait, nothing of
    the group is there, and the next group is tried afresh.

    Args:
        backend: what it writes to.
        group_rows: see `GROUP_ROWS`.
        wait_ms: see `WAIT_MS`.
        queue_rows: see `QUEUE_ROWS`.
        patience_s: see `PATIENCE_S`.

    Attributes:
        screen: is given the rows of each transaction that are new, and gives those that it has
            removed again; they count as repeated.
        committed: is told, before anybody is, whose events a commit has brought; None where it may
            have changed anything.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        group_rows: int = GROUP_ROWS,
        wait_ms: float = WAIT_MS,
        queue_rows: int = QUEUE_ROWS,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.backend = backend
        self.group_rows, self.wait_s = group_rows, wait_ms / 1000
        self.queue_rows, self.patience_s = queue_rows, patience_s
        self.screen: Screen = lambda connection, table, rows: []
        self.committed: Callable[[set[str] | None], None] = lambda user_ids: None
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._closed = False
        self._connection: Connection | None = None
        self._fault: StoreError | None = None
        self._last_commit_ms = 0.0
        self._expected, self._answered_at = 1, 0.0
        self._gathering, self.shown_wait_s = False, max(wait_ms, SHOWN_WAIT_MS) / 1000
        self._counts = {"rows": 0, "commits": 0, "failures": 0}
        self._thread = threading.Thread(target=self._run, name="grapevine-store", daemon=True)
        self._thread.start()

    def insert(self, table: str, rows: list[Row]) -> "Future[Appended]":
        """Insert the rows that are not there yet; done when they are durable.

        Args:
            table: "events" or "exposures".
            rows: all columns but `id`.

        Raises:
            StoreBusy: too much waits already.
            StoreError: the store is closed.
        """
        future: Future[Appended] = Future()
        self._put(_Job(future, table=table, rows=rows))
        return future

    def do(
        self, work: Callable[[Connection], T], after: Callable[[Connection], None] | None = None
    ) -> "Future[T]":
        """Other work, in a transaction of its own, after all that was sent before it.

        Args:
            work: is given the connection within the transaction; may be run twice if the server
                goes away meanwhile.
            after: is given the connection after the commit, before the work counts as done.

        Raises:
            StoreError: the store is closed.
        """
        future: Future[T] = Future()
        self._put(_Job(future, work=work, after=after))
        return future

    def health(self) -> Health:
        """How it is now."""
        running = self._thread.is_alive() and not self._closed
        fault, closed = self._fault, "" if running else "the store is closed"
        trouble = closed if fault is None else str(fault)
        return Health(
            alive=not trouble,
            queue=self._waiting,
            queue_most=self.queue_rows,
            last_commit_ms=self._last_commit_ms,
            backend=self.backend.name,
            trouble=trouble,
            advice=closed if fault is None else fault.hint or "see the log",
            counts=dict(self._counts),
        )

    def close(self) -> None:
        """Write all that waits, then stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _put(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise StoreError(f"{self.backend.where}: the store is closed", hint="open it again")
            if self._waiting and self._waiting + len(job.rows) > self.queue_rows:
                raise StoreBusy(
                    f"{self._waiting:,} rows wait to be written"
                    + (f": {self._fault.args[0]}" if self._fault else ""),
                    hint="send it again in a second; the same event_id counts once",
                )
            self._jobs.append(job)
            self._waiting += len(job.rows)
            # Waking the writer for every list that was shown would cost more than writing it.
            if job.table != "exposures" or not self._gathering or self._waiting > self.group_rows:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            group = self._next_group()
            if group:
                self._write(group)
            elif self._fault:
                self._probe()
            elif self._closed and not self._jobs:
                break
        self._drop_connection()

    def _next_group(self) -> list[_Job]:
        """The jobs to commit together; none where it is time to probe, or to stop."""
        with self._changed:
            while not self._jobs:
                if self._closed:
                    # Whoever closes does not wait for a disk to recover.
                    self._fault = None
                    return []
                if not self._changed.wait(PROBE_S if self._fault else None):
                    return []
            group: list[_Job] = []
            now = time.monotonic()
            # Those who were answered just now are likely to send again at once: without a moment
            # for them, they and those who wait by now would take turns in groups of half the size.
            expected = self._expected if now - self._answered_at < self.wait_s else 1
            while True:
                ended = self._take(group)
                callers = sum(job.table == "events" for job in group)
                # Nobody waits for what was shown: it makes larger groups, and fewer of them.
                patient = not callers and not any(job.work for job in group)
                left = now + (self.shown_wait_s if patient else self.wait_s) - time.monotonic()
                if ended or self._closed or callers >= expected or left <= 0:
                    return group
                self._gathering = patient
                self._changed.wait(left)
                self._gathering = False

    def _take(self, group: list[_Job]) -> bool:
        """Move jobs that wait into the group; whether it is closed by what it holds."""
        size = sum(len(job.rows) for job in group)
        while self._jobs and size < self.group_rows:
            if group and (self._jobs[0].work or group[0].work):
                return True
            job = self._jobs.popleft()
            self._waiting -= len(job.rows)
            # From here on nobody can take it back.
            if job.future.set_running_or_notify_cancel():
                group.append(job)
                size += len(job.rows)
        return size >= self.group_rows or any(job.work for job in group)

    def _write(self, group: list[_Job]) -> None:
        """Commit a group and tell everyone in it how it went."""
        try:
            results = self._patiently(group)
        except DBAPIError as error:
            if len(group) > 1 and not _is_of_the_disk(error):
                # One of them brought what the database refuses: the others must not suffer.
                for job in group:
                    self._write([job])
                return
            fault = self.backend.explain(error)
            if _is_of_the_disk(error):
                self._in_trouble(fault)
            _fail(group, fault)
        except GrapevineError as error:  # the work itself says no
            _fail(group, error)
        except Exception as error:
            logger.exception("the store's writer met what it does not know")
            _fail(group, error)
        else:
            self._fault = None
            self._counts["rows"] += sum(len(job.rows) for job in group)
            with self._changed:
                callers = (job.table == "events" for job in (*group, *self._jobs))
                self._expected = max(1, sum(callers))
            self._answered_at = time.monotonic()
            for job, result in zip(group, results):
                job.future.set_result(result)

    def _patiently(self, group: list[_Job]) -> list[Any]:
        """What each job gives; tried again while the server is away."""
        began = time.monotonic()
        perhaps: set[tuple[str, Any]] = set()
        while True:
            try:
                return self._once(group, perhaps)
            except DBAPIError as error:
                self._drop_connection()
                self._counts["failures"] += 1
                patience = min(self.patience_s, CLOSING_S) if self._closed else self.patience_s
                if not self.backend.passes(error) or time.monotonic() - began > patience:
                    raise
                self._in_trouble(self.backend.explain(error))
            except BaseException:
                self._drop_connection()
                raise
            time.sleep(PAUSE_S)

    def _once(self, group: list[_Job], perhaps: set[tuple[str, Any]]) -> list[Any]:
        """One transaction.

        Args:
            group: what to do.
            perhaps: rows that an earlier try may have committed before its connection broke; they
                count as new if they are there, for nobody was told of them. Is added to.
        """
        if self._connection is None:
            self._connection = self.backend.writer.connect()
        connection = self._connection
        began = time.perf_counter()
        work, after = group[0].work, group[0].after
        result: Any = None
        with connection.begin():
            if work is not None:
                result = work(connection)
            else:
                for table in KEYS:
                    rows = [row for job in group if job.table == table for row in job.rows]
                    new_rows = insert_missing(connection, table, rows)
                    perhaps |= names_of(table, new_rows)
                    perhaps -= names_of(table, self.screen(connection, table, new_rows))
        self._last_commit_ms = 1000 * (time.perf_counter() - began)
        self._counts["commits"] += 1
        if work is not None:
            self.committed(None)
            if after is not None:
                after(connection)
            return [result]
        users = {row["user_id"] for job in group if job.table == "events" for row in job.rows}
        if users:
            self.committed(users)
        if len(perhaps) == sum(len(job.rows) for job in group):
            return [Appended(len(job.rows), 0) for job in group]
        new = set(perhaps)
        return [Appended(*counted(job.table, job.rows, new)) for job in group]

    def _probe(self) -> None:
        """Try to write something, so that a service which is asked nothing finds out by itself."""

        def touch(connection: Connection) -> None:
            value = str(time.time_ns()).encode()
            upsert(connection, tables.state, {"name": "probe", "value": value})

        try:
            self._once([_Job(Future(), work=touch)], set())
        except Exception as error:
            self._drop_connection()
            if isinstance(error, DBAPIError):
                self._in_trouble(self.backend.explain(error))
        else:
            self._fault = None

    def _in_trouble(self, fault: StoreError) -> None:
        """Keep why nothing can be written, and tell the log: once, not with every try."""
        if self._fault is None or self._fault.args != fault.args:
            logger.error("%s", fault)
        self._fault = fault

    def _drop_connection(self) -> None:
        """Let go of the connection: after a fault nothing that it believes can be relied on."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(DBAPIError):
                connection.invalidate()
            with contextlib.suppress(DBAPIError):
                connection.close()


def _fail(group: list[_Job], error: Exception) -> None:
    for job in group:
        job.future.set_exception(error)


def _is_of_the_disk(error: DBAPIError) -> bool:
    """Whether every other group would meet the same fault."""
    return isinstance(error, OperationalError) or type(error) is DatabaseError
