"""Logits to chances that come true, and the table that shows whether they do.

Q = questions, C = candidates of each, N = cases
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, Shaped

BINS = 10
"""Of the table, each with as many answers to be expected as any other."""
TURNS = 100
"""Most steps of Newton."""
LEAST = 1e-3
"""Of a slope: calibration must not turn the order round."""


@dataclass(frozen=True, slots=True)
class Table:
    """Whether chances come true, by bin; of a behaviour that nothing was held out of, of zeros.

    Attributes:
        predicted: `(behaviours, bins)` mean chance.
        observed: `(behaviours, bins)` share that came true.
        counts: `(behaviours, bins)` cases.
    """

    predicted: Float64[np.ndarray, "behaviours bins"]
    observed: Float64[np.ndarray, "behaviours bins"]
    counts: Float64[np.ndarray, "behaviours bins"]


@runtime_checkable
class Calibrated(Protocol):
    """A model whose chances were held against what came true."""

    @property
    def calibration(self) -> Table:
        """By behaviour, in the order of the funnel."""
        ...


def sigmoid(x: Shaped[np.ndarray, "*any"]) -> Float64[np.ndarray, "*any"]:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x.astype(np.float64)))


def platt(
    logits: Shaped[np.ndarray, " cases"],
    came: Bool[np.ndarray, " cases"],
    weights: Shaped[np.ndarray, " cases"] | None = None,
) -> tuple[float, float]:
    """The slope and the offset by which `sigmoid(slope * logit + offset)` fits what came true.

    Platt, 1999, with his priors of one more of each kind, by the damped Newton steps of Lin, Lin
    and Weng (Machine Learning 68, 2007). An offset is needed beside a temperature, since in
    training negatives are drawn and far fewer than candidates are.

    Args:
        logits: of the cases.
        came: which came true.
        weights: how many cases each stands for; one if not given.
    """
    x, w = logits.astype(np.float64), np.ones(len(logits)) if weights is None else weights
    yes, no = float(w[came].sum()), float(w[~came].sum())
    if not len(x):
        return 1.0, 0.0
    wanted = np.where(came, (yes + 1) / (yes + 2), 1 / (no + 2))
    at = np.array([1.0, np.log((yes + 1) / (no + 1)) - (w @ x) / w.sum()])
    one = np.ones_like(x)
    at = _newton(x, wanted, w, at, np.stack([x, one]))
    if at[0] < LEAST:  # the order of the candidates says nothing, or the contrary
        at = _newton(x, wanted, w, np.array([LEAST, at[1]]), np.stack([0 * x, one]))
    return float(at[0]), float(at[1])


def _newton(
    x: np.ndarray, wanted: np.ndarray, w: np.ndarray, at: np.ndarray, moved: np.ndarray
) -> Float64[np.ndarray, " two"]:
    """The least cross-entropy over slope and offset, `moved` being what each is multiplied by."""
    lost = _lost(x, wanted, w, at)
    for _ in range(TURNS):
        chance = sigmoid(at[0] * x + at[1])
        gradient = moved @ (w * (chance - wanted))
        if np.abs(gradient).max() < 1e-9 * w.sum():
            break
        curve = (moved * (w * chance * (1 - chance))) @ moved.T + 1e-10 * np.eye(2)
        way, share = np.linalg.solve(curve, gradient), 1.0
        while share > 1e-10:
            there = _lost(x, wanted, w, at - share * way)
            if there < lost:
                at, lost = at - share * way, there
                break
            share /= 2
        else:
            break
    return at


def _lost(x: np.ndarray, wanted: np.ndarray, w: np.ndarray, at: np.ndarray) -> float:
    logit = at[0] * x + at[1]
    return float(w @ (np.logaddexp(0, logit) - wanted * logit))


def table_of(
    logits: Shaped[np.ndarray, "questions candidates"],
    came: Bool[np.ndarray, "questions candidates"],
    there: Bool[np.ndarray, "questions candidates"],
    weights: Shaped[np.ndarray, "questions candidates"] | None = None,
) -> Float64[np.ndarray, "three bins"]:
    """Mean chance, share that came true and cases by bin.

    Each half of the questions is told by what was fitted on the other half. Nearly all chances are
    small, so bins hold like sums of chances and not like numbers of cases.

    Args:
        logits: of the candidates.
        came: which of them were taken.
        there: which places hold a candidate.
        weights: how many candidates each stands for; one if not given.
    """
    half = np.broadcast_to(np.arange(len(logits))[:, None] % 2 == 0, there.shape)[there]
    x, yes = logits[there], came[there]
    w = np.ones(len(x)) if weights is None else weights[there]
    chance = np.zeros(len(x))
    for kept in (half, ~half):
        slope, offset = platt(x[kept], yes[kept], w[kept])
        chance[~kept] = sigmoid(slope * x[~kept] + offset)
    order = np.argsort(chance, kind="stable")
    chance, yes, w = chance[order], yes[order], w[order]
    said = w * chance
    total = max(said.sum(), 1e-300)
    place = np.minimum(((np.cumsum(said) - said / 2) / total * BINS).astype(int), BINS - 1)
    counts = np.bincount(place, weights=w, minlength=BINS)
    per = np.where(counts > 0, counts, 1)
    predicted = np.bincount(place, weights=said, minlength=BINS) / per
    observed = np.bincount(place, weights=w * yes, minlength=BINS) / per
    return np.stack([predicted, observed, counts])
