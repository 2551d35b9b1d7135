"""Rows out of files: CSV, JSON lines and Parquet, block by block, into one shape."""

from collections.abc import Sequence
from pathlib import Path

from grapevine.data.paths import nearest
from grapevine.data.readers.csv import CsvFile
from grapevine.data.readers.jsonl import JsonlFile
from grapevine.data.readers.parquet import ParquetSource
from grapevine.data.readers.rows import Source
from grapevine.errors import ConfigError, DataError

FORMATS = {
    ".csv": CsvFile,
    ".tsv": CsvFile,
    ".tab": CsvFile,
    ".txt": CsvFile,
    ".jsonl": JsonlFile,
    ".ndjson": JsonlFile,
    ".json": JsonlFile,
    ".parquet": ParquetSource,
    ".pq": ParquetSource,
}
"""Format by the end of a file's name; text may also end in `.gz`."""

BLOCK_BYTES = 1 << 23
"""How much text is read at a time."""


def open_sources(
    path: Path, *, columns: Sequence[str] | None = None, block_bytes: int = BLOCK_BYTES
) -> list[Source]:
    """The file, or the files of the folder in the order of their paths.

    Files and folders whose names begin with `_` or `.` are passed over, as engines leave such
    markers beside their parts.

    Args:
        path: a file or a folder.
        columns: names of the columns of CSV files that have no header.
        block_bytes: how much text is read at a time.

    Raises:
        DataError: there is no such file, or it cannot be read at all.
        ConfigError: the format is unknown.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"there is no file or folder `{path}`", hint=nearest(path))
    files = [path] if path.is_file() else _files(path)
    if not files:
        raise DataError(
            f"the folder `{path}` holds no files",
            hint=f"put files there that end in {', '.join(FORMATS)}",
        )
    return [_open(file, columns, block_bytes) for file in files]


def _files(folder: Path) -> list[Path]:
    found = (file for file in folder.rglob("*") if file.is_file())
    return sorted(
        file
        for file in found
        if not any(part.startswith(("_", ".")) for part in file.relative_to(folder).parts)
    )


def _open(file: Path, columns: Sequence[str] | None, block_bytes: int) -> Source:
    suffix = Path(file.stem if file.suffix == ".gz" else file.name).suffix.lower()
    if suffix not in FORMATS:
        raise ConfigError(
            f"`{file}`: unknown format `{suffix}`",
            hint=f"known are {', '.join(FORMATS)}, and text with .gz after it",
        )
    kind = FORMATS[suffix]
    if kind is CsvFile:
        return CsvFile(file, columns=columns, block_bytes=block_bytes)
    return kind(file, block_bytes=block_bytes)
