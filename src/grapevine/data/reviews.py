"""Items described by what was written of them, without giving any answer away."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool

from grapevine.data.dataset import TRAIN, Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.split import Split, of
from grapevine.data.split.materialise import COLD_ITEMS
from grapevine.errors import BundleError, ConfigError, DataError

COLUMN = "reviews"
"""Of the training set's item table: what was written of each item."""

SET_ASIDE = 2
"""Reviews that describe an item that is held out whole."""


def with_reviews_as_text(
    data: Dataset, by: str = "auto", *, set_aside: int | None = None, **options: Any
) -> Split:
    """A split whose training set has the words of reviews as a text of its items.

    What may be read is settled event by event, so that no word of an answer is among them:

    1. The first `set_aside` reviews of every item, by time, and any further event of the same user
       with the same item, are taken out of the events. They are neither learnt from as events nor
       asked for: they are what a shop that opens would have as the description of its items. Items
       are then a catalogue, known beforehand, and one with no review left is a cold one.
    2. The rest is split by the rule.
    3. An item is described by its reviews that were set aside and by those of its training events,
       oldest first. Reviews of the validation and the test are read by nobody, nor are those of
       events in no part.

    Under `cold-items` a cold item therefore has the words of two reviews, whose writers are not
    asked for it, and a warm one has its training reviews besides. The writers of what was set aside
    have one event less; the item stays a candidate in their lists, where it counts as a miss for
    every model alike. Where nothing is set aside (any other rule) items without a training review
    have no text.

    Args:
        data: opened from its folder, where the texts are.
        by: the rule, see `split.of`.
        set_aside: reviews of each item; if not given, 2 for `cold-items` and none otherwise.
        options: of the rule.

    Raises:
        DataError: the events carry no text, or the rule does not fit the data.
        ConfigError: there is such a column already, or an option makes no sense.
        BundleError: the folder has changed since it was read.
    """
    if COLUMN in data.item_table.columns:
        raise ConfigError(f"{data.name}: the items have a column `{COLUMN}` already")
    texts = _texts(data)
    number = (SET_ASIDE if by == COLD_ITEMS else 0) if set_aside is None else set_aside
    if number < 0:
        raise ConfigError(f"{number} reviews cannot be set aside", hint="0 sets none aside")
    away = _first_reviews(data.interactions, number)
    parts = of(_without(data, away) if number else data, by, **options)
    readable = away.copy()
    readable[np.flatnonzero(~away)[parts.labels == TRAIN]] = True
    table = parts.train.item_table.join(
        _descriptions(data, texts, readable), on="item_id", how="left", maintain_order="left"
    )
    schema = replace(parts.train.schema, items={**parts.train.schema.items, COLUMN: "text"})
    return replace(parts, train=replace(parts.train, item_table=table, schema=schema))


def _texts(data: Dataset) -> pl.Series:
    """What each event says, all its texts together; null where it says nothing."""
    columns = [name for name, role in data.schema.events.items() if role == "text"]
    if not columns or data.path is None:
        raise DataError(
            f"{data.name}: its events carry no text to describe items by",
            hint="import them with `--map COLUMN=text`, and open the folder",
        )
    read = pl.read_parquet(data.path / "events.parquet", columns=columns)
    if len(read) != len(data.interactions):
        raise BundleError(
            f"{data.path}: {len(read)} events now, {len(data.interactions)} when it was opened",
            hint="open the folder again",
        )
    return read.select(pl.concat_str(columns, separator="\n", ignore_nulls=True)).to_series()


def _first_reviews(events: Interactions, number: int) -> Bool[np.ndarray, " events"]:
    """The first so many events of each item, and whatever else their users did with it."""
    order = np.lexsort((events.times, events.items))
    items = events.items[order]
    starts = np.searchsorted(items, items)
    first = np.zeros(len(events), np.bool_)
    first[order[np.arange(len(order)) - starts < number]] = True
    pairs = events.users * events.num_items + events.items
    return np.isin(pairs, pairs[first])


def _without(data: Dataset, away: Bool[np.ndarray, " events"]) -> Dataset:
    return replace(
        data,
        schema=replace(data.schema, catalogue=True),
        interactions=data.interactions.where(~away),
        labels=None if data.labels is None else data.labels[~away],
        # The folder holds other events than these.
        path=None,
    )


def _descriptions(
    data: Dataset, texts: pl.Series, readable: Bool[np.ndarray, " events"]
) -> pl.DataFrame:
    """`item_id` and the words of its readable reviews, oldest first."""
    events = data.interactions
    said = pl.DataFrame(
        {
            "item_id": data.items.ids.gather(events.items[readable]),
            "time": events.times[readable],
            COLUMN: texts.filter(pl.Series(readable)),
        }
    )
    said = said.drop_nulls(COLUMN).sort("time", maintain_order=True)
    return said.group_by("item_id", maintain_order=True).agg(pl.col(COLUMN).str.join("\n"))
