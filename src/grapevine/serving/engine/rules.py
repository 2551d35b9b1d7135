"""What a business wants of a list beside its scores; each rule a function of arrays alone.

P = candidates, C = categories, D = width
"""

from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

SMOOTHED = 0.01
"""How much of the wished-for distribution is mixed into a list's own, so that a category that the
list has not yet does not cost infinitely much (alpha of Steck 2018, section 3)."""

Similar = Callable[[int], Float[np.ndarray, " candidates"]]
"""Told a candidate by its place, how like it each candidate is, from -1 or 0 to 1."""


def standard(
    scores: Float[np.ndarray, " candidates"], mean: float, deviation: float
) -> Float64[np.ndarray, " candidates"]:
    """Scores in deviations from the mean; all 0 where nothing deviates.

    Args:
        scores: of any sign.
        mean: over the catalogue.
        deviation: likewise.

    >>> standard(np.array([-3.0, -1.0]), -2.0, 0.5).tolist()
    [-2.0, 2.0]
    """
    apart = scores.astype(np.float64) - mean
    return apart / deviation if deviation > 0 else np.zeros(len(scores))


def between(values: Float[np.ndarray, " candidates"]) -> Float64[np.ndarray, " candidates"]:
    """The same order between 0 and 1; all 1 where they are alike.

    >>> between(np.array([4.0, 2.0, 3.0])).tolist()
    [1.0, 0.0, 0.5]
    """
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return (values - low) / (high - low) if high > low else np.ones(len(values))


def by_vectors(vectors_PD: Float[np.ndarray, "candidates width"]) -> Similar:
    """Cosines; 0 of what has no vector."""
    length = np.linalg.norm(vectors_PD, axis=1, keepdims=True)
    unit_PD = vectors_PD / np.maximum(length, 1e-12)
    return lambda place: unit_PD @ unit_PD[place]


def by_category(codes_P: Int[np.ndarray, " candidates"]) -> Similar:
    """1 for the same category, 0 for another; -1 is no category, and like nobody."""
    return lambda place: ((codes_P == codes_P[place]) & (codes_P >= 0)).astype(np.float64)


def rearranged(
    relevance: Float[np.ndarray, " candidates"],
    k: int,
    *,
    similar: Similar | None = None,
    diversity: float = 0.0,
    codes: Int[np.ndarray, " candidates"] | None = None,
    wished: Float[np.ndarray, " categories"] | None = None,
    calibration: float = 0.0,
) -> Int64[np.ndarray, " chosen"]:
    """Places of the chosen, one after the other, each the best beside those before it.

    Of diversity alone it is maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): the
    greatest `(1 - d) relevance - d max similarity`. Of calibration alone it is the greedy choice of
    Steck (Calibrated recommendations, RecSys 2018, eq. 4): the greatest `(1 - c) sum of relevance -
    c KL(wished, list)`. With both, the first value takes the place of relevance in the second.

    Args:
        relevance: between 0 and 1.
        k: how many are chosen.
        similar: how like each other candidates are, with diversity.
        diversity: d, in [0, 1].
        codes: category of each candidate, -1 for none, with calibration.
        wished: share of each category that is wished for, with calibration.
        calibration: c, in [0, 1].
    """
    k = min(k, len(relevance))
    chosen = np.empty(k, np.int64)
    left = np.ones(len(relevance), bool)
    nearest = np.zeros(len(relevance))
    counts = np.zeros(0 if wished is None else len(wished))
    for place in range(k):
        value = (1 - diversity) * relevance - diversity * nearest
        if codes is not None and wished is not None and calibration:
            off = _off_with(counts, wished)
            value = (1 - calibration) * value - calibration * off[codes]
        best = int(np.argmax(np.where(left, value, -np.inf)))
        chosen[place], left[best] = best, False
        if similar is not None and diversity:
            near = similar(best)
            nearest = near if place == 0 else np.maximum(nearest, near)
        if codes is not None and wished is not None and codes[best] >= 0:
            counts[codes[best]] += 1
    return chosen


def off(
    wished: Float[np.ndarray, " categories"], shares: Float[np.ndarray, " categories"]
) -> float:
    """How far a list's categories are from those wished for: KL(wished, list), smoothed; in nats.

    Args:
        wished: adds up to one.
        shares: of the list; adds up to one, or is all zero where it has none.
    """
    told = (1 - SMOOTHED) * shares + SMOOTHED * wished
    some = wished > 0
    return float((wished[some] * np.log(wished[some] / told[some])).sum())


def _off_with(
    counts: Float[np.ndarray, " categories"], wished: Float[np.ndarray, " categories"]
) -> Float64[np.ndarray, " categories_plus_one"]:
    """How far off a list would be with one more of each category; last, with one of none."""
    total = counts.sum()
    out = np.empty(len(counts) + 1)
    # One more of a category changes the share of that one alone, against the same total.
    some = wished > 0
    base = (1 - SMOOTHED) * counts / (total + 1) + SMOOTHED * wished
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(some, wished * np.log(wished / base), 0.0)
        more = base + (1 - SMOOTHED) / (total + 1)
        changed = np.where(some, wished * np.log(wished / more), 0.0)
    out[:-1] = parts.sum() - parts + changed
    out[-1] = off(wished, counts / total if total else counts)
    return out


def shares_of(
    codes: Int[np.ndarray, " items"], categories: int
) -> Float64[np.ndarray, " categories"]:
    """The share of each category among some items, those without one left out; or all zero.

    >>> shares_of(np.array([1, 1, -1, 0]), 3).tolist()
    [0.3333333333333333, 0.6666666666666666, 0.0]
    """
    counts = np.bincount(codes[codes >= 0], minlength=categories).astype(np.float64)
    return counts / max(counts.sum(), 1)


def pinned(rows: Iterable[int], pins: Iterable[tuple[int, int]], k: int) -> list[int]:
    """A list with some items at ranks of their own, the others in order around them.

    Args:
        rows: the list, best first.
        pins: item and rank, from 1; beyond the end of the list an item comes last.
        k: how many in all.

    >>> pinned([1, 2, 3, 4], [(9, 1), (3, 3)], 4)
    [9, 1, 3, 2]
    """
    fixed = sorted(pins, key=lambda pin: pin[1])
    held = {item for item, _ in fixed}
    out = [row for row in rows if row not in held]
    for item, rank in fixed:
        out.insert(rank - 1, item)
    return out[:k]
