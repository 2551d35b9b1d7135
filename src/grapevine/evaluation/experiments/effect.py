"""What a treatment changes: means and ratios of users' metrics, adjusted by what came before.

One formula serves all. A user has an outcome y (clicks), a base d (1, or impressions) and a
covariate x measured before the assignment (0 where there is none). An arm's value is
R = mean(y) / mean(d), and by the delta method each user adds z = (y - R d) / mean(d) to its error.
CUPED (Deng et al., WSDM 2013) subtracts theta (x - mean of x over the arms) from every z, with
theta the slope of z on x pooled within the arms, which takes the share rho^2 of the variance away.
The unit is the user, as in the assignment: never the impression.
"""

# columns: 0 outcome, 1 base, 2 before

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, Shaped
from scipy.special import stdtr, stdtrit

from grapevine.errors import DataError

Values = Float64[np.ndarray, "*batch"]
Numbers = float | Values
"""Values, or one: numpy makes a number of what it computes from arrays without an axis."""


@dataclass(frozen=True, slots=True)
class Moments:
    """All that inference needs of the users of an arm: their count, means and scatter.

    Moments of two groups of users add up to those of both, so that days, shards and a stream are
    summed without going back to the users. The leading axes, if any, hold many of them at once.

    Attributes:
        count: `(*batch,)` users.
        mean: `(*batch, 3)` of outcome, base and before.
        scatter: `(*batch, 3, 3)` sums of the products of deviations from the means.
    """

    count: Float64[np.ndarray, "*batch"]
    mean: Float64[np.ndarray, "*batch columns"]
    scatter: Float64[np.ndarray, "*batch columns columns"]

    @classmethod
    def of(
        cls,
        outcome: Shaped[np.ndarray, "*batch users"],
        *,
        base: Shaped[np.ndarray, "*batch users"] | None = None,
        before: Shaped[np.ndarray, "*batch users"] | None = None,
    ) -> "Moments":
        """Of the users along the last axis.

        Args:
            outcome: each user's metric; the numerator where there is a base.
            base: each user's denominator; 1 each if not given.
            before: each user's covariate, from before the assignment.

        Raises:
            DataError: a value is not finite.
        """
        columns = _columns(outcome, base, before)
        count = np.full(outcome.shape[:-1], float(outcome.shape[-1]))
        mean = columns.mean(-2) if outcome.shape[-1] else np.zeros((*count.shape, 3))
        away = columns - mean[..., None, :]
        return cls(count, mean, np.swapaxes(away, -1, -2) @ away)

    @classmethod
    def by_group(
        cls,
        group: Int64[np.ndarray, " users"],
        num_groups: int,
        outcome: Shaped[np.ndarray, " users"],
        *,
        base: Shaped[np.ndarray, " users"] | None = None,
        before: Shaped[np.ndarray, " users"] | None = None,
    ) -> "Moments":
        """Of each group of users, such as those of a day in an arm; `(num_groups,)` of them."""
        columns = _columns(outcome, base, before)
        count = np.bincount(group, minlength=num_groups).astype(float)
        some = np.maximum(count, 1)[:, None]
        sums = [np.bincount(group, column, num_groups) for column in columns.T]
        mean = np.stack(sums, -1) / some
        away = columns - mean[group]
        scatter = np.empty((num_groups, 3, 3))
        for a in range(3):
            for b in range(3):
                scatter[:, a, b] = np.bincount(group, away[:, a] * away[:, b], num_groups)
        return cls(count, mean, scatter)

    def __add__(self, other: "Moments") -> "Moments":
        """Of both groups of users together (Chan, Golub & LeVeque 1983)."""
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        apart = other.mean - self.mean
        between = (self.count * share)[..., None, None] * apart[..., None] * apart[..., None, :]
        return Moments(
            np.asarray(count),
            self.mean + share[..., None] * apart,
            self.scatter + other.scatter + between,
        )

    def __getitem__(self, place: Any) -> "Moments":
        """Some of many along the leading axes."""
        picked = (np.asarray(part[place]) for part in (self.count, self.mean, self.scatter))
        return Moments(*picked)

    def running(self) -> "Moments":
        """Of all users up to each place of the first axis: from daily to cumulative."""
        parts = list(accumulate(self[place] for place in range(len(self.count))))
        return stacked(parts)


def stacked(parts: Iterable[Moments]) -> Moments:
    """Several as one, along a new first axis."""
    columns = zip(*((one.count, one.mean, one.scatter) for one in parts), strict=True)
    return Moments(*(np.stack(column) for column in columns))


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """Treatment minus control, with a fixed-horizon interval: valid at the one planned look.

    Every field is `(*batch,)`, as the moments were; NaN where an arm has fewer than two users or
    nothing varies.

    Attributes:
        control: value of the control, adjusted.
        treatment: value of the treatment, adjusted.
        difference: of the two.
        error: standard error of the difference.
        low: lower end of the interval (Welch's t).
        high: upper end.
        p: two-sided, that there is no difference.
        lift: difference over the control's value.
        lift_low: lower end of the lift's interval (delta method).
        lift_high: upper end.
        theta: slope on the covariate, 0 without one.
        variance_kept: variance over what it is without the covariate: 1 - rho^2.
    """

    control: Values
    treatment: Values
    difference: Values
    error: Values
    low: Values
    high: Values
    p: Values
    lift: Values
    lift_low: Values
    lift_high: Values
    theta: Values
    variance_kept: Values

    def to_json(self) -> dict[str, Any]:
        """Numbers, or lists of them; what is not finite becomes null."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    def __getitem__(self, place: Any) -> "Effect":
        """Some of many along the leading axes."""
        picked = {
            field.name: np.asarray(getattr(self, field.name)[place]) for field in fields(self)
        }
        return Effect(**picked)


def effect(
    control: Moments, treatment: Moments, *, level: float = 0.95, adjust: bool = True
) -> Effect:
    """The difference of two arms.

    Args:
        control: the arm that is subtracted.
        treatment: the other.
        level: of the intervals.
        adjust: use the covariate (CUPED), where there is one that varies.
    """
    arms = (control, treatment)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Without a covariate that varies its column is zero, and so is theta.
        slopes = [_slope(arm) for arm in arms]
        varies = slopes[0][1] + slopes[1][1]
        theta = np.where(varies > 0, (slopes[0][0] + slopes[1][0]) / varies, 0.0)
        theta = theta if adjust else np.zeros_like(theta)
        before = (control + treatment).mean[..., 2]
        (a, var_a), (b, var_b) = (_value(arm, theta, before) for arm in arms)
        plain_variance = sum(_value(arm, np.zeros_like(theta), before)[1] for arm in arms)
        variance = var_a + var_b
        freedom = variance**2 / (var_a**2 / (control.count - 1) + var_b**2 / (treatment.count - 1))
        error = np.where(variance > 0, np.sqrt(variance), np.nan)
        reach = stdtrit(freedom, 0.5 + level / 2)
        difference, lift = b - a, b / a - 1
        lift_reach = reach * np.sqrt(var_b + (b / a) ** 2 * var_a) / np.abs(a)
        found = {
            "control": a,
            "treatment": b,
            "difference": difference,
            "error": error,
            "low": difference - reach * error,
            "high": difference + reach * error,
            "p": 2 * stdtr(freedom, -np.abs(difference) / error),
            "lift": lift,
            "lift_low": lift - lift_reach,
            "lift_high": lift + lift_reach,
            "theta": theta,
            "variance_kept": variance / plain_variance,
        }
    return Effect(**{name: np.asarray(value, np.float64) for name, value in found.items()})


def plain(value: Any) -> Any:
    """An array as numbers for JSON; what is not finite becomes None."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _columns(
    outcome: np.ndarray, base: np.ndarray | None, before: np.ndarray | None
) -> Float64[np.ndarray, "*batch users columns"]:
    parts = (
        outcome,
        np.ones(outcome.shape) if base is None else base,
        np.zeros(outcome.shape) if before is None else before,
    )
    columns = np.stack([np.asarray(part, np.float64) for part in parts], -1)
    if not np.isfinite(columns).all():
        raise DataError(
            f"{(~np.isfinite(columns)).sum():,} values of users are not finite",
            hint="a user without an event has 0; leave out of every arm alike who was not exposed",
        )
    return columns


def _influence(arm: Moments) -> tuple[Numbers, Float64[np.ndarray, "*batch columns"]]:
    """The arm's ratio R, and what outcome and base weigh in a user's part of its error."""
    outcome, base = arm.mean[..., 0], arm.mean[..., 1]
    ratio = outcome / base
    weights = np.stack([1 / base, -ratio / base, np.zeros_like(ratio)], -1)
    return ratio, weights


def _slope(arm: Moments) -> tuple[Numbers, Numbers]:
    """Scatter of the influence with the covariate, and of the covariate."""
    _, weights = _influence(arm)
    both = (weights * arm.scatter[..., 2]).sum(-1)
    # An arm without a single user adds nothing.
    return np.nan_to_num(both, posinf=0.0, neginf=0.0), arm.scatter[..., 2, 2]


def _value(arm: Moments, theta: Numbers, before: Numbers) -> tuple[Numbers, Numbers]:
    """The arm's adjusted value and the variance of it."""
    ratio, weights = _influence(arm)
    weights[..., 2] = -theta
    product = (weights[..., None, :] @ arm.scatter @ weights[..., None])[..., 0, 0]
    variance = product / (arm.count * (arm.count - 1))
    return ratio - theta * (arm.mean[..., 2] - before), variance
