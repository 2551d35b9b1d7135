"""What users did and were shown, kept durably: SQLite beside the service, or PostgreSQL.

```
with open_store("sqlite:///grapevine.db") as store:
    store.append([Event("e1", "u1", "i1", "view")]).result()  # durable from here on
    store.history("u1")
```
"""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from grapevine.errors import StoreBusy, StoreError
from grapevine.serving.store.access import now_ms
from grapevine.serving.store.asked import MOST_HISTORY
from grapevine.serving.store.backend import Backend, parsed
from grapevine.serving.store.checks import Fault, Refused, event_faults, read_events
from grapevine.serving.store.keys import SCOPES, check_scopes
from grapevine.serving.store.queue import GROUP_ROWS, QUEUE_ROWS, WAIT_MS
from grapevine.serving.store.recent import KEPT_EVENTS
from grapevine.serving.store.shelf import MOST_ITEMS
from grapevine.serving.store.store import Store
from grapevine.serving.store.values import (
    Appended,
    Event,
    Experiment,
    Exposure,
    Forgotten,
    Health,
    Item,
    Key,
    Listed,
    Outcome,
    Shelved,
)
from grapevine.serving.store.writer import PATIENCE_S, Writer

__all__ = [
    "MOST_HISTORY",
    "MOST_ITEMS",
    "SCOPES",
    "Appended",
    "Event",
    "Experiment",
    "Exposure",
    "Fault",
    "Forgotten",
    "Health",
    "Item",
    "Key",
    "Listed",
    "Outcome",
    "Refused",
    "Shelved",
    "Store",
    "StoreBusy",
    "StoreError",
    "check_scopes",
    "event_faults",
    "is_there",
    "open_store",
    "read_events",
]


def open_store(
    url: str,
    *,
    read_only: bool = False,
    group_rows: int = GROUP_ROWS,
    wait_ms: float = WAIT_MS,
    queue_rows: int = QUEUE_ROWS,
    patience_s: float = PATIENCE_S,
    clock: Callable[[], int] = now_ms,
    kept: int = KEPT_EVENTS,
) -> Store:
    """Open a store, made where there is none, its schema brought up to date.

    Args:
        url: `sqlite:///PATH` or `postgresql+psycopg://user:password@host/database`.
        read_only: only look: beside a running service, say. Nothing is made or changed.
        group_rows: rows that are committed together, at most; one call is never parted.
        wait_ms: how long rows may wait for company.
        queue_rows: rows that may wait to be written; beyond that, `StoreBusy`.
        patience_s: how long a group is tried again while a PostgreSQL server is away.
        clock: milliseconds since 1970.
        kept: events of histories that are kept at hand, where only this process can write.

    Raises:
        ConfigError: the address is none.
        StoreError: the store cannot be opened: another process serves from the file, the schema is
            newer than this version, the folder cannot be written, the server is not there.
    """
    backend = _backend(url, read_only)
    writer = None
    try:
        backend.prepare()
        if not read_only:
            writer = Writer(
                backend,
                group_rows=group_rows,
                wait_ms=wait_ms,
                queue_rows=queue_rows,
                patience_s=patience_s,
            )
        return Store(backend, writer, clock, kept)
    except BaseException as error:
        if writer is not None:
            writer.close()
        backend.close()
        if isinstance(error, DBAPIError):
            raise backend.explain(error) from error
        raise


def is_there(url: str) -> bool:
    """Whether there is a file of that store; of a server only opening it tells.

    Raises:
        ConfigError: the address is none.
    """
    address = parsed(url)
    return address.drivername != "sqlite" or Path(address.database or "").is_file()


def _backend(url: str, read_only: bool) -> Backend:
    address = parsed(url)
    if address.drivername == "sqlite":
        from grapevine.serving.store.sqlite import SQLite

        return SQLite(address, read_only=read_only)
    from grapevine.serving.store.postgres import Postgres

    return Postgres(address, read_only=read_only)
