"""Users who asked to be forgotten: their rows removed, a mark kept that names nobody."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, delete, func, select

from grapevine.serving.store import tables
from grapevine.serving.store.insert import upsert

SALT = "salt"
"""Name of the row of `state` that holds the salt of the marks."""
SALT_BYTES = 32
PIECE_ROWS = 5_000
"""Rows that retention removes at a time, so that nobody waits long behind it."""


def mark_of(salt: bytes, user_id: str) -> str:
    """The mark of a user: HMAC-SHA256 under the salt of this store, in hexadecimal."""
    return hmac.new(salt, user_id.encode(), hashlib.sha256).hexdigest()


def remove_user(connection: Connection, user_id: str, mark: str, at: int) -> dict[str, int]:
    """Remove every row of a user and keep the mark; rows removed by table."""
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


def marked(
    connection: Connection, salt: bytes, user_ids: Iterable[str], at_once: int = 500
) -> dict[str, int]:
    """Those of the users who have a mark, and when they got it."""
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
