"""Numbers, times and vectors of items, standardised by what training holds of them."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from jaxtyping import Float32, Float64

SKEWED = 1.0
"""Numbers whose skewness is above this, and none of which is negative, are taken as log(1 + x)."""

OUTSIDE = 0.005
"""This share of training's numbers at either end is pulled to the rest."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How a column of numbers becomes one of about unit size.

    Attributes:
        log: whether log(1 + x) is taken first.
        flag: whether a second column tells where the number is missing.
        low: what is below this, after the logarithm, counts as this.
        high: likewise from above.
        mean: of training, after all that.
        std: likewise; 1 where all are alike.
    """

    log: bool
    flag: bool
    low: float
    high: float
    mean: float
    std: float

    @classmethod
    def fit(cls, values: Float64[np.ndarray, " items"], *, log: bool | None = None) -> Self:
        """What training's numbers say; NaN is a missing one, and `log` is decided if not given."""
        known = values[np.isfinite(values)]
        if log is None:
            log = bool(len(known)) and known.min() >= 0 and _skewness(known) > SKEWED
        seen = np.log1p(known) if log else known
        low, high = np.quantile(seen, [OUTSIDE, 1 - OUTSIDE]) if len(seen) else (0.0, 0.0)
        seen = np.clip(seen, low, high)
        return cls(
            log=bool(log),
            flag=len(known) < len(values),
            low=float(low),
            high=float(high),
            mean=float(seen.mean()) if len(seen) else 0.0,
            std=float(seen.std()) or 1.0 if len(seen) else 1.0,
        )

    @property
    def width(self) -> int:
        """Columns that come of it."""
        return 1 + self.flag

    def apply(self, values: Float64[np.ndarray, " items"]) -> Float32[np.ndarray, "items width"]:
        """Standardised numbers, 0 where missing, and the flag if there is one."""
        known = np.isfinite(values)
        given = np.where(known, values, 0.0)
        # A negative number where training had none is the smallest there is.
        seen = np.log1p(np.maximum(given, 0)) if self.log else given
        scaled = (np.clip(seen, self.low, self.high) - self.mean) / self.std
        columns = [np.where(known, scaled, 0.0)] + [~known] * self.flag
        return np.stack(columns, axis=1).astype(np.float32)

    def array(self) -> Float64[np.ndarray, " six"]:
        """The same as numbers, to be stored."""
        return np.array([self.log, self.flag, self.low, self.high, self.mean, self.std])

    @classmethod
    def of(cls, array: Float64[np.ndarray, " six"]) -> Self:
        """What `array` came from."""
        log, flag, low, high, mean, std = array.tolist()
        return cls(log=bool(log), flag=bool(flag), low=low, high=high, mean=mean, std=std)


def as_numbers(column: pl.Series) -> Float64[np.ndarray, " items"]:
    """Numbers as they stand, times in days since 1970; NaN where there is none."""
    if column.dtype.is_temporal():
        if isinstance(column.dtype, pl.Time | pl.Duration):
            column = column.cast(pl.Int64)
        else:
            column = column.cast(pl.Datetime("ms")).dt.epoch("ms") / 86_400_000
    return column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()


def as_vectors(column: pl.Series, width: int) -> Float32[np.ndarray, "items width"]:
    """Vectors as rows; NaN all along where there is none, or one of another width."""
    out = np.full((len(column), width), np.nan, np.float32)
    lists = column.cast(pl.List(pl.Float32), strict=False)
    fits = (lists.list.len() == width).fill_null(False).to_numpy()
    if fits.any():
        out[fits] = lists.filter(pl.Series(fits)).explode().to_numpy().reshape(-1, width)
        out[~np.isfinite(out).all(axis=1)] = np.nan
    return out


def vector_width(column: pl.Series) -> int:
    """The width that most vectors of the column have; 0 where there is none."""
    lengths = column.cast(pl.List(pl.Float64), strict=False).list.len().drop_nulls()
    lengths = lengths.filter(lengths > 0)
    return int(np.bincount(lengths.to_numpy()).argmax()) if len(lengths) else 0


def vector_scale(vectors: Float32[np.ndarray, "items width"]) -> Float32[np.ndarray, "two width"]:
    """Mean and standard deviation of each place, of the vectors that are there."""
    known = vectors[np.isfinite(vectors).all(axis=1)]
    if not len(known):
        return np.stack([np.zeros(vectors.shape[1]), np.ones(vectors.shape[1])]).astype(np.float32)
    std = known.std(axis=0, dtype=np.float64)
    return np.stack([known.mean(axis=0, dtype=np.float64), np.where(std > 0, std, 1.0)]).astype(
        np.float32
    )


def standardised(
    vectors: Float32[np.ndarray, "items width"], scale: Float32[np.ndarray, "two width"]
) -> Float32[np.ndarray, "items width"]:
    """Vectors less their mean, over their deviation; zeros where there is none."""
    return np.nan_to_num((vectors - scale[0]) / scale[1], copy=False, nan=0.0)


def _skewness(values: Any) -> float:
    away = values - values.mean()
    spread = away.std()
    return float((away**3).mean() / spread**3) if spread > 0 else 0.0
