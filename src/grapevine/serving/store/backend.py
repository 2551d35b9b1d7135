"""What the store asks of a database: two engines, its faults in our words, a backup."""

from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from grapevine.errors import ConfigError, StoreError


class Backend(Protocol):
    """A database that keeps the tables of `tables.py`.

    Attributes:
        name: "sqlite" or "postgresql".
        where: which one, for messages; without a password.
        writer: an engine whose connections write; the store keeps one of them.
        readers: an engine whose connections can only read.
        alone: whether only this process can write.
    """

    name: str
    alone: bool
    where: str
    writer: Engine
    readers: Engine

    def prepare(self) -> None:
        """Make sure that it is fit, and bring its schema up to date.

        Raises:
            StoreError: it cannot be opened, or must not be.
        """
        ...

    def explain(self, error: DBAPIError) -> StoreError:
        """The fault of a database in our words, with what to do, and nothing personal in it."""
        ...

    def passes(self, error: DBAPIError) -> bool:
        """Whether the same may well work in a moment: the server restarts, say."""
        ...

    def after_removal(self, connection: Connection) -> None:
        """Let nothing remain of the rows that were removed, where that can be done."""
        ...

    def compact(self, connection: Connection) -> None:
        """The same for a store of any size, however long it takes."""
        ...

    def backup(self, path: Path) -> None:
        """A copy of the whole store while it is in use."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


def parsed(url: str) -> URL:
    """The address of a store; plain `postgresql://` is taken for psycopg.

    Raises:
        ConfigError: it is none, or of a database that is not supported.
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(f"`{url}` is no address of a store", hint=_ADDRESSES) from error
    if found.drivername in {"postgres", "postgresql"}:
        found = found.set(drivername="postgresql+psycopg")
    if found.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise ConfigError(f"no store can be kept in `{found.drivername}`", hint=_ADDRESSES)
    if found.drivername == "sqlite" and found.database in {None, "", ":memory:"}:
        raise ConfigError("a store in memory would lose its events", hint=_ADDRESSES)
    return found


_ADDRESSES = (
    "write sqlite:///grapevine.db (relative), sqlite:////var/lib/grapevine/store.db (absolute) or "
    "postgresql+psycopg://user:password@host/database"
)
