"""The items that were put or deleted since a model was trained: kept, and followed by servers."""

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, text

from grapevine.serving.store import tables
from grapevine.serving.store.checks import (
    GREATEST_VALUE,
    Fault,
    Refused,
    id_fault,
    number_fault,
)
from grapevine.serving.store.insert import upsert
from grapevine.serving.store.values import Item, Shelved

MOST_ITEMS = 1_000
"""Items in one call."""
MOST_FIELDS = 100
"""Columns of an item."""
MOST_TEXT = 10_000
"""Characters of a text."""
MOST_TAGS = 1_000
"""Members of a list, each as long as an ID may be."""
AT_ONCE = 500
"""Items that are read in one question."""

_item = tables.items.c
_SAID = (_item.item_id, _item.fields, _item.number)

Do = Callable[[Callable[[Connection], Any]], Any]
Read = Callable[[Callable[[Connection], Any]], Any]


class Shelf:
    """What was said of items; see `Store.shelf`. Safe in threads.

    Args:
        do: does work in a transaction of its own, and waits until it is durable.
        read: asks the store.
        clock: milliseconds since 1970.
    """

    def __init__(self, do: Do, read: Read, clock: Callable[[], int]) -> None:
        self._do, self._read, self.clock = do, read, clock

    def put(self, items: Sequence[Item]) -> Shelved:
        """Keep what is said of items, in place of what was said before; durable when it returns.

        The same again changes nothing. Of an item that is named twice the last word counts.

        Raises:
            Refused: an item breaks the limits; none of the call is taken.
        """
        if faults := item_faults(items):
            raise Refused(faults)
        wanted = {one.item_id: None if one.fields is None else _json(one.fields) for one in items}
        now = self.clock()
        return self._do(lambda connection: _put(connection, wanted, now))

    def since(self, number: int = 0) -> list[Item]:
        """All that was said after a change, the earliest first; of each item the last word."""
        asked = select(*_SAID).where(_item.number > number).order_by(_item.number)
        rows = self._read(lambda connection: connection.execute(asked).all())
        return [_of(row) for row in rows]

    def get(self, item_id: str) -> Item | None:
        """What was said of an item, if anything."""
        if id_fault(item_id):
            return None
        asked = select(*_SAID).where(_item.item_id == item_id)
        row = self._read(lambda connection: connection.execute(asked).first())
        return None if row is None else _of(row)


def item_faults(items: Sequence[Item]) -> list[Fault]:
    """Everything that is wrong with the items of one call."""
    if len(items) > MOST_ITEMS:
        said = f"are {len(items):,}: at most {MOST_ITEMS:,} go into one call"
        return [Fault(None, "items", said, "item")]
    return [
        Fault(place, *fault, "item") for place, one in enumerate(items) for fault in _of_item(one)
    ]


def _of_item(item: Item) -> Iterator[tuple[str, str]]:
    if reason := id_fault(item.item_id):
        yield "item_id", reason
    if item.fields is None:
        return
    if len(item.fields) > MOST_FIELDS:
        yield "fields", f"has {len(item.fields)} columns: at most {MOST_FIELDS}"
        return
    for name, value in item.fields.items():
        if reason := id_fault(name):
            # The name is the caller's own text: cut, so that no message grows with it.
            yield name[:64], f"is no name of a column: it {reason}"
        elif reason := _value_fault(value):
            yield name, reason


def _value_fault(value: object) -> str:
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, int | float):
        return number_fault(value, -GREATEST_VALUE, GREATEST_VALUE)
    if isinstance(value, str):
        return _text_fault(value)
    if not isinstance(value, Sequence):
        return "is neither a text, a number, true or false, nor a list of those"
    if len(value) > MOST_TAGS:
        return f"has {len(value):,} members: at most {MOST_TAGS:,}"
    kinds = {isinstance(one, str) for one in value}
    if len(kinds) > 1 or any(
        isinstance(one, Sequence) and not isinstance(one, str) for one in value
    ):
        return "is a list of different things"
    return next((reason for one in value if (reason := _value_fault(one))), "")


def _text_fault(value: str) -> str:
    if len(value) > MOST_TEXT:
        return f"is longer than {MOST_TEXT:,} characters"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "is not valid Unicode"
    breaks = "\n\r\t"
    if any(unicodedata.category(one) == "Cc" and one not in breaks for one in value):
        return "holds a control character"
    return ""


def _put(connection: Connection, wanted: Mapping[str, str | None], now: int) -> Shelved:
    if connection.dialect.name == "postgresql":
        # Of two servers one waits, so that numbers are committed in their order: whoever follows
        # by number misses none.
        connection.execute(text("LOCK TABLE items IN SHARE ROW EXCLUSIVE MODE"))
    there = dict(_found(connection, list(wanted)))
    number = connection.scalar(select(func.coalesce(func.max(_item.number), 0))) or 0
    put = deleted = 0
    for name, fields in wanted.items():
        if name in there and there[name] == fields:
            continue
        number += 1
        row = {"item_id": name, "fields": fields, "number": number, "changed_at": now}
        upsert(connection, tables.items, row)
        put, deleted = put + (fields is not None), deleted + (fields is None)
    return Shelved(put, deleted, len(wanted) - put - deleted)


def _found(connection: Connection, names: list[str]) -> Iterable[tuple[str, str | None]]:
    for start in range(0, len(names), AT_ONCE):
        piece = _item.item_id.in_(names[start : start + AT_ONCE])
        yield from connection.execute(select(_item.item_id, _item.fields).where(piece))


def _json(fields: Mapping[str, Any]) -> str:
    return json.dumps(dict(fields), ensure_ascii=False, allow_nan=False, sort_keys=True)


def _of(row: Any) -> Item:
    name, fields, number = row
    return Item(name, None if fields is None else json.loads(fields), number)
