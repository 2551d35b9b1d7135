"""What is said of an item over HTTP as a row of a run's catalogue, and what does not fit it."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from grapevine.errors import ConfigError, unknown
from grapevine.serving.engine.live import Fields

ID = "item_id"


def row_of_fields(
    fields: Fields, schema: Mapping[str, Any], plain: Mapping[str, Any]
) -> dict[str, Any]:
    """A row of a table: what is said of an item, and else what was known of it.

    What does not fit a column is left empty: another run may have other columns than the one that
    was in service when it was said.

    Args:
        fields: by column; columns that the table has not are left out.
        schema: kind of each column of the table.
        plain: what was known.
    """
    row = {name: plain.get(name) for name in schema}
    for name, value in fields.items():
        if name in row and name != ID:
            try:
                row[name] = as_kind(value, schema[name])
            except ValueError:
                row[name] = None
    return row


def table_with(table: pl.DataFrame, said: Mapping[str, Fields]) -> pl.DataFrame:
    """A catalogue with what was said of items since: their rows changed, new ones after the last.

    Args:
        table: with a column `item_id`, of text or of integers.
        said: by ID; one that could not stand in that column is left out.
    """
    kind = table.schema[ID]
    ids = pl.Series(ID, list(said), pl.String)
    fitting = ids.cast(kind, strict=False)
    # As in a catalogue: an integer is an ID in one writing alone.
    fits = (fitting.cast(pl.String) == ids).fill_null(False)
    place = {one: row for row, one in enumerate(table[ID].to_list())}
    rows: list[dict[str, Any]] = []
    for name, one in zip(ids.filter(fits).to_list(), fitting.filter(fits).to_list()):
        row = place.get(one)
        plain = {ID: one} if row is None else table.row(row, named=True)
        rows.append(row_of_fields(said[name], table.schema, plain))
    if not rows:
        return table
    fresh = pl.DataFrame(rows, schema=table.schema, strict=False)
    return table.update(fresh, on=ID, how="full", include_nulls=True, maintain_order="left_right")


def refuse_misfits(fields: Fields, schema: Mapping[str, Any]) -> None:
    """Let nothing be said that the catalogue of the run in service could not hold.

    Raises:
        ConfigError: a column is not there, or holds another kind.
    """
    columns = [name for name in schema if name != ID]
    for name, value in fields.items():
        if name not in columns:
            raise unknown("item column", name[:64], columns)
        try:
            as_kind(value, schema[name])
        except ValueError as error:
            raise ConfigError(
                f"`{name}` {error}", hint=f"the catalogue in service keeps it as {schema[name]}"
            ) from None


def as_kind(value: Any, kind: Any) -> Any:
    """A value of JSON as a column of this kind holds it.

    Raises:
        ValueError: it cannot; the message goes on after the column's name.
    """
    if value is None:
        return None
    if isinstance(kind, pl.List | pl.Array):
        members = value if isinstance(value, list | tuple) else [value]
        if isinstance(kind, pl.Array) and len(members) != kind.size:
            raise ValueError(f"holds {kind.size} numbers: got {len(members)}")
        return [as_kind(one, kind.inner) for one in members]
    if isinstance(value, list | tuple):
        raise ValueError("holds one value: got a list")
    if kind == pl.Boolean:
        return _boolean(value)
    if kind.is_numeric():
        return _number(value, kind)
    if kind == pl.Date or kind == pl.Datetime:
        return _time(value, kind)
    if kind.is_temporal():
        # What a table would not take must not get into the store: no server could start over it.
        raise ValueError("cannot be said over HTTP")
    if not isinstance(value, str):
        raise ValueError(f"holds text: got {_said(value)}")
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"is true or false: got {_said(value)}")
    return value


def _number(value: Any, kind: Any) -> Any:
    if not isinstance(value, bool | int | float):
        raise ValueError(f"holds a number: got {_said(value)}")
    try:
        number = float(value)
    except OverflowError:  # digits without end
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("holds a number that is finite")
    if not kind.is_integer():
        return number
    least, most = (pl.select(bound).item() for bound in (kind.min(), kind.max()))
    if value != int(value) or not least <= value <= most:
        raise ValueError(f"holds whole numbers from {least} to {most}")
    return int(value)


def _time(value: Any, kind: Any) -> Any:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None:
        raise ValueError("holds a time such as 2026-11-22T10:00:00")
    if kind == pl.Date:
        return date(at.year, at.month, at.day)
    if at.tzinfo is None:
        return at
    try:
        at = at.astimezone(UTC)
    except OverflowError:  # to a table it would be the year 0, which nobody could read again
        raise ValueError("holds a time of the years 1 to 9999") from None
    return at if getattr(kind, "time_zone", None) else at.replace(tzinfo=None)


def _said(value: Any) -> str:
    return "true or false" if isinstance(value, bool) else "text" if isinstance(value, str) else (
        "a number" if isinstance(value, int | float) else "something else"
    )  # fmt: skip


def as_written(numbers: pl.Series) -> pl.Series:
    """Numbers as float64 that print as they were written, whatever they are kept as.

    >>> as_written(pl.Series([12.4], dtype=pl.Float32)).to_list()
    [12.4]
    """
    # The shortest decimals that name a float32 are those it came from; its own are 12.399999618.
    short = numbers.cast(pl.String) if numbers.dtype == pl.Float32 else numbers
    return short.cast(pl.Float64)
