"""Sorted events and spilled columns, put together as tables ready to write."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
from jaxtyping import Int64

from grapevine.data.dataset import LABELS
from grapevine.data.readers.spill import Spill
from grapevine.graph.sort import SortedEvents
from grapevine.graph.strings import Interner

ROWS_WITH_TEXT = 1 << 16
"""Rows of a table with text, which may be long."""


def vocabulary_of(interner: Interner) -> tuple[pl.Series, Int64[np.ndarray, " ids"]]:
    """The IDs in the order they were met, integers if all are; and each one's row when sorted."""
    data, ends = interner.strings()
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
    text = pa.Array.from_buffers(pa.large_string(), len(interner), buffers)
    ids = cast(pl.Series, pl.from_arrow(text))
    number = ids.cast(pl.Int64, strict=False)
    if number.null_count() == 0 and (number.cast(pl.String) == ids).all():
        ids = number
    order = ids.arg_sort().to_numpy()
    rows = np.empty(len(ids), np.int64)
    rows[order] = np.arange(len(ids))
    return ids, rows


def event_tables(
    events: SortedEvents,
    users: pl.Series,
    items: pl.Series,
    behaviours: tuple[str, ...],
    spill: Spill,
    further: Mapping[str, Any],
    step: int,
) -> Iterator[pa.Table]:
    """The events that are no repetition, in order, as tables of at most `step` rows.

    Args:
        events: in order; the key is the item's row times 256 plus the behaviour's place.
        users: the users' IDs, sorted.
        items: the items' IDs, sorted.
        behaviours: their names.
        spill: holds each further column, by arrival, under `column NAME`.
        further: numpy type of each further column, or None for text.
        step: rows of a table, if there is no text.
    """
    user_ids, item_ids, words = _arrow(users), _arrow(items), pa.array(behaviours)
    numbers = {
        name: spill.numbers(f"column {name}", kind)
        for name, kind in further.items()
        if kind is not None
    }
    texts = [name for name, kind in further.items() if kind is None]
    step = min(step, ROWS_WITH_TEXT) if texts else step
    for start in range(0, len(events.rows), step):
        stop = min(start + step, len(events.rows))
        kept = np.flatnonzero(~events.repeated[start:stop]) + start
        if not len(kept):
            continue
        rows, keys = events.rows[kept].astype(np.int64), events.keys[kept]
        columns: dict[str, pa.Array] = {
            "user_id": _taken(user_ids, events.users(start, stop)[kept - start]),
            "item_id": _taken(item_ids, keys >> 8),
            "behaviour": pa.DictionaryArray.from_arrays(
                pa.array((keys & 255).astype(np.int32)), words
            ),
            "timestamp": pa.array(events.times[kept]),
        }
        for name, values in numbers.items():
            # A missing number is NaN here and null in the file.
            columns[name] = pa.array(values[rows], from_pandas=True)
        if "split" in numbers:
            columns["split"] = pa.array(LABELS).take(columns["split"])
        for name in texts:
            columns[name] = spill.text(f"column {name}", rows)
        yield pa.table(columns)


def _arrow(ids: pl.Series) -> pa.Array:
    array = ids.to_arrow()
    return array if pa.types.is_integer(array.type) else array.cast(pa.string())


def _taken(ids: pa.Array, rows: np.ndarray) -> pa.Array:
    """The ID of each row; text with a dictionary of only those that occur."""
    if pa.types.is_integer(ids.type):
        return pa.array(ids.to_numpy()[rows])
    low, high = int(rows.min()), int(rows.max())
    ids, rows = ids.slice(low, high - low + 1), rows - low
    used = np.zeros(len(ids), bool)
    used[rows] = True
    place = np.cumsum(used, dtype=np.int32) - 1
    return pa.DictionaryArray.from_arrays(
        pa.array(place[rows]), ids.take(pa.array(np.flatnonzero(used)))
    )
