"""Group-sequential bounds: looks at planned, or at any, shares of a planned number of users.

Where the number of users is planned, the looks before it can be paid for out of the same 5 %, and
the last one costs hardly more than a single look would: intervals at the end are narrower than the
always-valid ones, and nothing is promised beyond it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from grapevine.errors import ConfigError


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
    walk, bounds = _Walk.begun(checked), list[float]()
    for time, chance in zip(checked, np.diff(spent, prepend=0.0), strict=True):
        root = float(time) ** 0.5
        step = walk.to(float(time))

        def excess(bound: float, step: _Step = step, root: float = root, chance: float = chance):
            return step.leaving(bound * root) - chance

        # Beyond 12 standard errors no chance is left that a float can tell from none.
        bounds.append(12.0 if excess(12.0) >= 0 else _root(excess, 0.5, 12.0))
        walk = step.staying(bounds[-1] * root)
    return np.array(bounds)


def crossing_chances(
    times: Float64[np.ndarray, " looks"], bounds: Float64[np.ndarray, " looks"]
) -> Float64[np.ndarray, " looks"]:
    """Chance of first leaving the bounds on |z| at each look, where there is no effect.

    The recursion of Armitage, McPherson & Rowe (1969) over the Brownian motion z sqrt(t), its
    integrals by Gauss-Legendre.
    """
    walk, found = _Walk.begun(times), list[float]()
    for time, edge in zip(times.tolist(), (bounds * np.sqrt(times)).tolist(), strict=True):
        step = walk.to(time)
        found.append(step.leaving(edge))
        walk = step.staying(edge)
    return np.array(found)


@dataclass(frozen=True, slots=True)
class _Walk:
    """Where a walk may be that has not left the bounds: places, and the chance of each."""

    time: float
    place: Float64[np.ndarray, " places"]
    mass: Float64[np.ndarray, " places"]
    nodes: int

    @classmethod
    def begun(cls, times: Float64[np.ndarray, " looks"]) -> "_Walk":
        """At 0 for certain, and as many places later as the shortest step between looks needs."""
        shortest = float(np.diff(times, prepend=0.0).min()) ** 0.5
        return cls(0.0, np.zeros(1), np.ones(1), max(96, int(36 / shortest)))

    def to(self, time: float) -> "_Step":
        """Going on until a later look."""
        return _Step(self, time, (time - self.time) ** 0.5)


@dataclass(frozen=True, slots=True)
class _Step:
    """From one look to the next."""

    walk: _Walk
    time: float
    spread: float

    def leaving(self, edge: float) -> float:
        """Chance of being beyond an edge at the look."""
        out = ndtr((self.walk.place - edge) / self.spread)
        return float(self.walk.mass @ (out + ndtr((-self.walk.place - edge) / self.spread)))

    def staying(self, edge: float) -> _Walk:
        """Those that are not."""
        nodes, weights = _gauss(self.walk.nodes)
        there = edge * nodes
        density = _density(there[:, None] - self.walk.place, self.spread) @ self.walk.mass
        return _Walk(self.time, there, edge * weights * density, self.walk.nodes)


def _root(excess: Callable[[float], float], low: float, high: float) -> float:
    found: Any = brentq(excess, low, high, xtol=1e-10)
    return float(found)


@cache
def _gauss(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(count)


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
