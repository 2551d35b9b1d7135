"""How many users, how small an effect, how many days: to be asked before an experiment starts.

All by the normal approximation for two arms. A covariate with correlation rho takes rho^2 of the
variance away; CUPED's gain is entered so.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from grapevine.errors import ConfigError


def deviation_of_rate(rate: float) -> float:
    """Standard deviation of a yes or no with this chance of yes."""
    return math.sqrt(rate * (1 - rate))


def users_per_arm(
    deviation: float,
    effect: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    correlation: float = 0.0,
    ratio: float = 1.0,
) -> int:
    """Users in the control, so that an effect of this size is found with this chance.

    Args:
        deviation: of the metric between users.
        effect: difference of the means to be found.
        alpha: two-sided chance of a false positive.
        power: chance of finding it.
        correlation: of the metric with its covariate.
        ratio: users of the treatment over those of the control.

    Raises:
        ConfigError: the effect is zero, or a chance lies outside (0, 1).

    >>> users_per_arm(deviation_of_rate(0.10), 0.002)
    353200
    """
    _check(alpha, power)
    if not effect:
        raise ConfigError("no number of users finds an effect of zero", hint="give the smallest "
                          "effect that would matter")  # fmt: skip
    wanted = (float(-ndtri(alpha / 2)) + float(ndtri(power))) ** 2
    variance = deviation**2 * (1 - correlation**2) * (1 + 1 / ratio)
    return math.ceil(wanted * variance / effect**2 - 1e-9)


def power_of(
    users: int,
    deviation: float,
    effect: float,
    *,
    alpha: float = 0.05,
    correlation: float = 0.0,
    ratio: float = 1.0,
) -> float:
    """Chance of finding an effect with so many users in the control: the inverse of the above."""
    _check(alpha, 0.5)
    shift = abs(effect) / _error(users, deviation, correlation, ratio)
    bound = float(-ndtri(alpha / 2))
    return float(ndtr(shift - bound) + ndtr(-shift - bound))


def detectable_effect(
    users: int,
    deviation: float,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    correlation: float = 0.0,
    ratio: float = 1.0,
) -> float:
    """The smallest effect that so many users in the control find with this chance."""
    _check(alpha, power)
    error = _error(users, deviation, correlation, ratio)
    return (float(-ndtri(alpha / 2)) + float(ndtri(power))) * error


def days_needed(
    users: int, arrivals: Sequence[float] | float, *, share: float = 0.5, whole_weeks: bool = True
) -> int:
    """Days until an arm has so many users.

    Args:
        users: of the arm.
        arrivals: people never seen before on each day, the last figure holding on; or one for all
            days. Regular visitors come back, so this falls from day to day.
        share: of the arrivals that come into the arm.
        whole_weeks: round up, since people do other things at weekends.

    Raises:
        ConfigError: nobody arrives any more before there are enough.
    """
    by_day = np.atleast_1d(np.asarray(arrivals, np.float64)) * share
    passed = np.cumsum(by_day)
    if passed[-1] >= users:
        days = int(np.searchsorted(passed, users)) + 1
    elif by_day[-1] > 0:
        days = len(by_day) + math.ceil((users - passed[-1]) / by_day[-1] - 1e-9)
    else:
        raise ConfigError(
            f"only {passed[-1]:,.0f} users ever come into the arm, and {users:,} are needed",
            hint="give the arm a larger share, or look for a larger effect",
        )
    return 7 * math.ceil(days / 7) if whole_weeks else days


def _error(users: int, deviation: float, correlation: float, ratio: float) -> float:
    return deviation * math.sqrt((1 - correlation**2) * (1 + 1 / ratio) / users)


def _check(alpha: float, power: float) -> None:
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ConfigError(f"alpha and power lie between 0 and 1, got {alpha:g} and {power:g}")
