"""The shape that every reader gives: a block of raw columns, and the rows it could not read."""

import gzip
import queue
import threading
import zlib
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from grapevine.errors import DataError

T = TypeVar("T")

MAX_LINE_BYTES = 1 << 26
"""A longer line is no line: the file is not what it seems."""


class BadRow(NamedTuple):
    """A row that was not taken, and why."""

    file: str
    line: int
    column: str
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive rows of a file.

    Attributes:
        file: where they stand.
        columns: raw values of the wanted columns: strings (CSV) or whatever the format knows.
        lines: `(rows,)` line of each row as an editor shows it, or its number in a Parquet file.
        bad: rows in between that could not be read at all.
        text: what stands on a row, for reports.
    """

    file: str
    columns: dict[str, pa.Array]
    lines: Int64[np.ndarray, " rows"]
    bad: list[BadRow]
    text: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.lines)


@runtime_checkable
class Source(Protocol):
    """A file with named columns."""

    path: Path
    columns: tuple[str, ...]

    def blocks(self, wanted: Sequence[str], scalars: Collection[str] = ()) -> Iterator[Block]:
        """The file from its start, block by block.

        Args:
            wanted: columns to read.
            scalars: columns of which a row is bad if it holds a list, an object or a truth value.

        Raises:
            DataError: the file ends in the middle, or is not of its format at all.
        """
        ...


def open_bytes(path: Path) -> BufferedIOBase:
    """The bytes of a file, unpacked if its name ends in `.gz`."""
    return gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb")


def read_bytes(path: Path, file: BufferedIOBase, size: int) -> bytes:
    """Some bytes more.

    Raises:
        DataError: the packed file is damaged or cut short.
    """
    try:
        return file.read(size)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: damaged: {error}") from error


def check_line(path: Path, size: int, line: int) -> None:
    """Refuse a line without end.

    Raises:
        DataError: the line is longer than any that is meant.
    """
    if size > MAX_LINE_BYTES:
        raise DataError(
            f"{path}:{line}: the line is longer than {MAX_LINE_BYTES >> 20} MiB",
            hint="the file must hold one row a line",
        )


def text_of(data: bytes | memoryview) -> str:
    """Bytes as text for a report: cut to 1,000, what is no UTF-8 shown as escapes."""
    return bytes(data[:1000]).decode("utf-8", "backslashreplace").rstrip("\r\n")


def iconv(encoding: str = "cp1252", file: str = "FILE") -> str:
    """The command that makes UTF-8 of a file."""
    return f"iconv -f {encoding} -t utf-8 {file} > NEW"


def invalid_utf8(
    data: bytes, begins: Int64[np.ndarray, " rows"], ends: Int64[np.ndarray, " rows"]
) -> list[int]:
    """Which of the rows `data[begin:end]`, in rising order, are not UTF-8."""
    if data.isascii():
        return []
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return [
            row
            for row, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist()))
            if not _is_utf8(data[begin:end])
        ]
    return []


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def ahead(items: Iterator[T], depth: int = 2) -> Generator[T, None, None]:
    """The same items, made in another thread while the last ones are used.

    Compiled code and Arrow let go of the interpreter, so two cores work at once. The order is
    kept, errors come through, and the thread ends when the generator is closed.
    """
    ready: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
    stop = threading.Event()

    def put(entry: tuple[bool, T | BaseException | None]) -> bool:
        while not stop.is_set():
            try:
                ready.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((True, item)):
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            more, item = ready.get()
            if more:
                yield cast(T, item)
            elif item is None:
                return
            else:
                raise cast(BaseException, item)
    finally:
        stop.set()
        thread.join()
