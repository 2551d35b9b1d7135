"""One way to the database of a store: questions by readers, changes by the one writer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from grapevine.errors import StoreBusy, StoreError
from grapevine.serving.store.backend import Backend
from grapevine.serving.store.writer import Writer

T = TypeVar("T")


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Access:
    """What every part of a store asks and changes through.

    Args:
        backend: the database, prepared.
        writer: what writes to it; None where it is only read.
        clock: milliseconds since 1970.
    """

    def __init__(self, backend: Backend, writer: Writer | None, clock: Callable[[], int]) -> None:
        self.backend, self.clock = backend, clock
        self._written_by = writer

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
