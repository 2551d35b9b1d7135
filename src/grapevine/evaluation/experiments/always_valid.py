"""Figures that may be looked at at any time: the mixture sequential probability ratio test.

A fixed-horizon p is valid at one look. Looked at daily, an A/A test comes out "significant" in far
more than 5 % of cases. The mixture sequential probability ratio test (Robbins 1970; Johari et al.,
KDD 2017) weighs every effect by N(0, tau^2) against none: with a difference d and its standard
error s after any number of users,

    Lambda = sqrt(s^2 / (s^2 + tau^2)) exp(tau^2 d^2 / (2 s^2 (s^2 + tau^2)))

and the chance that 1 / Lambda ever falls below alpha is at most alpha where there is no effect. For
one sample s^2 = V / n, which gives Johari's formula. Errors are estimated, so this holds from some
hundred users an arm on, not from the first.
"""

import math

import numpy as np
from jaxtyping import Float64
from scipy.special import lambertw

Values = Float64[np.ndarray, "*batch"]
Numbers = float | Values
Tau = float | Float64[np.ndarray, "..."]
"""One for all, or what goes with the differences by numpy's rules."""


def log_ratio(difference: Numbers, error: Numbers, tau: Tau) -> Values:
    """Log of Lambda; 0 where the error is unknown or zero.

    >>> s = (2 / 1000) ** 0.5
    >>> round(float(np.exp(log_ratio(0.1, s, 0.1))), 4)
    3.2787
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        noise, signal = error**2, np.square(tau)
        both = noise + signal
        found = 0.5 * np.log(noise / both) + signal * difference**2 / (2 * noise * both)
    return np.asarray(np.where(error > 0, found, 0.0))


def always_valid_p(difference: Values, error: Values, tau: Tau) -> Values:
    """P at each look of the first axis, the least so far: it only falls, and never below the truth.

    Args:
        difference: of all users up to each look.
        error: of each difference.
        tau: standard deviation of the effects that are weighed: see `mixing`.
    """
    return np.minimum(1.0, np.exp(-np.maximum.accumulate(log_ratio(difference, error, tau), 0)))


def confidence_sequence(
    difference: Numbers, error: Numbers, tau: Tau, *, level: float = 0.95
) -> tuple[Numbers, Numbers]:
    """Intervals that all hold the effect at once, at every look, with the chance `level`.

    All effects that the test of that effect does not reject: unbounded where the error is unknown.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        noise, signal = error**2, np.square(tau)
        both = noise + signal
        wide = np.sqrt(noise * both / signal * (np.log(both / noise) - 2 * math.log(1 - level)))
    wide = np.where(error > 0, wide, np.inf)
    centre = np.where(np.isfinite(difference), difference, 0.0)
    return centre - wide, centre + wide


def mixing(planned_error: float, *, level: float = 0.95) -> float:
    """The tau whose intervals are narrowest when the standard error has come down to the planned.

    It must not depend on the differences seen. With k = (tau / s)^2 the squared half-width over s^2
    is (1 + 1/k)(log(1 + k) - 2 log alpha), least where 1 + k = -W(-alpha^2 / e), W the lower branch
    of Lambert's function.
    """
    alpha = 1 - level
    k = -float(lambertw(-(alpha**2) / math.e, -1).real) - 1
    return planned_error * math.sqrt(k)
