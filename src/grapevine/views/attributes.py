"""Attributes of users and items as a few values each: names and buckets, so that they can be nodes.

Every attribute has a value of its own for what is not known, which is never mistaken for another.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Self

import numpy as np
import polars as pl
from jaxtyping import Float64

from grapevine.data.vocabulary import Vocabulary
from grapevine.errors import unknown
from grapevine.structs.jagged import Jagged, offsets_of
from grapevine.views.numbers import as_numbers

ROLES = ("category", "tags", "number")
"""Roles of the columns that can be attributes."""

BANDS: dict[str, float] = {"age": 10.0}
"""Columns of numbers that are cut into bands of a fixed width, by name."""

Side = Literal["user", "item"]

UNKNOWN, OTHER = "unknown", "other"


@dataclass(frozen=True, slots=True)
class Names:
    """Categories or tags: unknown, other, then each name that is met often enough.

    Attributes:
        known: the names.
    """

    known: Vocabulary

    @classmethod
    def fit(cls, column: pl.Series, rare: int = 5) -> Self:
        """The names that at least `rare` lines have."""
        lines, names = _named(column)
        met = pl.DataFrame({"line": lines, "name": names}).unique().group_by("name").len()
        return cls(Vocabulary.of(met.filter(pl.col("len") >= rare)["name"]))

    @property
    def labels(self) -> tuple[str, ...]:
        """What each value is called."""
        return UNKNOWN, OTHER, *self.known.ids.to_list()

    def values(self, column: pl.Series) -> Jagged:
        """The values of each line: one of a category, any number of a list of tags."""
        lines, names = _named(column)
        # -1, a name that is rare or new, becomes 1; the first that is known becomes 2.
        rows = np.maximum(self.known.rows(names) + 2, 1)
        counts = np.bincount(lines, minlength=len(column))
        nobody = np.flatnonzero(counts == 0)
        order = np.argsort(np.concatenate([lines, nobody]), kind="stable")
        rows = np.concatenate([rows, np.zeros(len(nobody), np.int64)])[order]
        return Jagged(offsets_of(np.maximum(counts, 1)), rows.astype(np.int32))


@dataclass(frozen=True, slots=True)
class Buckets:
    """Numbers: unknown, then each span between two bounds.

    Attributes:
        bounds: rising; a number that equals one lies above it.
    """

    bounds: Float64[np.ndarray, " bounds"]

    @classmethod
    def even(cls, column: pl.Series, buckets: int = 10) -> Self:
        """As many lines in each bucket, but for ties.

        The quantiles of a price and of its logarithm cut at the same places.
        """
        known = _finite(column)
        if not len(known):
            return cls(np.empty(0))
        shares = np.arange(1, buckets) / buckets
        return cls(np.unique(np.quantile(known, shares, method="higher")).astype(np.float64))

    @classmethod
    def bands(cls, column: pl.Series, width: float) -> Self:
        """Cut at the multiples of a width, such as every ten years."""
        known = _finite(column)
        if not len(known):
            return cls(np.empty(0))
        low, high = np.floor(known.min() / width), np.floor(known.max() / width)
        return cls(np.arange(low + 1, high + 1) * width)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each value is called."""
        cuts = [f"{bound:g}" for bound in self.bounds]
        if not cuts:
            return UNKNOWN, "any"
        between = [f"{low} to {high}" for low, high in pairwise(cuts)]
        return UNKNOWN, f"below {cuts[0]}", *between, f"{cuts[-1]} and above"

    def values(self, column: pl.Series) -> Jagged:
        """The value of each line."""
        numbers = as_numbers(column)
        above = np.searchsorted(self.bounds, numbers, side="right") + 1
        rows = np.where(np.isfinite(numbers), above, 0)
        return Jagged(np.arange(len(rows) + 1), rows.astype(np.int32))


@dataclass(frozen=True, slots=True)
class Attribute:
    """A column of users or items, with the values of each.

    Attributes:
        side: whose it is.
        column: what it is called in the table.
        kind: which values there are; sees a table of later users or items by the same eyes.
        values: of each user or item, at least one each.
    """

    side: Side
    column: str
    kind: Names | Buckets
    values: Jagged

    @property
    def name(self) -> str:
        """Of this type of node."""
        return f"{self.side}.{self.column}"


def attributes_of(
    side: Side,
    table: pl.DataFrame,
    roles: Mapping[str, str],
    *,
    use: Collection[str],
    buckets: int = 10,
    bands: Mapping[str, float] = BANDS,
    rare: int = 5,
) -> list[Attribute]:
    """The attributes in a table.

    Args:
        side: whose table it is.
        table: one line for each user or item.
        roles: of the columns.
        use: columns.
        buckets: of a column of numbers.
        bands: width of each column of numbers that is cut into bands instead.
        rare: names that fewer lines have are one value, `other`.
    """
    found: list[Attribute] = []
    for column, role in roles.items():
        if column not in use or column not in table.columns or role not in ROLES:
            continue
        values = table[column]
        if role != "number":
            kind = Names.fit(values, rare)
        elif column in bands:
            kind = Buckets.bands(values, bands[column])
        else:
            kind = Buckets.even(values, buckets)
        found.append(Attribute(side, column, kind, kind.values(values)))
    return found


def chosen(use: Sequence[str] | None, columns: Sequence[tuple[str, str]]) -> set[str]:
    """The columns that are meant.

    Args:
        use: columns by name, or roles of `ROLES`; a name that is both is the column. None for all.
        columns: name and role of each.

    Raises:
        ConfigError: one is neither a column nor a role.
    """
    if use is None:
        return {name for name, _ in columns}
    names = {name for name, _ in columns}
    for one in use:
        if one not in ROLES and one not in names:
            raise unknown("role or column of users or items", one, [*ROLES, *names])
    return {name for name, role in columns if name in use or role in {*use} - names}


def _named(column: pl.Series) -> tuple[np.ndarray, pl.Series]:
    """Line and name of each entry that is not null."""
    table = pl.DataFrame({"name": column}).with_row_index("line")
    if isinstance(column.dtype, pl.List | pl.Array):
        table = table.explode("name")
    table = table.drop_nulls()
    return table["line"].to_numpy().astype(np.int64), table["name"].cast(pl.String)


def _finite(column: pl.Series) -> Float64[np.ndarray, " known"]:
    numbers = as_numbers(column)
    return numbers[np.isfinite(numbers)]
