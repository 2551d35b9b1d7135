"""A lock beside a file, which the system drops with the process that holds it."""

import fcntl
import os
from pathlib import Path

from grapevine.errors import StoreError, StoreInUse


class FileLock:
    """Held from the moment it is made until it is closed, or its process dies.

    Args:
        path: the file of the lock; it is left lying there.
        shared: others may hold it too, if they share as well.

    Raises:
        StoreInUse: another process holds it.
        StoreError: it cannot be written.
    """

    def __init__(self, path: Path, *, shared: bool) -> None:
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"{path}: {error.strerror}",
                hint="the user that runs this must be able to write the store and its folder",
            ) from error
        try:
            fcntl.flock(self._handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            raise StoreInUse(
                f"{path.with_suffix('')}: another process serves from this file",
                hint="one server process may use a SQLite file: stop the other, or use PostgreSQL "
                "(--store postgresql+psycopg://...) for several",
            ) from error

    def close(self) -> None:
        """Let it go; once more does nothing."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)
