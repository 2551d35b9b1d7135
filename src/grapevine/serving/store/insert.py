"""Rows that count once, whoever sends them again."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select

from grapevine.serving.store import tables

Row = dict[str, Any]
"""All columns of a table but its `id`."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "events": ("event_id",),
    "exposures": ("request_id", "experiment", "item_id"),
}
"""What makes two rows the same."""


def insert_missing(connection: Connection, table: str, rows: list[Row]) -> list[Row]:
    """Insert those rows whose key is not there yet; the rows that were new."""
    if not rows:
        return []
    key = KEYS[table]
    distinct: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        # The first one counts, as it would one after the other.
        distinct.setdefault(_key(row, key), row)
    wanted = list(distinct.values())
    statement = _statement(table, connection.dialect.name)
    given: Any = wanted
    if connection.dialect.name != "sqlite":
        given = {name: [row[name] for row in wanted] for name in wanted[0]}
    return [distinct[tuple(row)] for row in connection.execute(statement, given)]


def names_of(table: str, rows: list[Row]) -> set[tuple[str, Any]]:
    """Table and key of each row."""
    return {(table, _key(row, KEYS[table])) for row in rows}


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
    statement = _insert(table, connection.dialect.name).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed))


def add_missing(connection: Connection, table: Table, row: Row) -> None:
    """Insert a row unless its primary key is there."""
    statement = _insert(table, connection.dialect.name).values(row)
    connection.execute(statement.on_conflict_do_nothing())


def _insert(table: Table, dialect: str) -> Any:
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


@cache
def _statement(name: str, dialect: str) -> Any:
    """Insert rows unless their key is there, and say which were new.

    SQLite takes a row of values each. PostgreSQL takes one array a column: a fourth of the time,
    and one statement to prepare however many rows there are.
    """
    table, key = tables.metadata.tables[name], KEYS[name]
    names = [column.name for column in table.columns if column.name != "id"]
    returned = [table.c[name] for name in key]
    if dialect == "sqlite":
        rows = _insert(table, dialect)
        return rows.on_conflict_do_nothing(index_elements=list(key)).returning(*returned)
    # Imported here, as everything of PostgreSQL: a service with a file starts sooner without.
    from sqlalchemy.dialects import postgresql

    arrays = [bindparam(name, type_=postgresql.ARRAY(table.c[name].type)) for name in names]
    given = func.unnest(*arrays).table_valued(*names).render_derived()
    rows = _insert(table, dialect).from_select(names, select(*(given.c[name] for name in names)))
    return rows.on_conflict_do_nothing(index_elements=list(key)).returning(*returned)


def _key(row: Row, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)
