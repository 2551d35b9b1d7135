"""The items of a run as a service wants them: found by ID at once, filtered by cached masks."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic, TypeVar

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int32, Int64

from grapevine.errors import ConfigError
from grapevine.index.vector_index import FILTERED_SHARE
from grapevine.models.conditions import items_where
from grapevine.models.reasons import title_column
from grapevine.models.run import Run
from grapevine.serving.engine.asked import Filters

STOCK, PRICE = ("in_stock", "stock"), "price"
"""Columns by name: whether, or how many, are in stock; and what an item costs."""
MASK_BYTES = 64 << 20
"""Of the masks that are kept."""

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """So many values by key, the latest used; safe in threads, each value made at most a few times.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made if it is not there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
        return made

    def __len__(self) -> int:
        return len(self._kept)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which items may be shown.

    Attributes:
        mask: `(items,)`.
        rows: `(few,)` the same as rows, where they are so few that they are looked at one by one.
        count: how many there are.
    """

    mask: Bool[np.ndarray, " items"]
    rows: Int64[np.ndarray, " few"] | None
    count: int

    @classmethod
    def of(cls, mask: Bool[np.ndarray, " items"]) -> "Allowed":
        """Those of a mask."""
        count = int(np.count_nonzero(mask))
        few = count < FILTERED_SHARE * len(mask)
        return cls(mask, np.flatnonzero(mask) if few else None, count)


class Catalogue:
    """The items of a run.

    Args:
        run: whose.
        hidden: rows that may not be shown: what was deleted since.
    """

    def __init__(self, run: Run, hidden: Int64[np.ndarray, " hidden"] | None = None) -> None:
        table = run.item_table
        self.ids: list[Any] = run.items.ids.to_list()
        self.row_of: dict[str, int] = {str(one): row for row, one in enumerate(self.ids)}
        name = title_column(run)
        titles = table[name].cast(pl.String).fill_null("") if name else run.items.ids
        self.titles: list[str] = [str(one) for one in titles.to_list()]
        self.table = table
        self.category, self.categories = _codes(run)
        self.hidden = np.empty(0, np.int64) if hidden is None else hidden
        self.live: Allowed | None = None
        if len(self.hidden):
            mask = np.ones(len(table), bool)
            mask[self.hidden] = False
            self.live = Allowed.of(mask)
        self._code = {name: code for code, name in enumerate(self.categories)}
        self._masks: Cache[Allowed] = Cache(max(8, MASK_BYTES // max(len(table), 1)))

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: Iterable[Any]) -> list[int]:
        """Rows of those of the IDs that are known."""
        row_of = self.row_of
        return [row_of[name] for name in map(str, ids) if name in row_of]

    def allowed(self, filters: Filters) -> Allowed | None:
        """Which items may be shown, but for those named one by one; None for all.

        Raises:
            ConfigError: the catalogue has no such column, or a condition is none.
        """
        key = (filters.category, filters.in_stock, filters.least, filters.most, filters.where)
        if key == ((), False, None, None, ()):
            return self.live
        return self._masks.of(("filters", key), lambda: Allowed.of(self._mask(filters)))

    def where(self, conditions: tuple[str, ...]) -> Bool[np.ndarray, " items"]:
        """Which items meet all of the conditions."""
        met = items_where(self.table, conditions)
        return np.ones(len(self), bool) if met is None else met

    def weights(
        self, weighed: Sequence[tuple[tuple[str, ...], float]]
    ) -> Float32[np.ndarray, " items"]:
        """What is added to each item's score.

        Args:
            weighed: conditions, and what is added where they all hold.
        """
        added = np.zeros(len(self), np.float32)
        for conditions, more in weighed:
            added[self.where(conditions)] += np.float32(more)
        return added

    def _mask(self, filters: Filters) -> Bool[np.ndarray, " items"]:
        parts = [] if self.live is None else [self.live.mask]
        if filters.category:
            if not self.categories:
                raise _no_column("category", "a column whose role is category")
            codes = [self._code[name] for name in filters.category if name in self._code]
            parts.append(np.isin(self.category, codes))
        if filters.in_stock:
            parts.append(self._in_stock())
        if filters.least is not None or filters.most is not None:
            parts.append(self._priced(filters.least, filters.most))
        if filters.where:
            parts.append(self.where(filters.where))
        return reduce(np.logical_and, parts)

    def _in_stock(self) -> Bool[np.ndarray, " items"]:
        name = next((one for one in STOCK if one in self.table.columns), None)
        if name is None:
            raise _no_column("stock", f"a column `{STOCK[0]}`, true or a number")
        return (self.table[name].cast(pl.Float64).fill_null(0) > 0).to_numpy()

    def _priced(self, least: float | None, most: float | None) -> Bool[np.ndarray, " items"]:
        if PRICE not in self.table.columns or not self.table.schema[PRICE].is_numeric():
            raise _no_column("price", f"a column `{PRICE}` of numbers")
        price = self.table[PRICE].cast(pl.Float64).fill_null(np.nan).to_numpy()
        met = ~np.isnan(price)
        if least is not None:
            met &= price >= least
        return met if most is None else met & (price <= most)


def _codes(run: Run) -> tuple[Int32[np.ndarray, " items"], list[str]]:
    """The category of each item as a number, -1 for none; and their names."""
    named = [
        name
        for name, role in run.schema.items.items()
        if role == "category" and name in run.item_table.columns
    ]
    if not named:
        return np.full(len(run.item_table), -1, np.int32), []
    # A catalogue has many such columns (brand, colour): the one of that name is meant.
    column = run.item_table["category" if "category" in named else named[0]]
    column = (column.list.first() if isinstance(column.dtype, pl.List) else column).cast(pl.String)
    names = column.drop_nulls().unique().sort().to_list()
    code = {name: place for place, name in enumerate(names)}
    return np.array([code.get(one, -1) for one in column.to_list()], np.int32), names


def _no_column(what: str, wanted: str) -> ConfigError:
    return ConfigError(
        f"the catalogue of this run tells no {what}", hint=f"import items with {wanted}"
    )
