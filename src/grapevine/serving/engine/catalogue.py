"""The items of a run as a service wants them: found by ID at once, filtered by cached masks."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import reduce
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int32, Int64

from grapevine.errors import ConfigError
from grapevine.models.conditions import items_where
from grapevine.models.reasons import title_column
from grapevine.models.run import Run
from grapevine.serving.engine.asked import Filters
from grapevine.serving.engine.fields import as_written, refuse_misfits, row_of_fields
from grapevine.serving.engine.live import Fields
from grapevine.serving.engine.masks import Allowed, Cache

STOCK, PRICE = ("in_stock", "stock"), "price"
"""Columns by name: whether, or how many, are in stock; and what an item costs."""
MASK_BYTES, MOST_MASKS = 64 << 20, 1_000
"""Of the masks that are kept: bytes, and how many of them, since what a filter asks takes room too,
and of a small catalogue there would be a million."""


class Catalogue:
    """The items of a run, and those that came since; a value, of which a changed one is made.

    Rows below `known` are the run's own, whatever happens to them; those above are of items that
    were put since.

    Args:
        run: whose.
    """

    def __init__(self, run: Run) -> None:
        table = run.item_table
        self.ids: list[Any] = run.items.ids.to_list()
        self.row_of: dict[str, int] = {str(one): row for row, one in enumerate(self.ids)}
        self.known = len(self.ids)
        self.table = table
        self.said: Mapping[str, Fields | None] = {}
        self.hidden: frozenset[int] = frozenset()
        self._integers = run.items.is_integer
        self._title = title_column(run)
        self._category = _category_column(run)
        self.categories: list[str] = []
        if self._category is not None:
            self.categories = _first(table[self._category]).drop_nulls().unique().sort().to_list()
        self._code = {name: code for code, name in enumerate(self.categories)}
        self.titles: list[str] = [""] * len(self)
        self.prices: list[float | None] = [None] * len(self)
        self.category: Int32[np.ndarray, " items"] = np.full(len(self), -1, np.int32)
        self._read(np.arange(len(self)))
        self.live: Allowed | None = None
        most = min(MOST_MASKS, MASK_BYTES // max(len(table), 1))
        self._masks: Cache[Allowed] = Cache(max(8, most))

    def __len__(self) -> int:
        return len(self.ids)

    def revised(
        self, said: Mapping[str, Fields | None], before: "Catalogue | None" = None
    ) -> "Catalogue":
        """This catalogue of a run alone, with what was said of items since.

        Args:
            said: by ID, the fields of an item; None where it was deleted.
            before: an earlier result, whose rows of the same items are taken over.
        """
        at = self if before is None or before.said.keys() - said.keys() else before
        changes = {name: one for name, one in said.items() if at.said.get(name, self) is not one}
        if not changes:
            return at
        out = copy(at)
        out.said = said
        out._masks = Cache(self._masks.most)
        hidden, rows, patched = set(at.hidden), list[dict[str, Any]](), dict[int, int]()
        kept, new = np.ones(len(at), bool), list[Any]()
        for name, fields in changes.items():
            row = at.row_of.get(name)
            if fields is None:
                if row is not None and row < self.known:
                    hidden.add(row)
                elif row is not None:
                    kept[row] = False
                continue
            if row is None:
                if not self.takes(name):
                    continue
                new.append(int(name) if self._integers else name)
                patched[len(at) + len(new) - 1] = len(rows)
                plain = {"item_id": new[-1]}
            else:
                patched[row] = len(rows)
                plain = {"item_id": at.ids[row]}
                if row < self.known:
                    hidden.discard(row)
                    plain = self.table.row(row, named=True)
            rows.append(row_of_fields(fields, self.table.schema, plain))
        if rows or not kept.all():
            out._rearrange(at, kept, new, patched, rows)
        out.hidden = frozenset(hidden)
        out.live = None
        if hidden:
            mask = np.ones(len(out), bool)
            mask[list(hidden)] = False
            out.live = Allowed.of(mask)
        return out

    def _rearrange(
        self,
        at: "Catalogue",
        kept: Bool[np.ndarray, " before"],
        new: list[Any],
        patched: Mapping[int, int],
        rows: list[dict[str, Any]],
    ) -> None:
        """Take over the rows of an earlier catalogue, but for those that are dropped or changed.

        Args:
            at: the earlier one.
            kept: its rows that stay.
            new: IDs of the rows after its last.
            patched: which of `rows` stands in a row, or after the last.
            rows: what is said anew.
        """
        source = np.arange(len(at) + len(new))
        for row, place in patched.items():
            source[row] = len(at) + place
        source = source[np.concatenate([kept, np.ones(len(new), bool)])]
        table = at.table
        if rows:
            fresh = pl.DataFrame(rows, schema=table.schema, strict=False)
            table = pl.concat([table, fresh])
        if not np.array_equal(source, np.arange(len(table))):
            table = table[source]
        # The run's own rows stay where they are: what is copied is copied as a block, since a loop
        # over a large catalogue would hold up every answer meanwhile.
        late = (np.flatnonzero(kept[self.known :]) + self.known).tolist()
        if new or not kept.all():
            more = [*(at.ids[row] for row in late), *new]
            self.ids = at.ids[: self.known] + more
            self.row_of = dict(at.row_of)
            for row in np.flatnonzero(~kept).tolist():
                del self.row_of[str(at.ids[row])]
            self.row_of.update((str(one), self.known + place) for place, one in enumerate(more))
        self.titles = [
            *at.titles[: self.known],
            *(at.titles[row] for row in late),
            *[""] * len(new),
        ]
        self.prices = [*at.prices[: self.known], *(at.prices[row] for row in late)]
        self.prices += [None] * len(new)
        self.category = np.full(len(source), -1, np.int32)
        same = source < len(at)
        self.category[same] = at.category[source[same]]
        self.table = table
        self._read(np.flatnonzero(~same))

    def _read(self, rows: Int64[np.ndarray, " rows"]) -> None:
        """Read title, category and price of some rows off the table."""
        part, places = self.table[rows], rows.tolist()
        if self._title is None:
            titles = [str(self.ids[row]) for row in places]
        else:
            titles = part[self._title].cast(pl.String).fill_null("").to_list()
        prices: list[float | None] = [None] * len(part)
        if PRICE in part.columns and part.schema[PRICE].is_numeric():
            prices = as_written(part[PRICE]).fill_nan(None).to_list()
        names: list[str | None] = [None] * len(part)
        if self._category is not None:
            names = _first(part[self._category]).to_list()
        more = [one for one in dict.fromkeys(names) if one is not None and one not in self._code]
        if more:
            self.categories = [*self.categories, *more]
            self._code = {name: code for code, name in enumerate(self.categories)}
        codes = [-1 if one is None else self._code[one] for one in names]
        self.category[rows] = np.array(codes, np.int32)
        for row, title, price in zip(places, titles, prices):
            self.titles[row], self.prices[row] = title, price

    def shown(self, item_id: Any) -> int | None:
        """The row of an item that may be shown; None where there is none, or it was deleted."""
        row = self.row_of.get(str(item_id))
        return None if row is None or row in self.hidden else row

    def takes(self, item_id: str) -> bool:
        """Whether an item that is new could have this ID: where all are integers, one of those."""
        if not self._integers:
            return True
        digits = item_id.removeprefix("-")
        fits = digits.isascii() and digits.isdigit() and len(digits) < 19
        return fits and str(int(item_id)) == item_id

    def refuse_misfits(self, item_id: str, fields: Fields) -> None:
        """Let nothing be said of an item that this catalogue could not hold.

        Raises:
            ConfigError: the ID is none of its kind, a column is not there, or holds another kind.
        """
        if not self.takes(item_id):
            raise ConfigError(
                "item IDs of the run in service are integers",
                hint=f"such as {next(iter(self.row_of), '17')}",
            )
        refuse_misfits(fields, self.table.schema)

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


def _category_column(run: Run) -> str | None:
    """The column that tells the category, if there is one."""
    named = [
        name
        for name, role in run.schema.items.items()
        if role == "category" and name in run.item_table.columns
    ]
    # A catalogue has many such columns (brand, colour): the one of that name is meant.
    return "category" if "category" in named else next(iter(named), None)


def _first(column: pl.Series) -> pl.Series:
    """The category of each item as text; the first where there are several."""
    return (column.list.first() if isinstance(column.dtype, pl.List) else column).cast(pl.String)


def _no_column(what: str, wanted: str) -> ConfigError:
    return ConfigError(
        f"the catalogue of this run tells no {what}", hint=f"import items with {wanted}"
    )
