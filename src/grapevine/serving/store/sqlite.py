"""The embedded store: one SQLite file in WAL mode, one writer, as many readers as there are."""

import os
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

from grapevine.errors import StoreError
from grapevine.log import logger
from grapevine.serving.store import migrate
from grapevine.serving.store.lock import FileLock

DRIVER: Any = sqlite3
"""The DB-API module that opens the files."""
SAFE = (3, 51, 3)
"""The first SQLite whose WAL can be shared by writing processes.

In 3.7.0 to 3.51.2 two connections that write or checkpoint in the same instant can lose committed
rows (https://sqlite.org/wal.html#the_wal_reset_bug). Here one connection does both, so that one
process is safe with any version; two processes are not.
"""
READERS = 8
"""Connections for reading that are kept open; more are opened while more are in use."""
BUSY_MS = 10_000
"""How long to wait for another process's lock."""
CHECKPOINT_PAGES = 1_000
"""Pages in the write-ahead log (4 KiB each) after which the writer copies them into the file."""
WAL_BYTES = 64 << 20
"""The write-ahead log is cut back to so much after it has been copied into the file."""
REWRITTEN_BYTES = 64 << 20
"""A file of up to so many bytes is rewritten after a removal: a second, in which writing waits."""
NETWORK = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs"),
        *("nfs", "nfs4", "ocfs2", "smb2", "smb3", "smbfs"),
        *("fuse.cephfs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
    }
)
"""File systems on which neither locks nor shared memory can be relied on, as Linux names them."""


class SQLite:
    """See `Backend`.

    Args:
        url: `sqlite:///PATH`.
        read_only: leave the lock and the schema alone; for a look beside a running service.

    Raises:
        StoreError: the file lies on a network file system.
    """

    name = "sqlite"

    def __init__(self, url: URL, *, read_only: bool = False) -> None:
        self.path = Path(url.database or "").absolute()
        self.where = str(self.path)
        self.read_only, self.alone = read_only, False
        self._lock: FileLock | None = None
        _refuse_network(self.path)
        self.writer = self._engine(NullPool, _for_writing)
        self.readers = self._engine(QueuePool, _for_reading)

    def prepare(self) -> None:
        """Take the lock, see that the disk keeps its promises, bring the schema up to date.

        Raises:
            StoreError: another process has the file, it is damaged, or cannot be written.
        """
        if self.read_only:
            if not self.path.is_file():
                raise StoreError(f"{self.where}: there is no store", hint="is the path right?")
            with self.readers.connect() as connection:
                migrate.check(connection, self.where)
            return
        if not self.path.parent.is_dir():
            raise StoreError(
                f"{self.where}: its folder does not exist", hint=f"mkdir -p {self.path.parent}"
            )
        shared = DRIVER.sqlite_version_info >= SAFE
        self._lock = FileLock(self.path.with_name(self.path.name + ".lock"), shared=shared)
        self.alone = not shared
        if not self.path.exists():
            # What users do is nobody else's to read; the log takes the mode of the file.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with self.writer.begin() as connection:
            migrate.upgrade(connection, self.where)

    def explain(self, error: DBAPIError) -> StoreError:
        """What SQLite says, with what to do about it."""
        said = str(error.orig)
        known = ((words, hint) for words, hint in _HINTS if re.search(words, said))
        _, hint = next(known, ("", "see the log of the system, and `grapevine doctor`"))
        return StoreError(f"{self.where}: {said}", hint=hint)

    def passes(self, error: DBAPIError) -> bool:
        """Never: what a file refuses now it is not asked again before somebody sends again."""
        del error
        return False

    def after_removal(self, connection: Connection) -> None:
        """Rewrite a file that is small, and empty the write-ahead log.

        SQLite overwrites what is deleted (`secure_delete`), but not what it had moved within a
        page when that was split, and the log holds pages as they were.
        """
        (pages,) = _raw(connection).execute("PRAGMA page_count").fetchone()
        (size,) = _raw(connection).execute("PRAGMA page_size").fetchone()
        self._clear(connection, rewritten=pages * size <= REWRITTEN_BYTES)

    def compact(self, connection: Connection) -> None:
        """Rewrite the file, whatever its size, and empty the write-ahead log."""
        self._clear(connection, rewritten=True)

    def _clear(self, connection: Connection, *, rewritten: bool) -> None:
        raw = _raw(connection)
        try:
            if rewritten:
                raw.execute("VACUUM")
            (busy, *_) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except DRIVER.Error as error:
            busy = str(error)
        if busy:
            # The rows are gone for every reader; only who reads the file byte by byte finds them.
            logger.warning(
                "%s: bytes of what was removed stay in the file or its log until it is next "
                "rewritten (%s)",
                self.where,
                "somebody reads it" if busy == 1 else busy,
            )

    def backup(self, path: Path) -> None:
        """A compact copy, whole or not there, while the store is in use.

        Raises:
            StoreError: something stands there already, or it cannot be written.
        """
        if path.exists():
            raise StoreError(f"{path}: exists already", hint="choose another name for the backup")
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with self.writer.connect() as connection:
                _raw(connection).execute("VACUUM INTO ?", (str(partial),))
            # SQLite leaves the copy to the system's cache: a backup is one when it is on the disk.
            _sync(partial)
            partial.rename(path)
            _sync(path.parent)
        except (OSError, DRIVER.Error) as error:
            raise StoreError(
                f"{path}: the backup was not written: {error}",
                hint="make room, or choose a folder that can be written",
            ) from error
        finally:
            partial.unlink(missing_ok=True)

    def close(self) -> None:
        """Close every connection, and let the file go."""
        self.readers.dispose()
        self.writer.dispose()
        if self._lock is not None:
            self._lock.close()

    def _engine(self, pool: type[Any], settings: Any) -> Engine:
        # A reader must not make the file: who reads has come to find something.
        mode = "rw" if settings is _for_reading else "rwc"

        def connect() -> Any:
            address = f"file:{_quoted(self.path)}?mode={mode}"
            raw = DRIVER.connect(address, uri=True, timeout=BUSY_MS / 1000, check_same_thread=False)
            try:
                settings(raw)
            except BaseException:
                raw.close()
                raise
            return raw

        options = {"pool_size": READERS, "max_overflow": -1} if pool is QueuePool else {}
        engine = create_engine(
            "sqlite://", creator=connect, poolclass=pool, hide_parameters=True, **options
        )
        if settings is _for_writing:
            # The driver's own BEGIN is deferred: it could fail half-way, at the first write.
            event.listen(engine, "begin", lambda one: one.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine


def _raw(connection: Connection) -> Any:
    """The driver's own connection: SQLAlchemy would begin a transaction first."""
    return connection.connection.dbapi_connection


def network_of(path: Path, mounts: str) -> str:
    """The network file system that a path lies on, or an empty string.

    Args:
        path: absolute, links resolved.
        mounts: the text of /proc/mounts.
    """
    best, found = -1, ""
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split()
        place = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), point))
        # The last of those mounted on the same point is the one that is seen.
        if (place == path or place in path.parents) and len(place.parts) >= best:
            best, found = len(place.parts), kind
    return found if found in NETWORK else ""


def _refuse_network(path: Path) -> None:
    if sys.platform != "linux":
        return
    kind = network_of(path.resolve(), Path("/proc/mounts").read_text(encoding="utf-8"))
    if kind:
        raise StoreError(
            f"{path}: lies on a network file system ({kind}), where SQLite can lose events",
            hint="keep the file on a local disk, or use PostgreSQL: --store postgresql+psycopg://...",
        )


def _for_writing(raw: Any) -> None:
    # Begin and commit are said in so many words.
    raw.isolation_level = None
    (mode,) = raw.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise DRIVER.OperationalError(f"no write-ahead log can be kept here: mode {mode}")
    # FULL: a commit returns when the disk has it. NORMAL would lose the last ones with the power.
    raw.execute("PRAGMA synchronous=FULL")
    # On macOS fsync alone leaves data in the drive's cache. Elsewhere these do nothing.
    raw.execute("PRAGMA fullfsync=1")
    raw.execute("PRAGMA checkpoint_fullfsync=1")
    raw.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    # What is deleted is overwritten with zeros.
    raw.execute("PRAGMA secure_delete=ON")
    raw.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")


def _for_reading(raw: Any) -> None:
    raw.execute("PRAGMA query_only=ON")
    # Only the writer copies the log into the file: see SAFE.
    raw.execute("PRAGMA wal_autocheckpoint=0")


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_HINTS = (
    ("full", "the disk is full: make room; the store then goes on by itself"),
    (
        "readonly|read-only|unable to open|no write-ahead log|authoriz",
        "the user that runs this must be able to write the file and its folder",
    ),
    ("disk I/O error", "the disk did not take it: see the log of the system (dmesg)"),
    (
        "malformed|not a database",
        "the file is damaged: restore the last backup, and check the disk",
    ),
    ("locked", "another process holds the file: close it, or use PostgreSQL"),
    ("no such table", "is this the store that the service has?"),
)
"""What to do, by what SQLite says."""
