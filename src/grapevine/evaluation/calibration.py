"""Whether predicted probabilities come true: reliability bins, ECE and Brier score."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Shaped


@dataclass(frozen=True, slots=True)
class Reliability:
    """Predictions by bin of equal width.

    Attributes:
        predicted: `(bins,)` mean probability; NaN for an empty bin.
        observed: `(bins,)` share that came true; NaN for an empty bin.
        counts: `(bins,)` predictions in each bin.
    """

    predicted: Float64[np.ndarray, " bins"]
    observed: Float64[np.ndarray, " bins"]
    counts: Int64[np.ndarray, " bins"]


def reliability(
    probabilities: Shaped[np.ndarray, " cases"],
    outcomes: Shaped[np.ndarray, " cases"],
    *,
    bins: int = 10,
) -> Reliability:
    """Mean prediction and share come true by bin; 1.0 falls into the last bin.

    Raises:
        ValueError: a probability lies outside [0, 1].
    """
    if len(probabilities) and not (probabilities.min() >= 0 and probabilities.max() <= 1):
        raise ValueError(
            f"probabilities must lie in [0, 1]: got {probabilities.min()} .. {probabilities.max()}"
        )
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    per = np.where(counts > 0, counts, np.nan)
    return Reliability(
        predicted=np.bincount(place, weights=probabilities, minlength=bins) / per,
        observed=np.bincount(place, weights=outcomes, minlength=bins) / per,
        counts=counts,
    )


def expected_calibration_error(
    probabilities: Shaped[np.ndarray, " cases"],
    outcomes: Shaped[np.ndarray, " cases"],
    *,
    bins: int = 10,
) -> float:
    """Gap between predicted and observed, averaged over the cases (Guo et al., ICML 2017)."""
    found = reliability(probabilities, outcomes, bins=bins)
    gap = np.nan_to_num(np.abs(found.predicted - found.observed))
    return float((gap * found.counts).sum() / max(found.counts.sum(), 1))


def brier(
    probabilities: Shaped[np.ndarray, " cases"], outcomes: Shaped[np.ndarray, " cases"]
) -> float:
    """Mean squared distance between probability and outcome; 0 is perfect, 0.25 is always 1/2."""
    return float(np.mean((np.asarray(probabilities, float) - outcomes) ** 2))
