"""A dataset: a folder of tables, and the same encoded once for models."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import UInt8
from polars import selectors

from grapevine.data.holdout import Holdout
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary

TRAIN, VALIDATION, TEST, UNUSED = range(4)
"""Labels of the `split` column of the events."""

LABELS = ("train", "validation", "test", "unused")

ITEMS_AT_ONCE = 10_000
"""Lines of the item table that are hashed at a time."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What happened, encoded once.

    A training set is a dataset too: the same tables, without what a split held out, and with a
    vocabulary that knows only what training may know.

    Attributes:
        schema: what the columns mean.
        users: IDs of the users; a user's place is its row everywhere.
        items: IDs of the items, likewise.
        interactions: the events.
        item_table: one line per item row, with `item_id` and the columns of `schema.items`.
        user_table: one line per user row, with `user_id`, or None.
        links: relations between items (outfits, boards, follows), or None.
        labels: `(events,)` TRAIN, VALIDATION, TEST or UNUSED where the folder holds a split.
        validation: questions for model selection, where this is the training part of a split.
        path: the folder this came from, or None.
    """

    schema: Schema
    users: Vocabulary
    items: Vocabulary
    interactions: Interactions
    item_table: pl.DataFrame
    user_table: pl.DataFrame | None = None
    links: pl.DataFrame | None = None
    labels: UInt8[np.ndarray, " events"] | None = None
    validation: Holdout | None = None
    path: Path | None = None

    def __post_init__(self) -> None:
        if self.interactions.num_users != len(self.users):
            raise ValueError(f"{self.interactions.num_users} histories for {len(self.users)} users")
        if self.interactions.num_items != len(self.items) or len(self.item_table) != len(
            self.items
        ):
            raise ValueError(
                f"{len(self.items)} items, but {self.interactions.num_items} in the events and "
                f"{len(self.item_table)} in the item table"
            )

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.schema.name

    @cached_property
    def fingerprint(self) -> str:
        """A name for exactly these events and IDs: equal where, and only where, they are."""
        digest = hashlib.blake2b(digest_size=16)
        for ids in (self.users.ids, self.items.ids):
            digest.update("\n".join(ids.cast(pl.String)).encode())
        events = self.interactions
        for column in (events.offsets, events.items, events.behaviours, events.times):
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()

    @cached_property
    def catalogue_fingerprint(self) -> str:
        """A name for the item table, pictures included, and for what its columns mean."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((self.schema.target, self.schema.items)).encode())
        # Of categories their names, whose numbers are another process's business.
        plain = self.item_table.with_columns(selectors.categorical().cast(pl.String))
        for part in plain.iter_slices(ITEMS_AT_ONCE):
            table = part.to_arrow(compat_level=pl.CompatLevel.oldest())
            # Taken line by line it is laid out anew, however it was cut together.
            table = table.take(np.arange(len(table))).combine_chunks()
            digest.update(f"{table.schema}{len(table)}".encode())
            buffers = [one for column in table.columns for one in column.chunk(0).buffers()]
            for buffer in filter(None, buffers):
                digest.update(f"{buffer.size}:".encode())
                digest.update(buffer)
        return digest.hexdigest()

    @property
    def target_interactions(self) -> Interactions:
        """Only the events of the behaviour that is predicted."""
        return self.interactions.of(self.schema.target_row)
