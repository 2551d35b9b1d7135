"""Tests that may be looked at every day: mixture SPRT, and group-sequential bounds.

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
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.optimize import brentq
from scipy.special import lambertw, ndtr, ndtri

from grapevine.errors import ConfigError

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


def obrien_fleming(looks: int, *, alpha: float = 0.05) -> Float64[np.ndarray, " looks"]:
    """Bounds on |z| at so many equally spaced looks (O'Brien & Fleming, Biometrics 1979).

    The k-th of K is C sqrt(K / k): hardly to be crossed early, close to the usual 1.96 at the end.

    >>> obrien_fleming(5).round(2).tolist()
    [4.56, 3.23, 2.63, 2.28, 2.04]
    """
    times = _checked(np.arange(1, looks + 1) / max(looks, 1))

    def excess(factor: float) -> float:
        return float(crossing_chances(times, factor / np.sqrt(times)).sum()) - alpha

    # One look needs the least bound, and Bonferroni's is more than enough for all.
    most = float(-ndtri(alpha / 2 / looks)) + 1e-6
    return _root(excess, -float(ndtri(alpha / 2)) - 1e-9, most) / np.sqrt(times)


def spending_bounds(
    times: Sequence[float], *, alpha: float = 0.05
) -> Float64[np.ndarray, " looks"]:
    """Bounds on |z| at any looks, spending alpha as O'Brien and Fleming do (Lan & DeMets 1983).

    By the share t of the planned users each side has spent 2 - 2 Phi(z / sqrt(t)), all of alpha / 2
    at the end; only the looks so far decide a bound, so none has to be planned.

    Args:
        times: share of the planned users at each look, rising, at most 1.
        alpha: chance of crossing any bound where there is no effect.
    """
    checked = _checked(np.asarray(times, np.float64))
    spent = 4 * ndtr(ndtri(alpha / 4) / np.sqrt(checked))
    bounds: list[float] = []
    for look in range(len(checked)):
        upto, chance = checked[: look + 1], float(spent[look] - (spent[look - 1] if look else 0))

        def excess(bound: float, upto: np.ndarray = upto, chance: float = chance) -> float:
            return float(crossing_chances(upto, np.array([*bounds, bound]))[-1]) - chance

        # Beyond 12 standard errors no chance is left that a float can tell from none.
        bounds.append(12.0 if excess(12.0) >= 0 else _root(excess, 0.5, 12.0))
    return np.array(bounds)


def crossing_chances(
    times: Float64[np.ndarray, " looks"], bounds: Float64[np.ndarray, " looks"]
) -> Float64[np.ndarray, " looks"]:
    """Chance of first leaving the bounds on |z| at each look, where there is no effect.

    The recursion of Armitage, McPherson & Rowe (1969) over the Brownian motion z sqrt(t), its
    integrals by Gauss-Legendre.
    """
    edge = bounds * np.sqrt(times)
    found = [2 * float(ndtr(-bounds[0]))]
    step = float(np.diff(times, prepend=0).min()) ** 0.5
    nodes, weights = np.polynomial.legendre.leggauss(max(96, int(12 * edge.max() / step)))
    place = edge[0] * nodes
    mass = edge[0] * weights * _density(place, times[0] ** 0.5)
    for look in range(1, len(times)):
        spread = (times[look] - times[look - 1]) ** 0.5
        out = ndtr((place - edge[look]) / spread) + ndtr((-place - edge[look]) / spread)
        found.append(float(mass @ out))
        there = edge[look] * nodes
        density = _density(there[:, None] - place, spread) @ mass
        place, mass = there, edge[look] * weights * density
    return np.array(found)


def _root(excess: Callable[[float], float], low: float, high: float) -> float:
    found: Any = brentq(excess, low, high, xtol=1e-10)
    return float(found)


def _density(x: np.ndarray, spread: float) -> np.ndarray:
    return np.exp(-0.5 * (x / spread) ** 2) / (spread * math.sqrt(2 * math.pi))


def _checked(times: Float64[np.ndarray, " looks"]) -> Float64[np.ndarray, " looks"]:
    rising = len(times) and times[0] > 0 and (np.diff(times) > 0).all() and times[-1] <= 1
    if not rising:
        raise ConfigError(
            f"looks must be at rising shares of the planned users in (0, 1], got {times.tolist()}",
            hint="give users so far over users planned",
        )
    return times
