"""Tiny worlds with known answers, and awkward ones in which careless code breaks."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.structs.jagged import offsets_of

Event = Sequence[Any]
"""`(user, item)`, `(user, item, behaviour)` or `(user, item, behaviour, time in ms)`."""


def world(
    events: Iterable[Event], *, items: Iterable[Any] = (), behaviours: Sequence[str] = ("event",)
) -> Dataset:
    """A dataset in memory; events without a time follow each other by a second.

    Args:
        events: what happened, in any order.
        items: items that nobody has met, besides those of the events.
        behaviours: in cascade order.

    >>> world([("ann", "tea"), ("ann", "jam")]).interactions.items.tolist()
    [1, 0]
    """
    # What an event leaves out is the last behaviour, and a second after the one before it.
    full: list[tuple[Any, ...]] = [
        (*event, *(behaviours[-1], 1000 * place)[len(event) - 2 :])
        for place, event in enumerate(events)
    ]
    users = Vocabulary.of([event[0] for event in full])
    known = Vocabulary.of([*(event[1] for event in full), *items])
    user_rows = users.rows([event[0] for event in full])
    times = np.array([event[3] for event in full], np.int64)
    order = np.lexsort((np.arange(len(full)), times, user_rows))
    rows = known.rows([event[1] for event in full])
    places = np.array([list(behaviours).index(event[2]) for event in full], np.uint8)
    return Dataset(
        schema=Schema(name="world", behaviours=tuple(behaviours)),
        users=users,
        items=known,
        interactions=Interactions(
            offsets=offsets_of(np.bincount(user_rows, minlength=len(users))),
            items=rows[order].astype(np.int32),
            behaviours=places[order],
            times=times[order],
            num_items=len(known),
        ),
        item_table=pl.DataFrame({"item_id": known.ids}),
    )


def checkerboard(num_users: int = 12, num_items: int = 12) -> list[tuple[int, int]]:
    """Even users like even items, odd users odd ones; user n's own item n is held out."""
    return [(u, i) for u in range(num_users) for i in range(u % 2, num_items, 2) if i != u]


def cycle(num_users: int = 12, num_items: int = 6, length: int = 4) -> list[tuple[int, int]]:
    """Everybody walks the same ring of items, each from another place: i is followed by i + 1."""
    return [(u, (u + step) % num_items) for u in range(num_users) for step in range(length)]


AWKWARD: dict[str, Callable[[], Dataset]] = {
    "one event": lambda: world([("u", "i")]),
    "one user": lambda: world([("u", item) for item in "abcde"]),
    "one item": lambda: world([(user, "i") for user in "abcde"]),
    "unseen items": lambda: world([("u", "a"), ("v", "b")], items=["x", "y"]),
    "the same again": lambda: world([("u", "a"), ("u", "a"), ("u", "b"), ("v", "a")]),
    "ids from anywhere": lambda: world(
        [("é", "日本"), ("o'neil", "🍇"), ("é", "🍇"), ("-1", "NULL")]
    ),
    "all at once": lambda: world([(u, i, "event", 7) for u in "ab" for i in "xyz"]),
    "nothing bought": lambda: world(
        [("u", "a", "view"), ("u", "b", "view"), ("v", "b", "view")], behaviours=("view", "buy")
    ),
}
"""Worlds in which careless code breaks."""
