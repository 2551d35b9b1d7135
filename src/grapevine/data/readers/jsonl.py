"""JSON lines, plain or packed: one object a line."""

import io
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.json

from grapevine.data.readers.rows import (
    BadRow,
    Block,
    check_line,
    open_bytes,
    read_bytes,
    text_of,
)
from grapevine.errors import DataError

_HEAD_LINES = 1000
_UTF8_MARK = b"\xef\xbb\xbf"
_SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64()}


class JsonlFile:
    """A file with one JSON object a line, in UTF-8; empty lines are passed over.

    Attributes:
        path: the file.
        columns: every key of the objects in the first 1,000 lines.

    Raises:
        DataError: the file is empty, or holds one JSON array.
    """

    def __init__(self, path: Path, *, block_bytes: int = 1 << 23) -> None:
        self.path = path
        self._block_bytes = block_bytes
        head = _head(path)
        self.columns = tuple(dict.fromkeys(key for row in head for key in row))
        # The type of each column's first value: what the fast parser is told to expect.
        self._types: dict[str, pa.DataType | None] = {}
        for row in head:
            for key, value in row.items():
                if value is not None:
                    self._types.setdefault(key, _SCALARS.get(type(value)))

    def blocks(self, wanted: Sequence[str], scalars: Collection[str] = ()) -> Iterator[Block]:
        """The file from its start, block by block; columns hold what JSON holds.

        A block that is as expected goes through Arrow's parser; any other is read line by line, so
        that each broken line is found.
        """
        for data, line in self._texts():
            text = np.frombuffer(data, np.uint8)
            ends = np.flatnonzero(text == 10)
            if len(data) and data[-1] != 10:
                ends = np.append(ends, len(data))
            begins = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
            full = ends > begins
            lines = np.arange(line, line + len(ends))[full]
            begins, ends = begins[full], ends[full]
            columns = self._fast(data, wanted, begins, ends)
            if columns is None:
                yield self._slow(data, wanted, scalars, begins, ends, lines)
            else:
                yield Block(str(self.path), columns, lines, [], _texts_of(data, begins, ends))

    def _texts(self) -> Iterator[tuple[bytes, int]]:
        """Text of whole lines, and the number of the first."""
        with open_bytes(self.path) as file:
            data, line, at_end = read_bytes(self.path, file, 3), 1, False
            data = data.removeprefix(_UTF8_MARK)
            while not at_end:
                more = read_bytes(self.path, file, self._block_bytes)
                data, at_end = data + more, not more
                check_line(self.path, len(data) - self._block_bytes, line)
                used = len(data) if at_end else data.rfind(b"\n") + 1
                if used:
                    yield data[:used], line
                    line += data.count(b"\n", 0, used)
                    data = data[used:]

    def _fast(
        self, data: bytes, wanted: Sequence[str], begins: np.ndarray, ends: np.ndarray
    ) -> dict[str, pa.Array] | None:
        """The wanted columns, or None if anything is not as expected."""
        types = {name: self._types.get(name) for name in wanted}
        if None in types.values() or not len(begins) or b"NaN" in data or b"Infinity" in data:
            return None
        text = np.frombuffer(data, np.uint8)
        last = text[ends - 1]
        last = np.where(last == 13, text[np.maximum(ends - 2, 0)], last)
        # Where every line begins and ends with a brace, as many objects as lines means one each.
        if not ((text[begins] == 123).all() and (last == 125).all()):
            return None
        try:
            if not data.isascii():
                data.decode("utf-8")
            table = pyarrow.json.read_json(
                io.BytesIO(data),
                pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
                pyarrow.json.ParseOptions(
                    explicit_schema=pa.schema(list(types.items())),
                    unexpected_field_behavior="ignore",
                ),
            )
        except (pa.ArrowException, UnicodeDecodeError):
            return None
        if len(table) != len(begins):
            return None
        return {name: _one_chunk(table[name]) for name in wanted}

    def _slow(
        self,
        data: bytes,
        wanted: Sequence[str],
        scalars: Collection[str],
        begins: np.ndarray,
        ends: np.ndarray,
        lines: np.ndarray,
    ) -> Block:
        rows: list[list[Any]] = []
        good: list[int] = []
        bad: list[BadRow] = []
        for place, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist())):
            text = data[begin:end]
            if not text.strip():
                continue
            try:
                row = _object(text)
                values = [row.get(name) for name in wanted]
                _check_values(wanted, values, scalars)
            except _BadLine as error:
                line = int(lines[place])
                bad.append(BadRow(str(self.path), line, error.column, error.reason, text_of(text)))
                continue
            rows.append(values)
            good.append(place)
        columns = {name: _array([row[at] for row in rows]) for at, name in enumerate(wanted)}
        kept = np.array(good, np.int64)
        return Block(
            str(self.path), columns, lines[kept], bad, _texts_of(data, begins[kept], ends[kept])
        )


class _BadLine(Exception):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.reason = column, reason


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _object(text: bytes) -> dict[str, Any]:
    try:
        row = json.loads(text.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise _BadLine("", "is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise _BadLine("", f"is not valid JSON: {error}") from None
    if not isinstance(row, dict):
        raise _BadLine("", "is not a JSON object")
    return row


def _check_values(wanted: Sequence[str], values: list[Any], scalars: Collection[str]) -> None:
    for name, value in zip(wanted, values):
        if isinstance(value, str):
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                raise _BadLine(name, "holds half a character (a lone surrogate)") from None
        elif name in scalars and isinstance(value, bool | list | dict):
            raise _BadLine(name, "is neither text nor a number")


def _array(values: list[Any]) -> pa.Array:
    """The values in the narrowest type that holds them; unlike ones all as text."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _texts_of(data: bytes, begins: np.ndarray, ends: np.ndarray):
    text = memoryview(data)
    return lambda row: text_of(text[begins[row] : ends[row]])


def _head(path: Path) -> list[dict[str, Any]]:
    """Objects of the first lines; lines that are none are left for later."""
    rows = []
    with open_bytes(path) as file:
        mark = read_bytes(path, file, 1 << 16)
    if not mark.strip():
        raise DataError(f"{path}: is empty", hint="each line must hold one event as an object")
    if mark.removeprefix(_UTF8_MARK).lstrip()[:1] == b"[":
        raise DataError(
            f"{path}: holds a JSON array", hint="write one object a line, without commas between"
        )
    with open_bytes(path) as file:
        for _ in range(_HEAD_LINES):
            try:
                line = file.readline(1 << 20)
                if not line:
                    break
                rows.append(_object(line.removeprefix(_UTF8_MARK)))
            except (_BadLine, EOFError, OSError):
                continue
    return rows
