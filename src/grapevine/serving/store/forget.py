"""Users who asked to be forgotten: their rows removed, a mark kept that names nobody."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, func, select, text

from grapevine.serving.store import tables
from grapevine.serving.store.insert import KEYS, Row, upsert

SALT = "salt"
"""Name of the row of `state` that holds the salt of the marks."""
SALT_BYTES = 32
CLOCKS = {"events": "timestamp", "exposures": "shown_at"}
"""Which column says when a thing happened."""
PIECE_ROWS = 5_000
"""Rows that retention removes at a time, so that nobody waits long behind it."""


_ANY_MARK = select(tables.marks.c.forgotten_at).limit(1)


def mark_of(salt: bytes, user_id: str) -> str:
    """The mark of a user: HMAC-SHA256 under the salt of this store, in hexadecimal."""
    return hmac.new(salt, user_id.encode(), hashlib.sha256).hexdigest()


def remove_user(connection: Connection, user_id: str, mark: str, at: int) -> dict[str, int]:
    """Remove every row of a user and keep the mark; rows removed by table."""
    if connection.dialect.name == "postgresql":
        # Other servers write too: wait for what they have begun, and hold them up. See `drop_late`.
        names = ", ".join(table.name for table in tables.PERSONAL)
        connection.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))
    removed = {
        table.name: connection.execute(delete(table).where(table.c.user_id == user_id)).rowcount
        for table in tables.PERSONAL
    }
    upsert(connection, tables.marks, {"mark": mark, "forgotten_at": at})
    return removed


def rows_left(connection: Connection, user_id: str) -> int:
    """How many rows of a user there are."""
    return sum(
        connection.scalar(select(func.count()).select_from(table).where(table.c.user_id == user_id))
        or 0
        for table in tables.PERSONAL
    )


def remove_older(connection: Connection, table: str, before: int) -> int:
    """Remove up to `PIECE_ROWS` rows that arrived before; how many they were."""
    target = tables.metadata.tables[table]
    clock = target.c["arrived" if table == "events" else "shown_at"]
    oldest = select(target.c.id).where(clock < before).order_by(target.c.id).limit(PIECE_ROWS)
    return connection.execute(delete(target).where(target.c.id.in_(oldest))).rowcount


def drop_late(connection: Connection, salt: bytes, table: str, rows: list[Row]) -> list[Row]:
    """Remove those of the rows that speak of the time before their user was forgotten.

    A client may send again what it had sent before; that must not bring anybody back. An event
    without a time of its own speaks of now. The rows are looked at after they were inserted:
    `remove_user` then waits for this transaction, or this one has waited for that and sees its
    mark.

    Args:
        connection: within the transaction that has inserted the rows.
        salt: of the marks.
        table: "events" or "exposures".
        rows: that were new.

    Returns:
        Those that were removed.
    """
    at = marked(connection, salt, {row["user_id"] for row in rows}) if rows else {}
    if not at:
        return []
    late = [
        row
        for row in rows
        if row["user_id"] in at
        and row[CLOCKS[table]] <= at[row["user_id"]]
        and row[CLOCKS[table]] != row.get("arrived")
    ]
    target, key = tables.metadata.tables[table], KEYS[table]
    for row in late:
        connection.execute(delete(target).where(*(target.c[name] == row[name] for name in key)))
    return late


def marked(
    connection: Connection, salt: bytes, user_ids: Iterable[str], at_once: int = 500
) -> dict[str, int]:
    """Those of the users who have a mark, and when they got it."""
    if connection.execute(_ANY_MARK).first() is None:
        # As almost always: no hash is computed for every user whose events come in.
        return {}
    by_mark = {mark_of(salt, user_id): user_id for user_id in user_ids}
    marks: list[Any] = list(by_mark)
    found: dict[str, int] = {}
    for start in range(0, len(marks), at_once):
        piece = tables.marks.c.mark.in_(marks[start : start + at_once])
        for mark, at in connection.execute(
            select(tables.marks.c.mark, tables.marks.c.forgotten_at).where(piece)
        ):
            found[by_mark[mark]] = at
    return found
