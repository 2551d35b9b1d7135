"""Rows that count once, whoever sends them again."""

from collections.abc import Mapping
from functools import cache, lru_cache
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
PIECE_ROWS = 500
"""Rows of one statement of SQLite, which takes some 32,000 values."""


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
    if connection.dialect.name == "sqlite":
        pieces = (wanted[at : at + PIECE_ROWS] for at in range(0, len(wanted), PIECE_ROWS))
        return [row for piece in pieces for row in _into_sqlite(connection, table, piece)]
    statement = _statement(table, connection.dialect.name)
    given: Any = {name: [row[name] for row in wanted] for name in wanted[0]}
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


def _into_sqlite(connection: Connection, table: str, rows: list[Row]) -> list[Row]:
    """The rows that were new: one statement for all, asked again only where some were not.

    To be told which rows were new takes a step of the driver for each of them, and with every step
    the thread lets another one go first; how many they were is told at once.
    """
    names, key = _columns(table), KEYS[table]
    values = [row[name] for row in rows for name in names]
    connection.exec_driver_sql("SAVEPOINT all_new")
    done = connection.exec_driver_sql(_values(table, len(rows)), tuple(values)).rowcount
    if done == len(rows):
        connection.exec_driver_sql("RELEASE all_new")
        return rows
    connection.exec_driver_sql("ROLLBACK TO all_new")
    connection.exec_driver_sql("RELEASE all_new")
    by_key = {_key(row, key): row for row in rows}
    return [by_key[tuple(one)] for one in connection.execute(_statement(table, "sqlite"), rows)]


@cache
def _columns(table: str) -> tuple[str, ...]:
    return tuple(one.name for one in tables.metadata.tables[table].columns if one.name != "id")


@lru_cache(64)
def _values(table: str, rows: int) -> str:
    names = _columns(table)
    one = f"({', '.join('?' * len(names))})"
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([one] * rows)} "
        f"ON CONFLICT ({', '.join(KEYS[table])}) DO NOTHING"
    )


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
        # Only where some of the rows are there already.
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
