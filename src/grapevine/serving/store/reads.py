"""Questions to the store: histories, what was shown, what came of an experiment."""

from collections.abc import Iterator
from sys import intern
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, case, func, or_, select

from grapevine.serving.store import tables
from grapevine.serving.store.values import Brief, Event, Exposure, Outcome

PAGE = 10_000
"""Rows that are read at a time where all of them are wanted: no read lasts long."""
RECENT = 10_000
"""Events among which the latest users are looked for."""

_event = tables.events.c
_exposure = tables.exposures.c
_EVENT_COLUMNS = (
    _event.event_id,
    _event.user_id,
    _event.item_id,
    _event.behaviour,
    _event.timestamp,
    _event.value,
    _event.session_id,
    _event.request_id,
)
_EXPOSURE_COLUMNS = (
    _exposure.request_id,
    _exposure.user_id,
    _exposure.item_id,
    _exposure.rank,
    _exposure.score,
    _exposure.propensity,
    _exposure.experiment,
    _exposure.arm,
    _exposure.model,
    _exposure.shown_at,
)

# Built once: a service asks these a thousand times in a second.
_HISTORY = (
    select(*_EVENT_COLUMNS)
    .where(_event.user_id == bindparam("user"))
    .order_by(_event.id.desc())
    .limit(bindparam("most"))
)
_BRIEFLY = (
    select(_event.item_id, _event.behaviour, _event.timestamp)
    .where(_event.user_id == bindparam("user"))
    .order_by(_event.id.desc())
    .limit(bindparam("most"))
)
_SHOWN = (
    select(_exposure.item_id, func.count(_exposure.request_id.distinct()))
    .where(_exposure.user_id == bindparam("user"), _exposure.shown_at >= bindparam("since"))
    .group_by(_exposure.item_id)
)


def history(connection: Connection, user_id: str, most: int) -> list[Event]:
    """The last events of a user in order of arrival, the latest last."""
    rows = connection.execute(_HISTORY, {"user": user_id, "most": most}).all()
    return [Event(*row) for row in reversed(rows)]


def brief_history(connection: Connection, user_id: str, most: int) -> tuple[Brief, ...]:
    """Item, behaviour and time of the last events of a user, the latest last."""
    rows = connection.execute(_BRIEFLY, {"user": user_id, "most": most}).all()
    # The names of behaviours are few, and are kept once however many histories are.
    return tuple(Brief(item, intern(behaviour), at) for item, behaviour, at in reversed(rows))


def shown(connection: Connection, user_id: str, since: int) -> dict[str, int]:
    """In how many lists since then each item was shown to a user."""
    rows = connection.execute(_SHOWN, {"user": user_id, "since": since})
    return dict(rows.all())


def item_counts(connection: Connection, item_id: str) -> dict[str, int]:
    """Events of an item by behaviour."""
    counted = select(_event.behaviour, func.count()).where(_event.item_id == item_id)
    return dict(connection.execute(counted.group_by(_event.behaviour)).all())


def latest_users(connection: Connection, most: int) -> dict[str, int]:
    """Users of the latest `RECENT` events, the latest first, and their events among those."""
    latest = select(_event.user_id, _event.id).order_by(_event.id.desc()).limit(RECENT).subquery()
    counted = select(latest.c.user_id, func.count()).group_by(latest.c.user_id)
    rows = connection.execute(counted.order_by(func.max(latest.c.id).desc()).limit(most))
    return dict(rows.all())


def counts(connection: Connection) -> dict[str, int]:
    """Rows of each table whose rows belong to users."""
    return {
        table.name: connection.scalar(select(func.count()).select_from(table)) or 0
        for table in tables.PERSONAL
    }


def marks(connection: Connection) -> tuple[Any, ...]:
    """A value that is another one after each user that is forgotten."""
    at = tables.marks.c.forgotten_at
    return tuple(connection.execute(select(func.count(), func.sum(at), func.max(at))).one())


def pages(
    connection: Connection, ask: Select[*tuple[Any, ...]], number: Any
) -> Iterator[list[Any]]:
    """All rows of a question in order of arrival, in pieces; the first column is their number."""
    last = -1
    while True:
        page = connection.execute(ask.where(number > last).order_by(number).limit(PAGE)).all()
        if not page:
            return
        yield [row[1:] for row in page]
        last = page[-1][0]


def events(connection: Connection) -> Iterator[list[Any]]:
    """All events in order of arrival, in pieces: the fields of `Event`."""
    return pages(connection, select(_event.id, *_EVENT_COLUMNS), _event.id)


def exposures(connection: Connection, experiment: str, since: int) -> Iterator[Exposure]:
    """The exposures of an experiment in order of arrival."""
    ask = select(_exposure.id, *_EXPOSURE_COLUMNS).where(
        _exposure.experiment == experiment, _exposure.shown_at >= since
    )
    for page in pages(connection, ask, _exposure.id):
        for row in page:
            yield Exposure(*row)


def outcomes(
    connection: Connection,
    experiment: str,
    behaviour: str,
    window: int = 0,
    until: int | None = None,
) -> list[Outcome]:
    """What each user of an experiment did, before the first list that was shown and from it on.

    Both times are the clock of the service, so that a client's clock changes nothing.

    Args:
        connection: to the store.
        experiment: its name.
        behaviour: that counts.
        window: for so many milliseconds from the first list on events count; 0 for all.
        until: milliseconds since 1970 from which on nothing counts, lists included; None for never.
    """
    mine = (
        select(
            _exposure.user_id,
            func.min(_exposure.shown_at).label("first"),
            func.min(_exposure.id).label("id"),
            func.count(_exposure.arm.distinct()).label("arms"),
        )
        .where(
            _exposure.experiment == experiment,
            *([] if until is None else [_exposure.shown_at < until]),
        )
        .group_by(_exposure.user_id)
        .subquery()
    )
    first = tables.exposures.alias()
    after = counted = _event.arrived >= mine.c.first
    if window:
        counted = and_(after, _event.arrived < mine.c.first + window)
    if until is not None:
        counted = and_(counted, _event.arrived < until)
    value = func.coalesce(_event.value, 0.0)
    ask = (
        select(
            mine.c.user_id,
            first.c.arm,
            mine.c.first,
            mine.c.arms,
            _sum(case((counted, 1), else_=0)),
            _sum(case((counted, value), else_=0.0)),
            _sum(case((or_(_event.id.is_(None), after), 0), else_=1)),
            _sum(case((or_(_event.id.is_(None), after), 0.0), else_=value)),
        )
        .select_from(mine)
        .join(first, first.c.id == mine.c.id)
        .outerjoin(
            tables.events,
            and_(_event.user_id == mine.c.user_id, _event.behaviour == behaviour),
        )
        .group_by(mine.c.user_id, first.c.arm, mine.c.first, mine.c.arms)
        .order_by(mine.c.user_id)
    )
    return [
        Outcome(user, arm, at, arms, int(events), float(total), int(before), float(total_before))
        for user, arm, at, arms, events, total, before, total_before in connection.execute(ask)
    ]


def _sum(what: Any) -> Any:
    return func.coalesce(func.sum(what), 0)
