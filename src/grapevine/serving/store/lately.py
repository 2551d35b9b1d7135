"""What was done of late: what is popular now, and what goes with items that are new."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from grapevine.serving.store import tables

RECENT = 10_000
"""The latest events, among which what is popular now is counted."""
TAKERS = 100
"""Users of an item who are asked what else they did, the latest."""
AT_ONCE = 500
"""Items that are asked about in one question."""

_event = tables.events.c


def popular(connection: Connection) -> dict[str, dict[str, int]]:
    """Of each behaviour, how many users did it with each item, among the latest events.

    Users are counted, not events: nobody makes an item popular alone.
    """
    columns = (_event.behaviour, _event.item_id, _event.user_id)
    latest = select(*columns).order_by(_event.id.desc()).limit(RECENT).subquery()
    asked = select(
        latest.c.behaviour, latest.c.item_id, func.count(latest.c.user_id.distinct())
    ).group_by(latest.c.behaviour, latest.c.item_id)
    found: dict[str, dict[str, int]] = {}
    for behaviour, item, users in connection.execute(asked):
        found.setdefault(behaviour, {})[item] = users
    return found


def takers(connection: Connection, item_id: str) -> list[str]:
    """The latest users of an item, the latest first."""
    asked = (
        select(_event.user_id)
        .where(_event.item_id == item_id)
        .group_by(_event.user_id)
        .order_by(func.max(_event.id).desc())
        .limit(TAKERS)
    )
    return list(connection.execute(asked).scalars())


def last(connection: Connection) -> int:
    """The number of the last event."""
    return connection.scalar(select(func.coalesce(func.max(_event.id), 0))) or 0


def met_since(connection: Connection, number: int) -> tuple[int, set[str]]:
    """The number of the last event that was read, and the items of those after a number."""
    asked = select(_event.id, _event.item_id).where(_event.id > number)
    rows = connection.execute(asked.order_by(_event.id).limit(RECENT)).all()
    return (rows[-1][0] if rows else number), {row[1] for row in rows}


def met_among(connection: Connection, item_ids: Sequence[str]) -> set[str]:
    """Those of the items that have an event."""
    found = set[str]()
    for start in range(0, len(item_ids), AT_ONCE):
        piece = _event.item_id.in_(item_ids[start : start + AT_ONCE])
        found.update(connection.execute(select(_event.item_id).where(piece).distinct()).scalars())
    return found
