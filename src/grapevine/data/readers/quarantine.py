"""Where rows go that cannot be taken: all counted, the first shown, all kept if asked."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool

from grapevine.data.readers.rows import BadRow, Block
from grapevine.data.readers.validate import Problem
from grapevine.errors import DataError

SHOWN = 20
"""Bad rows that a message shows."""

_SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("column", pa.string()),
        ("reason", pa.string()),
        ("text", pa.string()),
    ]
)


class Quarantine:
    """Counts bad rows, keeps the first, and writes all to a Parquet file if it has a path.

    Attributes:
        count: bad rows so far.
        first: the first SHOWN of them.
        reasons: how many there are of each file, column and reason.
    """

    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self.first: list[BadRow] = []
        self.reasons: Counter[tuple[str, str, str]] = Counter()
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: Sequence[BadRow]) -> None:
        """Take some more bad rows."""
        self.count += len(rows)
        self.first += rows[: SHOWN - len(self.first)]
        self.reasons.update((row.file, row.column, row.reason) for row in rows)
        if not rows or self._path is None:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, _SCHEMA, compression="zstd")
        columns = [list(column) for column in zip(*rows)]
        self._writer.write_table(pa.table(columns, schema=_SCHEMA))

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()

    def error(self, total: int, likely: str | None = None) -> DataError:
        """What to tell of the bad rows among `total`; what is the likely cause comes first."""
        rows = "row" if self.count == 1 else "rows"
        lines = [f"{self.count:,} bad {rows} among {total:,}; nothing was written"]
        lines += [f"  {describe(row)}" for row in self.first]
        if self.count > len(self.first):
            lines.append(f"  and {self.count - len(self.first):,} more")
        return DataError(
            "\n".join(lines),
            hint=likely
            or "mend them, or keep the good rows and set these aside: --bad-rows quarantine",
        )


def describe(row: BadRow) -> str:
    """A bad row in a line: file, line, column, reason, and what stands there."""
    column = f"`{row.column}` " if row.column else ""
    text = row.text if len(row.text) <= 100 else f"{row.text[:100]}..."
    # Not by repr, which would double the backslashes of what is no UTF-8.
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
    return f"{row.file}:{row.line}: {column}{row.reason}: '{shown}'"


def set_aside(
    block: Block, problems: Sequence[Problem]
) -> tuple[Bool[np.ndarray, " rows"], list[BadRow]]:
    """Which rows of a block are good, and every bad one in line order, with its first problem."""
    good = np.ones(len(block), bool)
    if not problems:
        return good, block.bad
    found: list[BadRow] = list(block.bad)
    for problem in problems:
        found += [
            BadRow(
                block.file, int(block.lines[row]), problem.column, problem.reason, block.text(row)
            )
            for row in np.flatnonzero(problem.rows & good).tolist()
        ]
        good &= ~problem.rows
    return good, sorted(found, key=lambda row: row.line)
