"""The events of a dataset folder as arrays of rows: one pass, bounded memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from grapevine.data.dataset import LABELS
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.errors import BundleError, DataError

ROWS_AT_ONCE = 1 << 20
"""Events that are held in memory besides the arrays."""

_CODED = ("user_id", "item_id", "behaviour", "split")


class EncodedEvents:
    """The columns of `events.parquet`, encoded batch by batch into arrays made once.

    Users need no hash table: the file is sorted by them, so each is one run of rows.

    Attributes:
        users: the users who have events.
        lengths: `(users,)` how many.
        items: `(events,)` item rows.
        behaviours: `(events,)` place of the behaviour in the schema's list.
        times: `(events,)` milliseconds since 1970, or the order.
        values: `(events,)` NaN where missing; None if there is no such column.
        labels: `(events,)` place of the split's name in LABELS; None if there is no such column.

    Raises:
        BundleError: the file or a column is missing, damaged, unsorted, or holds unknown words.
        DataError: an event's item is not in the catalogue.
    """

    def __init__(self, path: Path, schema: Schema, items: Vocabulary) -> None:
        self.path, self.schema, self.vocabulary = path, schema, items
        file = open_parquet(path)
        total = file.metadata.num_rows
        names = file.schema_arrow.names
        missing = {"user_id", "item_id", "behaviour", "timestamp"} - set(names)
        if missing:
            raise BundleError(f"{path}: no column `{min(missing)}`")
        self.items = np.empty(total, np.int32)
        self.behaviours = np.empty(total, np.uint8)
        self.times = np.empty(total, np.int64)
        self.values = np.empty(total, np.float32) if "value" in names else None
        self.labels = np.empty(total, np.uint8) if "split" in names else None
        heads: list[pl.Series] = []
        starts: list[np.ndarray] = []
        done = 0
        for batch in _batches(path, file):
            new = self._fill(batch, done, heads)
            starts.append(new + done)
            done += len(batch)
        ids = pl.concat(heads) if heads else pl.Series("user_id", [], pl.String)
        start = np.concatenate([*starts, [total]]).astype(np.int64)
        self.lengths = np.diff(start)
        if not (ids.is_sorted() and ids.n_unique() == len(ids)) or self._times_fall(start[:-1]):
            raise BundleError(
                f"{path}: the events are not sorted by user, then time",
                hint="write the folder with `grapevine data import` or `write_dataset`",
            )
        self.users = Vocabulary(ids)

    def _fill(self, batch: pa.RecordBatch, done: int, heads: list[pl.Series]) -> np.ndarray:
        """Encode one batch; return where new users start, having put their IDs to `heads`."""
        place = slice(done, done + len(batch))
        self.items[place] = self._item_rows(batch)
        self.behaviours[place] = self._coded(batch, "behaviour", self.schema.behaviours)
        self.times[place] = self._column(batch, "timestamp").cast(pa.int64()).to_numpy()
        if self.values is not None:
            # A missing value is NaN.
            value = batch.column("value").cast(pa.float32())
            self.values[place] = value.to_numpy(zero_copy_only=False)
        if self.labels is not None:
            self.labels[place] = self._coded(batch, "split", LABELS)
        ids, codes = _split(self._column(batch, "user_id"))
        change = np.flatnonzero(np.diff(codes, prepend=-1))
        head = ids.gather(pl.Series(codes[change]))
        if heads and len(head) and heads[-1][-1] == head[0]:
            head, change = head[1:], change[1:]
        if len(head):
            heads.append(head)
        return change

    def _column(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        column = batch.column(name)
        if column.null_count:
            raise BundleError(f"{self.path}: column `{name}` has {column.null_count} nulls")
        return column

    def _item_rows(self, batch: pa.RecordBatch) -> np.ndarray:
        ids, codes = _split(self._column(batch, "item_id"))
        return check_items(ids, self.vocabulary, str(self.path))[codes]

    def _coded(self, batch: pa.RecordBatch, name: str, known: tuple[str, ...]) -> np.ndarray:
        ids, codes = _split(self._column(batch, name))
        for one in ids:
            if one not in known:
                raise BundleError(
                    f"{self.path}: column `{name}` holds `{one}`, which is none of "
                    f"{', '.join(known)}"
                )
        return np.array([known.index(one) for one in ids], np.uint8)[codes]

    def _times_fall(self, starts: np.ndarray) -> bool:
        falls = self.times[1:] < self.times[:-1]
        falls[starts[1:] - 1] = False
        return bool(falls.any())


def _split(column: pa.Array) -> tuple[pl.Series, np.ndarray]:
    """Distinct values of a column (or a few more), and the place of each row's value in them."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    coded = cast(pa.DictionaryArray, coded)
    values = cast(pl.Series, pl.from_arrow(coded.dictionary))
    return values, coded.indices.to_numpy()


def check_items(ids: pl.Series, known: Vocabulary, where: str) -> np.ndarray:
    """The row of each item ID.

    Raises:
        DataError: an item is not in the catalogue.
    """
    rows = known.rows(ids)
    if len(rows) and rows.min() < 0:
        raise DataError(
            f"{where}: an event names the item `{ids[int(rows.argmin())]}`, "
            "which is not in items.parquet",
            hint="add it to the items, or leave the items out: they are gathered from the events",
        )
    return rows


def open_parquet(path: Path) -> pq.ParquetFile:
    """A file of a dataset folder, words as codes.

    Raises:
        BundleError: it is missing or damaged.
    """
    if not path.is_file():
        raise BundleError(f"`{path.parent}` is not a dataset folder: it has no {path.name}")
    try:
        names = set(pq.read_schema(path).names)
        return pq.ParquetFile(path, read_dictionary=[name for name in _CODED if name in names])
    except (pa.ArrowException, OSError) as error:
        raise BundleError(f"{path}: damaged, or not Parquet: {error}") from error


def _batches(path: Path, file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    names = ("user_id", "item_id", "behaviour", "timestamp", "value", "split")
    wanted = [name for name in names if name in file.schema_arrow.names]
    try:
        yield from file.iter_batches(ROWS_AT_ONCE, columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise BundleError(f"{path}: damaged: {error}") from error
