"""The store on a PostgreSQL server, which several server processes may share."""

from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, text
from sqlalchemy.exc import DBAPIError

from grapevine.errors import StoreError
from grapevine.log import logger
from grapevine.serving.store import migrate

CONNECT_S = 5
"""How long to wait for the server to answer a connection."""
STATEMENT_MS = 60_000
"""How long a statement may take before the server gives it up."""
READERS = 8
"""Connections for reading that are kept open; twice as many at most."""
MIGRATING = 0x67726170
"""The server's lock under which one process at a time brings the schema up to date."""


class Postgres:
    """See `Backend`.

    Args:
        url: `postgresql+psycopg://user:password@host/database`.
        read_only: leave the schema alone.
    """

    name = "postgresql"
    alone = False

    def __init__(self, url: URL, *, read_only: bool = False) -> None:
        self.where = url.render_as_string(hide_password=True)
        self.read_only = read_only
        self.writer = self._engine(url, "-c default_transaction_read_only=off")
        self.readers = self._engine(url, "-c default_transaction_read_only=on")

    def prepare(self) -> None:
        """See that the server keeps what it commits, and bring the schema up to date."""
        if self.read_only:
            with self.readers.connect() as connection:
                migrate.check(connection, self.where)
            return
        with self.writer.begin() as connection:
            if connection.scalar(text("SHOW fsync")) == "off":
                logger.warning(
                    "%s: runs with fsync=off, and can lose acknowledged events with the power",
                    self.where,
                )
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
            migrate.upgrade(connection, self.where)

    def explain(self, error: DBAPIError) -> StoreError:
        """What the server says, with what to do about it."""
        state = getattr(error.orig, "sqlstate", None) or ""
        # The first line: the second may quote a row, and rows are personal.
        said = (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]
        hint = _HINTS.get(state) or _HINTS.get(state[:2])
        return StoreError(f"{self.where}: {said}", hint=hint or "see the log of the server")

    def passes(self, error: DBAPIError) -> bool:
        """Whether the connection was lost, or the server is on its way down or up."""
        state = getattr(error.orig, "sqlstate", None) or ""
        lost = error.connection_invalidated or (not state and _is_operational(error))
        return lost or state[:2] == "08" or state in _PASSING

    def after_removal(self, connection: Connection) -> None:
        """Nothing: the server's vacuum clears removed rows, and no client can hurry it."""
        del connection

    def compact(self, connection: Connection) -> None:
        """Not from here.

        Raises:
            StoreError: always, with the command that does it.
        """
        del connection
        raise StoreError(
            f"{self.where}: a PostgreSQL store is compacted with the server's own tools",
            hint="vacuumdb --full --table=events --table=exposures URL, while nobody writes",
        )

    def backup(self, path: Path) -> None:
        """Not from here.

        Raises:
            StoreError: always, with the command that does it.
        """
        raise StoreError(
            f"{self.where}: a PostgreSQL store is backed up with the server's own tools",
            hint=f"pg_dump --format=custom --file={path} URL; pg_restore brings it back",
        )

    def close(self) -> None:
        """Close every connection."""
        self.readers.dispose()
        self.writer.dispose()

    def _engine(self, url: URL, mode: str) -> Engine:
        reading = mode.endswith("=on")
        # `on` waits for the disk, whatever the server's default is.
        ours = f"{mode} -c synchronous_commit=on -c statement_timeout={STATEMENT_MS}"
        # What the address says comes last, and so it has the last word.
        options = f"{ours} {url.query.get('options', '')}"
        pooled = {"pool_size": READERS, "max_overflow": READERS, "pool_timeout": CONNECT_S}
        return create_engine(
            url,
            poolclass=QueuePool if reading else NullPool,
            connect_args={
                "options": options,
                "connect_timeout": CONNECT_S,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 1000 * CONNECT_S,
                "application_name": "grapevine",
            },
            hide_parameters=True,
            # A read is one statement, and needs no transaction around it.
            **({"isolation_level": "AUTOCOMMIT", **pooled} if reading else {}),
        )


def _is_operational(error: DBAPIError) -> bool:
    return type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout", "InterfaceError"}


_PASSING = frozenset({"57P01", "57P02", "57P03", "53300", "40001", "40P01"})
"""Shut down, crashed, starting, too many connections, and what two writers do to each other."""

_HINTS = {
    "28": "check the user and the password in the address of the store",
    "3D": "make the database first: createdb NAME",
    "42501": "the user of the address must own the tables, or be given them",
    "53100": "the server's disk is full: make room; the store then goes on by itself",
    "53": "the server is out of memory, disk or connections",
    "25006": "the server is read-only: is it a standby? Name the primary in the address",
    "": "is the server up? The store goes on by itself when it is",
    "57": "the server is being restarted; the store goes on by itself when it is up",
    "08": "the connection was lost; the store goes on by itself when it is back",
}
"""What to do, by the server's code: https://www.postgresql.org/docs/current/errcodes-appendix.html"""
