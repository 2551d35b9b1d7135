"""Parquet."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from grapevine.data.readers.rows import BadRow, Block
from grapevine.errors import DataError

_BYTES_PER_ROW = 32


class ParquetSource:
    """A Parquet file; lines are numbers of rows, from 1.

    Attributes:
        path: the file.
        columns: names of its columns.

    Raises:
        DataError: the file is damaged or not Parquet.
    """

    def __init__(self, path: Path, *, block_bytes: int = 1 << 23) -> None:
        self.path = path
        self._block_rows = max(1, block_bytes // _BYTES_PER_ROW)
        with self._open() as file:
            self.columns = tuple(file.schema_arrow.names)

    def blocks(self, wanted: Sequence[str], scalars: Collection[str] = ()) -> Iterator[Block]:
        """The file from its start, block by block; columns hold what the file holds."""
        line = 1
        with self._open() as file:
            try:
                for batch in file.iter_batches(self._block_rows, columns=list(wanted)):
                    yield self._block(batch, wanted, line, scalars)
                    line += len(batch)
            except (pa.ArrowException, OSError) as error:
                raise DataError(f"{self.path}: damaged after row {line - 1}: {error}") from error

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.path}: damaged, or not Parquet: {error}") from error

    def _block(
        self, batch: pa.RecordBatch, wanted: Sequence[str], line: int, scalars: Collection[str]
    ) -> Block:
        columns: dict[str, pa.Array] = {}
        broken: dict[int, str] = {}
        for name in wanted:
            columns[name], rows = _as_string(batch.column(name))
            if rows and name not in scalars and _is_binary(batch.column(name).type):
                columns[name], rows = batch.column(name), []  # a picture, say
            broken |= {row: name for row in rows if row not in broken}
        lines = np.arange(line, line + len(batch), dtype=np.int64)
        text = _row_text(columns)
        bad = [
            BadRow(str(self.path), line + row, broken[row], "is not UTF-8", text(row))
            for row in sorted(broken)
        ]
        if bad:
            good = np.ones(len(batch), bool)
            good[list(broken)] = False
            lines = lines[good]
            columns = {name: column.filter(pa.array(good)) for name, column in columns.items()}
        return Block(str(self.path), columns, lines, bad, _row_text(columns))


def _row_text(columns: dict[str, pa.Array]) -> Callable[[int], str]:
    def text(row: int) -> str:
        values = {name: column[row].as_py() for name, column in columns.items()}
        return json.dumps(values, ensure_ascii=False, default=str)[:1000]

    return text


def _as_string(column: pa.Array) -> tuple[pa.Array, list[int]]:
    """Text and bytes as plain strings, and the rows that are not UTF-8; other types as they are."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    kind = column.type
    textual = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (textual or _is_binary(kind)):
        return column, []
    raw = column.cast(pa.binary())
    try:
        return raw.cast(pa.string()), []
    except pa.ArrowInvalid:
        texts = [_decoded(value) for value in raw.to_pylist()]
        rows = [row for row, (_, good) in enumerate(texts) if not good]
        return pa.array([text for text, _ in texts], pa.string()), rows


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _decoded(value: bytes | None) -> tuple[str | None, bool]:
    if value is None:
        return None, True
    try:
        return value.decode("utf-8"), True
    except UnicodeDecodeError:
        return value.decode("utf-8", "backslashreplace"), False
