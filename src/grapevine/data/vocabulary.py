"""Outside names and inside numbers: IDs and rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Int64, Shaped

from grapevine.structs.rising import places


@dataclass(frozen=True)
class Vocabulary:
    """The IDs of users or items, sorted; an ID's place is its row.

    IDs are the caller's own: strings or integers, and come back unchanged. Sorting makes the
    rows a function of the set of IDs alone, whatever order they were met in.

    Attributes:
        ids: `(N,)` a polars series, Int64 or String, rising and distinct.
    """

    ids: pl.Series

    def __post_init__(self) -> None:
        if self.ids.dtype not in {pl.Int64, pl.String}:
            raise ValueError(f"IDs must be Int64 or String: got {self.ids.dtype}")
        if self.ids.null_count() or not (self.ids.is_sorted() and self.ids.n_unique() == len(self)):
            raise ValueError("IDs must be distinct, sorted and without nulls")

    @classmethod
    def of(cls, ids: Sequence[Any] | pl.Series) -> "Vocabulary":
        """The vocabulary of any collection of IDs; strings if any one is a string.

        >>> Vocabulary.of(["b", "a", "b"]).ids.to_list()
        ['a', 'b']
        """
        series = ids if isinstance(ids, pl.Series) else _series(ids)
        if series.dtype.is_integer():
            series = series.cast(pl.Int64)
        elif series.dtype != pl.String:
            series = series.cast(pl.String)
        return cls(series.drop_nulls().unique().sort())

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_integer(self) -> bool:
        """Whether the IDs are integers."""
        return self.ids.dtype == pl.Int64

    def rows(self, ids: Sequence[Any] | pl.Series) -> Int64[np.ndarray, " ids"]:
        """Row of each ID, -1 for one that is not there; "42" finds 42 and 42 finds "42"."""
        series = ids if isinstance(ids, pl.Series) else _series(ids)
        if self.is_integer and series.dtype == pl.String:
            number = series.cast(pl.Int64, strict=False)
            # "007" is not the integer 7: an ID must come back as it was given.
            series = pl.select(pl.when(number.cast(pl.String) == series).then(number)).to_series()
        elif series.dtype != self.ids.dtype:
            series = series.cast(self.ids.dtype, strict=False)
        if self.is_integer:
            return self._integer_rows(series)
        found = series.to_frame("id").join(self._lookup, on="id", how="left", maintain_order="left")
        return found["row"].fill_null(-1).to_numpy().astype(np.int64, copy=False)

    def _integer_rows(self, series: pl.Series) -> Int64[np.ndarray, " ids"]:
        known = series.is_not_null().to_numpy()
        wanted = series.fill_null(0).to_numpy()
        table = self._table if len(self) else None
        if table is not None:
            low, high = self._numbers[0], self._numbers[-1]
            inside = known & (wanted >= low) & (wanted <= high)
            return np.where(inside, table[np.where(inside, wanted - low, 0)], -1)
        return np.where(known, places(self._numbers, wanted), -1)

    def take(self, rows: Shaped[np.ndarray, " rows"]) -> pl.Series:
        """The ID of each row; null for -1."""
        index = pl.Series(rows, dtype=pl.Int64)
        return self.ids.gather(pl.select(pl.when(index >= 0).then(index)).to_series())

    def keep(self, mask: Bool[np.ndarray, " N"]) -> "Vocabulary":
        """Only the IDs for which the mask is true."""
        return Vocabulary(self.ids.filter(pl.Series(mask)))

    @cached_property
    def _lookup(self) -> pl.DataFrame:
        return pl.DataFrame({"id": self.ids, "row": np.arange(len(self), dtype=np.int64)})

    @cached_property
    def _numbers(self) -> Int64[np.ndarray, " N"]:
        return self.ids.to_numpy()

    @cached_property
    def _table(self) -> Int64[np.ndarray, " span"] | None:
        """Row of each integer between the least and the greatest ID, if they lie close enough."""
        span = int(self._numbers[-1]) - int(self._numbers[0]) + 1
        if span > 8 * len(self) + 1024:
            return None
        table = np.full(span, -1, np.int64)
        table[self._numbers - self._numbers[0]] = np.arange(len(self))
        return table


def _series(ids: Sequence[Any]) -> pl.Series:
    if all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in ids):
        return pl.Series("id", [int(one) for one in ids], dtype=pl.Int64)
    return pl.Series("id", [str(one) for one in ids], dtype=pl.String)
