"""From what users did to the report of the experiment."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64

from grapevine.errors import DataError
from grapevine.evaluation.experiments.always_valid import (
    always_valid_p,
    confidence_sequence,
    mixing,
)
from grapevine.evaluation.experiments.assign import Experiment
from grapevine.evaluation.experiments.effect import Effect, Moments, effect
from grapevine.evaluation.experiments.group_sequential import spending_bounds
from grapevine.evaluation.experiments.outcomes import Outcomes
from grapevine.evaluation.experiments.ratio import sample_ratio, watched_ratio
from grapevine.evaluation.experiments.report import (
    ArmResult,
    Contrast,
    ExperimentReport,
    watched_level,
)
from grapevine.evaluation.significance import holm

FEW = 100
"""Users that each arm must have before an error can be estimated well enough to be watched."""

HORIZON = 10
"""Without a plan, intervals are made narrowest at so many times the users of the first look."""


def report_of(
    experiment: Experiment,
    outcomes: Outcomes,
    *,
    planned_users: int | None = None,
    level: float = 0.95,
) -> ExperimentReport:
    """Judge an experiment by what its users have done so far.

    Args:
        experiment: the design.
        outcomes: of every user who was exposed.
        planned_users: in all arms: the fixed interval is for the look at so many, and the
            always-valid ones are narrowest there. It has to be set before the start.
        level: of the intervals.

    Raises:
        DataError: an outcome is of an arm that there is not, or is not finite.
    """
    names = [arm.name for arm in experiment.arms]
    if outcomes.arm.max() >= len(names):
        raise DataError(
            f"outcomes of arm {outcomes.arm.max()}, and `{experiment.name}` has {len(names)} arms"
        )
    moments = outcomes.moments(len(names))
    counts = moments.count.astype(np.int64)
    contrasts = [
        contrast(
            moments[0],
            moments[row],
            names[row],
            # Of a plan for all arms, these two get their shares.
            planned=(planned_users or math.nan) * (experiment.shares[0] + experiment.shares[row]),
            level=level,
            watched_at=watched_level(level, len(names) - 1),
        )
        for row in range(1, len(names))
    ]
    corrected = holm(np.nan_to_num([float(one.adjusted.p) for one in contrasts], nan=1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        values = moments.mean[:, -1, 0] / moments.mean[:, -1, 1]
    return ExperimentReport(
        name=experiment.name,
        metric=experiment.metric,
        arms=tuple(
            ArmResult(arm.name, arm.share, int(count), float(value))
            for arm, count, value in zip(experiment.arms, counts[:, -1], values, strict=True)
        ),
        ratio=sample_ratio(counts[:, -1].tolist(), experiment.shares),
        watched_ratio_p=float(watched_ratio(counts.T, experiment.shares)[-1]),
        contrasts=tuple(
            replace(one, p_holm=float(p)) for one, p in zip(contrasts, corrected, strict=True)
        ),
        level=level,
        planned_users=planned_users,
        warnings=tuple(_warnings(counts, planned_users)),
    )


def contrast(
    control: Moments,
    treatment: Moments,
    name: str,
    *,
    planned: float = math.nan,
    level: float = 0.95,
    watched_at: float = 0.95,
) -> Contrast:
    """A treatment against the control, by day.

    Args:
        control: of the control's users by the end of each day, days first.
        treatment: of the treatment's.
        name: of the treatment.
        planned: users of both; NaN without a plan.
        level: of the fixed intervals.
        watched_at: of those that may be looked at before the end.
    """
    by_day = effect(control, treatment, level=level)
    users = np.stack([control.count, treatment.count])
    begin, tau = _scale(users, by_day, planned, watched_at)
    watched = np.full(len(by_day.error), np.nan)
    watched[begin:] = by_day.error[begin:]
    low, high = confidence_sequence(by_day.difference, watched, tau, level=watched_at)
    reach = watched * _planned_bounds(users.sum(0) / planned, begin, 1 - watched_at)
    return Contrast(
        arm=name,
        unadjusted=effect(control[-1], treatment[-1], level=level, adjust=False),
        adjusted=by_day[-1],
        p_holm=float(by_day.p[-1]),
        control_users=control.count.astype(np.int64),
        treatment_users=treatment.count.astype(np.int64),
        by_day=by_day,
        always_low=np.asarray(low),
        always_high=np.asarray(high),
        always_p=always_valid_p(by_day.difference, watched, tau),
        planned_low=by_day.difference - reach,
        planned_high=by_day.difference + reach,
        tau=tau,
    )


def _scale(
    users: Float64[np.ndarray, "arms days"],
    by_day: Effect,
    planned: float,
    level: float,
) -> tuple[int, float]:
    """The first day that can be watched, and tau, from the error of that day and the plan alone.

    Tau may know how users differ, and when the experiment is to end, but not how the arms differ.
    """
    enough = (users.min(0) >= FEW) & (by_day.error > 0)
    if not enough.any():
        return len(enough), float("nan")
    begin = int(enough.argmax())
    seen = float(users[:, begin].sum())
    horizon = HORIZON * seen if math.isnan(planned) else planned
    return begin, mixing(float(by_day.error[begin]) * (seen / horizon) ** 0.5, level=level)


def _planned_bounds(
    share: Float64[np.ndarray, " days"], begin: int, alpha: float
) -> Float64[np.ndarray, " days"]:
    """Bounds on |z| for each day up to that on which the planned number is reached, then NaN.

    Args:
        share: users by the end of each day over those planned; NaN without a plan.
        begin: the first day that can be looked at.
        alpha: to be spent.
    """
    bounds = np.full(len(share), np.nan)
    # A day without a new user is no new look; the day that reaches the plan is the last one.
    news = np.flatnonzero(np.diff(share, prepend=0.0) > 0)
    looks = [day for day in news.tolist() if day >= begin and (day == 0 or share[day - 1] < 1)]
    if looks:
        bounds[looks] = spending_bounds(np.minimum(share[looks], 1.0).tolist(), alpha=alpha)
    return bounds


def _warnings(counts: Int64[np.ndarray, "arms days"], planned: int | None) -> Iterator[str]:
    days, users = counts.shape[1], int(counts[:, -1].sum())
    if days % 7:
        yield (
            f"{days} days are not whole weeks: weekends are other than workdays, and what is new "
            "wears off"
        )
    if planned is None:
        yield "no number of users was planned, so only the always-valid intervals may decide"
    elif users < planned:
        yield (
            f"{users:,} of {planned:,} planned users: until then only the always-valid intervals "
            "may decide"
        )
    if counts[:, -1].min() < FEW:
        yield f"an arm has fewer than {FEW} users: nothing can be said yet"
