"""CSV and TSV, plain or packed."""

import csv
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from grapevine.data.readers.rows import (
    BadRow,
    Block,
    check_line,
    iconv,
    invalid_utf8,
    open_bytes,
    read_bytes,
    text_of,
)
from grapevine.errors import DataError
from grapevine.graph import scan
from grapevine.graph.strings import gather

_UTF8_MARK = b"\xef\xbb\xbf"
_DELIMITERS = ",\t;|"
_DECLARED = re.compile(rf'"?sep=([{_DELIMITERS}])"?[{_DELIMITERS}]*', re.IGNORECASE)


class CsvFile:
    """A CSV file (RFC 4180) in UTF-8, with a header unless the columns are given.

    Lines end with LF or CR LF; empty lines are passed over. A `.tsv` or `.tab` file is delimited
    by tabs, any other by whichever of comma, tab, semicolon and bar its header has most of. A
    first line `sep=;`, as spreadsheets write it, names the delimiter and is no row. How broken
    rows are told and passed over is said at `grapevine.graph.scan.scan`.

    Attributes:
        path: the file.
        columns: names out of the header.
        delimiter: what stands between fields.

    Raises:
        DataError: the file is empty, not UTF-8, or its header does not name each column once.
    """

    def __init__(
        self, path: Path, *, columns: Sequence[str] | None = None, block_bytes: int = 1 << 23
    ) -> None:
        self.path = path
        self._block_bytes = block_bytes
        line, self.delimiter, is_declared = _first_line(path)
        self._lines_before_rows = is_declared + (columns is None)
        self.columns = tuple(columns or next(csv.reader([line], delimiter=self.delimiter)))
        if len(set(self.columns)) < len(self.columns) or "" in self.columns:
            raise DataError(
                f"{path}: the header must name each column once: got {', '.join(self.columns)}",
                hint="name the columns in the file's first line, or give them: --columns a,b,c",
            )

    def blocks(self, wanted: Sequence[str], scalars: Collection[str] = ()) -> Iterator[Block]:
        """The file from its start, block by block; every column holds strings."""
        slots = np.full(len(self.columns), -1, np.int64)
        for place, name in enumerate(wanted):
            slots[self.columns.index(name)] = place
        left = self._lines_before_rows
        for data, (rows, starts, stops, doubled) in self._texts(slots):
            cut = min(left, len(rows))
            left -= cut
            if len(rows) > cut:
                fields = (one[:, cut:] for one in (starts, stops, doubled))
                yield self._block(data, wanted, rows[cut:], *fields)

    def _texts(self, slots: np.ndarray) -> Iterator[tuple]:
        """Text of whole rows, and where they stand in it."""
        with open_bytes(self.path) as file:
            data, line, at_end = read_bytes(self.path, file, 3), 1, False
            data = data.removeprefix(_UTF8_MARK)
            while not at_end:
                more = read_bytes(self.path, file, self._block_bytes)
                data, at_end = data + more, not more
                check_line(self.path, len(data) - self._block_bytes, line)
                *found, used, line = self._scan(data, slots, at_end, line)
                yield data, found
                data = data[used:]

    def _scan(self, data: bytes, slots: np.ndarray, at_end: bool, line: int) -> tuple:
        """Rows and fields, the fast way where the text allows it."""
        text = np.frombuffer(data, np.uint8)
        delimiter = ord(self.delimiter)
        if b'"' not in data and len(slots) > 1 and not at_end:
            found = scan.scan_plain(text, delimiter, slots, line)
            if found[-2] >= 0:
                return found
        return scan.scan(text, delimiter, slots, at_end, line)

    def _block(
        self,
        data: bytes,
        wanted: Sequence[str],
        rows: np.ndarray,
        starts: np.ndarray,
        stops: np.ndarray,
        doubled: np.ndarray,
    ) -> Block:
        begins, ends, lines, status = rows.T
        reasons = {int(row): self._reason(int(status[row])) for row in np.flatnonzero(status)}
        if b"\0" in data:
            nul = np.flatnonzero(np.frombuffer(data, np.uint8) == 0)
            place = np.searchsorted(begins, nul, side="right") - 1
            inside = (place >= 0) & (nul < ends[place])
            reasons |= dict.fromkeys(place[inside].tolist(), "holds a NUL byte")
        reasons |= dict.fromkeys(invalid_utf8(data, begins, ends), "is not UTF-8")
        text = memoryview(data)
        bad = [
            BadRow(
                str(self.path),
                int(lines[row]),
                "",
                reasons[row],
                text_of(text[begins[row] : ends[row]]),
            )
            for row in sorted(reasons)
        ]
        if bad:
            good = np.ones(len(rows), bool)
            good[list(reasons)] = False
            begins, ends, lines = begins[good], ends[good], lines[good]
            starts, stops, doubled = starts[:, good], stops[:, good], doubled[:, good]
        raw = np.frombuffer(data, np.uint8)
        columns = {
            name: _strings(raw, starts[place], stops[place], doubled[place])
            for place, name in enumerate(wanted)
        }
        return Block(
            str(self.path),
            columns,
            np.ascontiguousarray(lines),
            bad,
            lambda row: text_of(text[begins[row] : ends[row]]),
        )

    def _reason(self, status: int) -> str:
        if status == scan.FIELD_COUNT:
            return f"does not have {len(self.columns)} fields"
        if status == scan.UNCLOSED:
            return "opens a quote that is never closed"
        return "has text after a closing quote"


def _strings(
    data: np.ndarray, starts: np.ndarray, stops: np.ndarray, doubled: np.ndarray
) -> pa.Array:
    offsets, out = gather(data, starts, stops, doubled)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(out)]
    return pa.Array.from_buffers(pa.string(), len(starts), buffers)


def _first_line(path: Path) -> tuple[str, str, bool]:
    """The first line that names or holds fields, the delimiter, and if a line declared that."""
    with open_bytes(path) as file:
        head = read_bytes(path, file, 1 << 16)
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise DataError(
            f"{path}: is UTF-16", hint=f"save it as UTF-8, e.g. {iconv('utf-16', str(path))}"
        )
    lines = [line for line in head.removeprefix(_UTF8_MARK).splitlines() if line]
    try:
        first = [line.decode("utf-8") for line in lines[:1]]
        declared = _DECLARED.fullmatch(first[0]) if first else None
        if declared:
            first = [line.decode("utf-8") for line in lines[1:2]]
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: the first line is not UTF-8",
            hint=f"save it as UTF-8, e.g. {iconv(file=str(path))}",
        ) from error
    if not first:
        raise DataError(
            f"{path}: is empty",
            hint="its first line must name the columns, and each line after it hold one row",
        )
    return first[0], declared[1] if declared else _delimiter(path, first[0]), bool(declared)


def _delimiter(path: Path, line: str) -> str:
    if {".tsv", ".tab"} & set(path.suffixes):
        return "\t"
    counts = Counter(line)
    return max(_DELIMITERS, key=lambda one: counts[one])
