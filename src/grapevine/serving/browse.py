"""Looking things up in a run: its users, what they did, items by their words."""

from collections.abc import Callable, Iterable
from datetime import datetime, time
from itertools import islice
from typing import Any

import numpy as np
import polars as pl

from grapevine.serving.engine import Happened, Served
from grapevine.serving.engine.fields import as_written


def users(served: Served, most: int, query: str = "") -> list[tuple[str, int]]:
    """Some users of the run and how many events each has.

    Without a query those whose histories are neither the shortest nor the longest.
    """
    run = served.run
    lengths = np.diff(run.history.offsets)
    if query:
        near = (one for one in served.histories.row_of if query.lower() in one.lower())
        return [(one, int(lengths[served.histories.row_of[one]])) for one in islice(near, most)]
    order = np.argsort(lengths, kind="stable")
    middle = order[len(order) // 2 :]
    rows = middle[:: max(len(middle) // most, 1)][:most]
    names = run.users.take(rows).to_list()
    return [(str(name), int(lengths[row])) for name, row in zip(names, rows)]


def history(served: Served, user_id: str) -> list[Happened]:
    """What the run knows that a user did, the first event first."""
    row = served.histories.row_of.get(user_id)
    if row is None:
        return []
    run, known = served.run, served.run.history
    events = slice(*known.offsets[row : row + 2].tolist())
    timed = run.schema.timed
    return [
        Happened(
            served.catalogue.ids[item], run.schema.behaviours[behaviour], time if timed else None
        )
        for item, behaviour, time in zip(
            known.items[events].tolist(),
            known.behaviours[events].tolist(),
            known.times[events].tolist(),
        )
    ]


def known_already(before: Iterable[Happened]) -> Callable[[Happened], bool]:
    """Tells of an event whether it is among those of a run: one that was trained on it since."""
    there = {(str(one.item_id), one.behaviour, one.timestamp) for one in before}
    return lambda one: (str(one.item_id), one.behaviour, one.timestamp) in there


def find(served: Served, query: str, most: int) -> list[Any]:
    """IDs of items whose title or ID holds every word of a query, the most popular first."""
    words = query.lower().split()
    catalogue, found = served.catalogue, list[Any]()
    side = served.sides[served.run.schema.target]
    for row in side.chooser.popular.tolist():
        if row in catalogue.hidden:
            continue
        text = f"{catalogue.titles[row]} {catalogue.ids[row]}".lower()
        if all(word in text for word in words):
            found.append(catalogue.ids[row])
            if len(found) == most:
                break
    return found


def fields(served: Served, item_id: str) -> dict[str, Any] | None:
    """All that the catalogue says of an item; None where it is not known."""
    row = served.catalogue.shown(item_id)
    if row is None:
        return None
    said = served.catalogue.table[row]
    return {
        one.name: plain((as_written(one) if one.dtype == pl.Float32 else one)[0])
        for one in said
        if one.name != "item_id"
    }


def plain(value: Any) -> Any:
    """A value of a table as JSON has it; a number that is none is nothing.

    >>> plain(datetime(2025, 1, 1)), plain(datetime(2025, 1, 1, 9, 30))
    ('2025-01-01', '2025-01-01 09:30:00')
    """
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, datetime):
        whole = value.time() == time()
        return value.date().isoformat() if whole else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return str(value)
