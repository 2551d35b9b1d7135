"""Rows that count once, whoever sends them again."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from grapevine.serving.store import tables

Row = dict[str, Any]
"""All columns of a table but its `id`."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "events": ("event_id",),
    "exposures": ("request_id", "experiment", "item_id"),
}
"""What makes two rows the same."""


def insert_missing(connection: Connection, table: str, rows: list[Row]) -> set[tuple[str, Any]]:
    """Insert those rows whose key is not there yet; table and key of each that was new."""
    if not rows:
        return set()
    key = KEYS[table]
    target: Table = tables.metadata.tables[table]
    distinct: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        # The first one counts, as it would one after the other.
        distinct.setdefault(_key(row, key), row)
    statement = (
        _insert(connection, target)
        .on_conflict_do_nothing(index_elements=list(key))
        .returning(*(target.c[name] for name in key))
    )
    return {(table, tuple(row)) for row in connection.execute(statement, list(distinct.values()))}


def counted(table: str, rows: list[Row], new: set[tuple[str, Any]]) -> tuple[int, int]:
    """How many of the rows are new and how many repeated; takes the new ones out of the set."""
    count = 0
    for row in rows:
        key = (table, _key(row, KEYS[table]))
        if key in new:
            new.remove(key)
            count += 1
    return count, len(rows) - count


def upsert(connection: Connection, table: Table, row: Row, *, keep: tuple[str, ...] = ()) -> None:
    """Insert a row, or change the one that has its primary key.

    Args:
        connection: within a transaction.
        table: which.
        row: all columns.
        keep: columns that stay as they are where the row is there already.
    """
    key = [column.name for column in table.primary_key]
    changed = {name: value for name, value in row.items() if name not in (*key, *keep)}
    statement = _insert(connection, table).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed))


def add_missing(connection: Connection, table: Table, row: Row) -> None:
    """Insert a row unless its primary key is there."""
    connection.execute(_insert(connection, table).values(row).on_conflict_do_nothing())


def _insert(connection: Connection, table: Table) -> Any:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def _key(row: Row, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)
