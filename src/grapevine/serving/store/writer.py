"""The one thread that writes: what waits is committed together, then acknowledged."""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from grapevine.errors import GrapevineError, StoreError
from grapevine.log import logger
from grapevine.serving.store import tables
from grapevine.serving.store.backend import Backend
from grapevine.serving.store.insert import KEYS, Row, counted, insert_missing, names_of, upsert
from grapevine.serving.store.queue import GROUP_ROWS, QUEUE_ROWS, WAIT_MS, Job, Queue
from grapevine.serving.store.values import Appended, Health

T = TypeVar("T")

Screen = Callable[[Connection, str, list[Row]], list[Row]]

PATIENCE_S = 30.0
"""For so long a group is tried again while a server is away."""
PAUSE_S = 0.2
"""Between two such tries."""
CLOSING_S = 5.0
"""The same, at most, once the store is being closed."""
PROBE_S = 1.0
"""How often it is tried to write after a failure, while nobody sends anything."""


class Writer:
    """Takes rows and work from any thread, and does them in the order they came, one at a time.

    Who is committed together: see `Queue`. A row is acknowledged (its future is resolved) only when
    the database has said that the commit is durable.

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
        self.patience_s = patience_s
        self.queue = Queue(backend.where, group_rows=group_rows, wait_ms=wait_ms, most=queue_rows)
        self.screen: Screen = lambda connection, table, rows: []
        self.committed: Callable[[set[str] | None], None] = lambda user_ids: None
        self._connection: Connection | None = None
        self._fault: StoreError | None = None
        self._last_commit_ms = 0.0
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
        self._put(Job(future, table=table, rows=rows))
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
        self._put(Job(future, work=work, after=after))
        return future

    def health(self) -> Health:
        """How it is now."""
        running = self._thread.is_alive() and not self.queue.closed
        fault, closed = self._fault, "" if running else "the store is closed"
        trouble = closed if fault is None else str(fault)
        return Health(
            alive=not trouble,
            queue=self.queue.rows,
            queue_most=self.queue.most,
            last_commit_ms=self._last_commit_ms,
            backend=self.backend.name,
            trouble=trouble,
            advice=closed if fault is None else fault.hint or "see the log",
            counts=dict(self._counts),
        )

    def close(self) -> None:
        """Write all that waits, then stop."""
        self.queue.close()
        self._thread.join()

    def _put(self, job: Job) -> None:
        fault = self._fault
        self.queue.put(job, "" if fault is None else str(fault.args[0]))

    def _run(self) -> None:
        while True:
            group = self.queue.next_group(PROBE_S if self._fault else None)
            if group:
                self._write(group)
            elif self.queue.ended:
                # Whoever closes does not wait for a disk to recover.
                self._fault = None
                break
            elif self._fault:
                self._probe()
        self._drop_connection()

    def _write(self, group: list[Job]) -> None:
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
            self.queue.answered(group)
            for job, result in zip(group, results):
                job.future.set_result(result)

    def _patiently(self, group: list[Job]) -> list[Any]:
        """What each job gives; tried again while the server is away."""
        began = time.monotonic()
        perhaps: set[tuple[str, Any]] = set()
        while True:
            try:
                return self._once(group, perhaps)
            except DBAPIError as error:
                self._drop_connection()
                self._counts["failures"] += 1
                patience = min(self.patience_s, CLOSING_S) if self.queue.closed else self.patience_s
                if not self.backend.passes(error) or time.monotonic() - began > patience:
                    raise
                self._in_trouble(self.backend.explain(error))
            except BaseException:
                self._drop_connection()
                raise
            time.sleep(PAUSE_S)

    def _once(self, group: list[Job], perhaps: set[tuple[str, Any]]) -> list[Any]:
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
            self._once([Job(Future(), work=touch)], set())
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


def _fail(group: list[Job], error: Exception) -> None:
    for job in group:
        job.future.set_exception(error)


def _is_of_the_disk(error: DBAPIError) -> bool:
    """Whether every other group would meet the same fault."""
    return isinstance(error, OperationalError) or type(error) is DatabaseError
