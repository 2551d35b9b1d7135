"""How sure a figure is: bootstrap over users and seeds, paired tests, Holm's correction.

The unit is the query. Two models are compared on the same queries and the same candidates, so
that what makes a query hard cancels out.
"""

import math

import numpy as np
from jaxtyping import Float64
from scipy.special import stdtr

DRAWS = 20_000_000
"""Queries drawn in all the resamples of one bootstrap together: less than a second."""

FEW = 1000
"""Below so many queries the sign-flip test is used, above them Student's paired t."""


def num_resamples(queries: int, draws: int = DRAWS) -> int:
    """10,000 for few queries, fewer for many, never under 500."""
    return int(np.clip(draws // max(queries, 1), 500, 10_000))


def resample_means(
    values: Float64[np.ndarray, "columns queries"],
    *,
    resamples: int,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "resamples columns"]:
    """Mean of every column over queries drawn with replacement, the same draws for all of them.

    Args:
        values: NaN marks queries that do not count in a column; a resample in which none counts
            gives NaN.
        resamples: how many.
        rng: draws the queries.
    """
    columns, queries = values.shape
    valid = np.isfinite(values)
    partial = np.flatnonzero(~valid.all(axis=1))
    # One matrix product for all: sums of the values, then how many of them counted.
    summed = np.concatenate([np.where(valid, values, 0.0), valid[partial].astype(float)]).T
    means = np.empty((resamples, columns))
    # So many resamples at once that their counts fill 32 MiB.
    chunk = max(1, 4_000_000 // max(queries, 1))
    for low in range(0, resamples, chunk):
        high = min(low + chunk, resamples)
        drawn = rng.integers(0, queries, (high - low, queries))
        counts = np.stack([np.bincount(row, minlength=queries) for row in drawn]).astype(float)
        sums = counts @ summed
        means[low:high] = sums[:, :columns] / queries
        with np.errstate(invalid="ignore"):
            means[low:high, partial] = sums[:, partial] / sums[:, columns:]
    return means


def resample_seeds(
    means: Float64[np.ndarray, "resamples seeds"], rng: np.random.Generator
) -> Float64[np.ndarray, " resamples"]:
    """The second level of the hierarchical bootstrap: seeds drawn with replacement as well."""
    resamples, seeds = means.shape
    drawn = rng.integers(0, seeds, (resamples, seeds))
    return np.take_along_axis(means, drawn, axis=1).mean(axis=1)


def interval(
    resampled: Float64[np.ndarray, " resamples"], level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of a bootstrap."""
    tail = (1 - level) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def paired_p(
    differences: Float64[np.ndarray, " queries"], rng: np.random.Generator
) -> tuple[float, str]:
    """Two-sided p that paired differences have mean zero, and the test that gave it."""
    differences = differences[np.isfinite(differences)]
    if len(differences) < FEW:
        return sign_flip(differences, rng), "sign-flip"
    return paired_t(differences), "paired t"


def paired_t(differences: Float64[np.ndarray, " queries"]) -> float:
    """Two-sided p of Student's t for a mean of zero; 1 if every difference is zero."""
    size = len(differences)
    mean = float(differences.mean()) if size else 0.0
    if size < 2 or mean == 0:
        return 1.0
    spread = float(differences.std(ddof=1))
    if spread == 0:
        return 0.0
    return float(2 * stdtr(size - 1, -abs(mean) / (spread / math.sqrt(size))))


def sign_flip(
    differences: Float64[np.ndarray, " queries"], rng: np.random.Generator, *, flips: int = 10_000
) -> float:
    """Two-sided p by randomisation: how often random signs give a sum as far from zero.

    The observed signs count as one of the flips, so p is never 0 (Phipson & Smyth 2010).
    """
    # Zeros are the same under either sign.
    differences = differences[differences != 0]
    if len(differences) == 0:
        return 1.0
    observed = abs(differences.sum())
    # What differs by rounding only is a tie, and a tie is as far from zero.
    edge = observed * (1 - 1e-12)
    as_far = 0
    for low in range(0, flips, 1000):
        rows = min(1000, flips - low)
        signs = rng.integers(0, 2, (rows, len(differences)), dtype=np.int8) * 2.0 - 1.0
        as_far += int((np.abs(signs @ differences) >= edge).sum())
    return (1 + as_far) / (1 + flips)


def holm(p: Float64[np.ndarray, " tests"]) -> Float64[np.ndarray, " tests"]:
    """Adjust p values for their number, step down (Holm, Scand. J. Stat. 1979).

    >>> holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist()
    [0.03, 0.06, 0.06, 0.02]
    """
    order = np.argsort(p)
    factor = len(p) - np.arange(len(p))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factor * p[order]))
    return adjusted
