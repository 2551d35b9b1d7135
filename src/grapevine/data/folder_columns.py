"""The columns of a dataset folder: the types they are written in, and the roles these suggest."""

from collections.abc import Iterable
from typing import Any

import polars as pl
import pyarrow as pa

from grapevine.data.schema import Role, Schema
from grapevine.errors import DataError

_NAMES = pa.dictionary(pa.int32(), pa.string())
_KNOWN = {
    "behaviour": _NAMES,
    "split": _NAMES,
    "value": pa.float32(),
    "text": pa.string(),
    "session_id": _NAMES,
    "event_id": pa.string(),
}
_EVENT_ROLES: dict[str, Role] = {"value": "number", "text": "text"}
_NOT_DESCRIBED = ("user_id", "item_id", "behaviour", "timestamp", "split")


def event_columns(table: pa.Table, schema: Schema) -> pa.Table:
    """The columns in the order and types of `events.parquet`."""
    if "behaviour" not in table.column_names:
        if len(schema.behaviours) > 1:
            raise DataError(f"{schema.name}: the events need a `behaviour` in every row")
        table = table.append_column("behaviour", pa.repeat(schema.target, len(table)))
    first = ["user_id", "item_id", "behaviour", "timestamp"]
    names = first + [name for name in table.column_names if name not in first]
    clock = pa.timestamp("ms", "UTC") if schema.timed else pa.int64()
    columns: dict[str, pa.ChunkedArray] = {}
    for name in names:
        column = table.column(name)
        kind = clock if name == "timestamp" else _KNOWN.get(name, column.type)
        if name in {"user_id", "item_id"}:
            kind = pa.int64() if pa.types.is_integer(column.type) else _NAMES
        columns[name] = _cast(column, kind)
    return pa.table(columns)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if kind == _NAMES and not pa.types.is_dictionary(column.type):
        return column.cast(pa.string()).dictionary_encode()
    if pa.types.is_timestamp(kind) and pa.types.is_integer(column.type):
        return column.cast(pa.int64()).cast(kind)
    return column.cast(kind)


def coded_columns(table: pa.Table) -> list[str]:
    """Names of the columns that are written with a dictionary."""
    return [name for name in table.column_names if name not in {"timestamp", "text"}]


def plain_id(ids: pl.Series) -> pl.Series:
    """IDs as integers where they are integers, as text otherwise."""
    return ids.cast(pl.Int64 if ids.dtype.is_integer() else pl.String)


def role_of(kind: Any) -> Role:
    """The role that a column's type suggests."""
    if kind.is_numeric():
        return "number"
    if kind.is_temporal():
        return "time"
    if isinstance(kind, pl.Array) or kind == pl.List(pl.Float32) or kind == pl.List(pl.Float64):
        return "vector"
    if kind == pl.Binary:
        return "image"
    return "tags" if isinstance(kind, pl.List) else "category"


def event_roles(names: Iterable[str]) -> dict[str, Role]:
    """The roles that further columns of events have where the schema gives them none."""
    return {
        name: _EVENT_ROLES.get(name, "category") for name in names if name not in _NOT_DESCRIBED
    }
