"""Pictures of items, out of the dataset that a run was trained on: runs do not carry them."""

import os
import tempfile
from pathlib import Path
from typing import IO

import polars as pl

from grapevine.errors import ConfigError

AT_ONCE = 256
"""Pictures that are in memory at once while they are copied."""


class Pictures:
    """The pictures of a dataset's items, each found by one look.

    A Parquet file is read by columns, some thousand rows at a time, and is no place to look one
    picture up. So all are written one after the other into a file without a name, which ends with
    the process; of each the memory holds where it stands.

    Args:
        data: the dataset folder; None for no pictures.

    Raises:
        ConfigError: it is no dataset folder.
    """

    def __init__(self, data: Path | None) -> None:
        self._places: dict[str, tuple[int, int]] = {}
        self._file: IO[bytes] | None = None
        if data is None:
            return
        path = data / "items.parquet"
        if not path.is_file():
            raise ConfigError(
                f"`{data}` is not a dataset folder: it has no items.parquet",
                hint="`grapevine serve RUN --data DIR` shows its pictures",
            )
        kinds = pl.read_parquet_schema(path)
        columns = [name for name, kind in kinds.items() if kind == pl.Binary]
        if columns:
            # Open for as long as there is anybody to ask.
            self._file = tempfile.TemporaryFile(prefix="grapevine-pictures-")  # noqa: SIM115
            self._copy(path, columns[0], self._file)

    def __bool__(self) -> bool:
        return bool(self._places)

    def of(self, item_id: str) -> bytes | None:
        """The picture of an item as its file, if there is one. Safe in threads."""
        place = self._places.get(item_id)
        if place is None or self._file is None:
            return None
        return os.pread(self._file.fileno(), place[1], place[0])

    def close(self) -> None:
        """Let go of the file; there are no pictures from then on."""
        self._places = {}
        if self._file is not None:
            self._file.close()

    def _copy(self, path: Path, column: str, out: IO[bytes]) -> None:
        import pyarrow.parquet as pq

        at = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(AT_ONCE, columns=["item_id", column]):
                for name, picture in zip(batch.column(0), batch.column(1)):
                    if picture.is_valid:
                        data = picture.as_buffer()
                        out.write(data)
                        self._places[str(name.as_py())] = (at, len(data))
                        at += len(data)
        out.flush()
