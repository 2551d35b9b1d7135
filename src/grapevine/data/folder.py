"""The dataset folder: written as a stream, published whole or not at all, opened as a Dataset."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from grapevine.data.dataset import Dataset
from grapevine.data.encode import ROWS_AT_ONCE, EncodedEvents, check_items, open_parquet
from grapevine.data.folder_columns import (
    coded_columns,
    event_columns,
    event_roles,
    plain_id,
    role_of,
)
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.errors import BundleError, ConfigError, DataError
from grapevine.structs.jagged import offsets_of

ROWS_PER_GROUP = ROWS_AT_ONCE
"""Events in a row group."""

BYTES_PER_GROUP = 1 << 28
"""A row group is closed before that where its events carry long texts."""

EVENT_KEY = ("user_id", "item_id", "behaviour", "timestamp", "event_id")
"""Columns (those that are there) on which two events are the same event."""


class FolderWriter:
    """Writes a dataset folder beside its final place and moves it there on success.

    ```
    with FolderWriter(Path("shop"), schema) as folder:
        folder.items(items)
        for table in tables:  # sorted by user, then time
            folder.events(table)
    ```

    On any exception nothing stays behind. Further files may be put under `path` before the end.
    Columns without a role in the schema are given the one their type suggests.

    Attributes:
        schema: what the columns mean; may be replaced until the end.
        path: the unfinished folder.

    Raises:
        ConfigError: `out` exists and is not an empty folder.
        DataError: no events were written.
    """

    def __init__(self, out: Path, schema: Schema) -> None:
        out = Path(out)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(
                f"`{out}` exists already", hint="choose another --out, or remove it first"
            )
        self.schema = schema
        self.out = out
        self.path = out.parent / f".{out.name}.{os.getpid()}.partial"
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._num_waiting = self._num_bytes = 0

    def __enter__(self) -> Self:
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._publish()
        finally:
            if self._writer is not None:
                self._writer.close()
            shutil.rmtree(self.path, ignore_errors=True)

    def events(self, table: pa.Table) -> None:
        """Append events, sorted by user, then time, and after all those appended before.

        `user_id` and `item_id` are int64 or string; `timestamp` is timestamp[ms, UTC] where the
        clock is exact (int64 counts as milliseconds), otherwise int64; `behaviour` may be left
        out where there is only one. Strings may come dictionary-encoded.
        """
        waiting = self._num_waiting + len(table)
        if self._waiting and (waiting > ROWS_PER_GROUP or self._num_bytes > BYTES_PER_GROUP):
            self._flush()
        self._waiting.append(event_columns(table, self.schema))
        self._num_waiting += len(table)
        self._num_bytes += table.nbytes

    def items(self, table: pl.DataFrame) -> None:
        """Write the catalogue: `item_id` and any further columns."""
        self._table("items", table)

    def users(self, table: pl.DataFrame) -> None:
        """Write what is known of users: `user_id` and any further columns."""
        self._table("users", table)

    def links(self, table: pl.DataFrame) -> None:
        """Write relations between items: source_id, target_id, relation, weight, text."""
        table.write_parquet(self.path / "links.parquet", compression="zstd")

    def _table(self, name: str, table: pl.DataFrame) -> None:
        key = f"{name[:-1]}_id"
        table = table.with_columns(plain_id(table[key]))
        roles = getattr(self.schema, name)
        found = {column: role_of(table.schema[column]) for column in table.columns if column != key}
        self.schema = replace(self.schema, **{name: {**found, **roles}})
        table.write_parquet(self.path / f"{name}.parquet", compression="zstd")

    def _flush(self) -> None:
        table = pa.concat_tables(self._waiting).unify_dictionaries()
        self._waiting, self._num_waiting, self._num_bytes = [], 0, 0
        if self._writer is None:
            roles = event_roles(table.column_names)
            self.schema = replace(self.schema, events={**roles, **self.schema.events})
            self._writer = pq.ParquetWriter(
                self.path / "events.parquet",
                table.schema,
                compression="zstd",
                compression_level=1,
                # Times hardly repeat: a dictionary of them would cost time and save nothing.
                use_dictionary=coded_columns(table),  # pyright: ignore[reportArgumentType]
                dictionary_pagesize_limit=1 << 24,
                # The dictionaries are an encoding; other readers shall see plain strings.
                store_schema=False,
            )
        self._writer.write_table(table, row_group_size=ROWS_PER_GROUP)

    def _publish(self) -> None:
        if self._waiting:
            self._flush()
        if self._writer is None:
            raise DataError(f"there are no events to write to `{self.out}`")
        self._writer.close()
        self.schema.write(self.path)
        self.path.rename(self.out)


def write_dataset(
    out: Path,
    schema: Schema,
    events: pl.DataFrame,
    items: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    links: pl.DataFrame | None = None,
) -> Path:
    """Write tables that are in memory as a dataset folder.

    Events are sorted by user, then time; those of the same time keep the order they came in.
    Events that agree in user, item, behaviour, time (and `event_id` if there is one) count once.
    Without a `timestamp` the order of the rows is the time, and the clock is "order".

    Args:
        out: the folder to make.
        schema: what the columns mean.
        events: `user_id`, `item_id`, and what `FolderWriter.events` allows.
        items: the catalogue; gathered from the events if not given.
        users: what is known of users.
        links: relations between items.

    Raises:
        ConfigError: `out` exists and is not an empty folder.
        DataError: a needed column or ID is missing, or an event's item is not in the catalogue.
    """
    for name in ("user_id", "item_id"):
        if name not in events.columns or events[name].null_count():
            raise DataError(f"{schema.name}: the events need a `{name}` in every row")
    if "timestamp" not in events.columns:
        events = events.with_row_index("timestamp")
        schema = replace(schema, clock="order")
    events = events.with_columns(plain_id(events["user_id"]), plain_id(events["item_id"]))
    key = [name for name in EVENT_KEY if name in events.columns]
    events = events.unique(key, keep="first", maintain_order=True)
    events = events.sort("user_id", "timestamp", maintain_order=True)
    if items is None:
        schema = replace(schema, catalogue=False)
        items = Vocabulary.of(events["item_id"]).ids.to_frame("item_id")
    check_items(events["item_id"].unique(), Vocabulary.of(items["item_id"]), schema.name)
    with FolderWriter(out, schema) as folder:
        folder.items(items)
        if users is not None:
            folder.users(users)
        if links is not None:
            folder.links(links)
        for part in events.iter_slices(ROWS_PER_GROUP):
            folder.events(part.to_arrow())
    return Path(out)


def open_dataset(folder: Path) -> Dataset:
    """Read a dataset folder and encode its events, in one pass and in bounded memory.

    Raises:
        BundleError: the folder, a file or a column is missing, damaged or not as promised.
        DataError: an event's item is not in the catalogue.
    """
    folder = Path(folder)
    schema = Schema.read(folder)
    item_table = _read_table(folder / "items.parquet", "item_id")
    items = Vocabulary(item_table["item_id"])
    user_table = None
    if (folder / "users.parquet").is_file():
        user_table = _read_table(folder / "users.parquet", "user_id")
    events = EncodedEvents(folder / "events.parquet", schema, items)
    users = events.users
    if user_table is not None:
        users = Vocabulary.of(_joined(events.users.ids, user_table["user_id"]))
        user_table = _in_order(user_table, users)
    lengths = np.zeros(len(users), np.int64)
    lengths[users.rows(events.users.ids)] = events.lengths
    links = _read(folder / "links.parquet") if (folder / "links.parquet").is_file() else None
    return Dataset(
        schema=schema,
        users=users,
        items=items,
        interactions=Interactions(
            offsets=offsets_of(lengths),
            items=events.items,
            behaviours=events.behaviours,
            times=events.times,
            num_items=len(items),
            values=events.values,
        ),
        item_table=item_table,
        user_table=user_table,
        links=links,
        labels=events.labels,
        path=folder,
    )


def _joined(first: pl.Series, second: pl.Series) -> pl.Series:
    """Two series of IDs as one; strings if either holds strings."""
    if first.dtype != second.dtype:
        first, second = first.cast(pl.String), second.cast(pl.String)
    return pl.concat([first.alias("id"), second.alias("id")])


def _in_order(table: pl.DataFrame, users: Vocabulary) -> pl.DataFrame:
    """One line for each user of the vocabulary; nulls for one that the table does not have."""
    ids = users.ids.to_frame("user_id")
    table = table.with_columns(pl.col("user_id").cast(users.ids.dtype))
    return ids.join(table, on="user_id", how="left", maintain_order="left")


def _read_table(path: Path, key: str) -> pl.DataFrame:
    """A table with one line for each ID, sorted by it."""
    table = _read(path)
    if key not in table.columns or table[key].null_count():
        raise BundleError(f"{path}: there must be a `{key}` in every row")
    table = table.with_columns(plain_id(table[key])).sort(key)
    twice = table.filter(table[key].is_duplicated())
    if len(twice):
        raise BundleError(f"{path}: `{twice[key][0]}` stands there more than once")
    return table


def _read(path: Path) -> pl.DataFrame:
    open_parquet(path).close()
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BundleError(f"{path}: damaged: {error}") from error
