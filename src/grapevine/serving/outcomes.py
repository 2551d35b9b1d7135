"""An experiment as the store has it, as arrays that statistics can be asked about."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from grapevine.errors import ConfigError
from grapevine.evaluation.experiments import Experiment, Outcomes, Plan, report_of
from grapevine.log import logger
from grapevine.serving.store import Experiment as Kept
from grapevine.serving.store import Store

DAY_MS = 86_400_000
SUMMED, EACH = "value of ", " per user"
"""Around a behaviour: the sum of the values of such events, not their number; and for the ear."""


def behaviour_of(metric: str) -> str:
    """The behaviour that a metric counts.

    >>> [behaviour_of(one) for one in ("buy", "buy per user", "value of buy")]
    ['buy', 'buy', 'buy']
    """
    return metric.removeprefix(SUMMED).removesuffix(EACH)


def planned(kept: Kept) -> tuple[Experiment, int | None]:
    """An experiment as it was put down, and when it was ended; None where it runs.

    The time is that of the store, in milliseconds since 1970.
    """
    definition = {**kept.definition, "name": kept.name}
    ended = definition.pop("ended", None)
    return Experiment.from_json(definition), ended


def plan_of(kept: Iterable[Kept]) -> Plan:
    """The experiments that run, as far as they go together.

    Two servers may put down in the same moment what does not: the one that comes first runs, on
    each server alike, and no server is kept from starting by the other.

    Args:
        kept: all that were put down, the oldest first.
    """
    plan = Plan(())
    for one in kept:
        try:
            experiment, ended = planned(one)
            if ended is None:
                plan = Plan((*plan.experiments, experiment))
        except ConfigError as error:
            logger.error("the experiment `%s` does not run: %s", one.name, error)
    return plan


def report(store: Store, experiment: Experiment, ended: int | None = None) -> dict[str, Any]:
    """What an experiment found so far, as JSON has it.

    What a user did before the first list is the covariate (CUPED). Where the experiment has a
    window, a user counts on the day on which it is over, with what was done within it, and once;
    who is still within it waits. Without one, a user counts from the day of the first list on, with
    all that was done since: a figure that goes on growing, which daily looks are not made for.

    Of one that has ended nothing counts from then on; who was still within the window is left out.

    Args:
        store: what was shown and done.
        experiment: whose.
        ended: when, in milliseconds since 1970; None where it runs.
    """
    summed = experiment.metric.startswith(SUMMED)
    window = round(experiment.window_days * DAY_MS)
    exposed = store.outcomes(
        experiment.name, behaviour_of(experiment.metric), window=window or None, until=ended
    )
    places = {arm.name: place for place, arm in enumerate(experiment.arms)}
    exposed = [one for one in exposed if one.arm in places]
    over = (store.clock() if ended is None else ended) - window
    found = [one for one in exposed if not window or one.exposed_at <= over]
    if not found:
        return _nobody_yet(experiment, waiting=len(exposed), ended=ended)
    first = min((one.exposed_at for one in found), default=0)
    done = Outcomes(
        arm=np.array([places[one.arm] for one in found], np.int64),
        # All windows are as long, so that the days between their ends are those between starts.
        day=np.array([(one.exposed_at - first) // DAY_MS for one in found], np.int64),
        outcome=np.array([one.value if summed else float(one.events) for one in found]),
        before=np.array(
            [one.value_before if summed else float(one.events_before) for one in found]
        ),
    )
    told = report_of(experiment, done)
    said = told.to_json()
    said["ended"] = ended
    said["window"] = {
        "days": experiment.window_days or None,
        "users": len(found),
        "waiting": len(exposed) - len(found),
    }
    # For a chart: each arm by itself, and each contrast at the end of each day.
    for place, arm in enumerate(said["arms"]):
        mine = done.outcome[done.arm == place]
        half = 1.96 * mine.std(ddof=1) / np.sqrt(len(mine)) if len(mine) > 1 else 0.0
        arm |= {
            "mean": arm["value"],
            "low": _less(arm["value"], half),
            "high": _less(arm["value"], -half),
        }
    said["sample_ratio"]["ok"] = told.trusted
    days = [one["by_day"] for one in said["contrasts"]]
    said["over_time"] = [
        {
            "at": first + window + day * DAY_MS,
            "users": at[0]["control_users"] + sum(one["treatment_users"] for one in at),
            "effects": [
                {
                    "arm": contrast["arm"],
                    "difference": one["difference"],
                    "low": one["always_low"],
                    "high": one["always_high"],
                    "p": one["always_p"],
                }
                for contrast, one in zip(said["contrasts"], at)
            ],
        }
        for day, at in enumerate(zip(*days))
    ]
    said["effects"] = said["over_time"][-1]["effects"]
    return said


def _nobody_yet(experiment: Experiment, *, waiting: int, ended: int | None) -> dict[str, Any]:
    """The report before anybody counts: its arms, and nothing found.

    Args:
        experiment: whose.
        waiting: users who were shown something, and whose window is not over.
        ended: see `report`.
    """
    verdict = "nobody has been in it yet" if ended is None else "it ended, and nobody was in it"
    if waiting:
        were = "are not" if ended is None else "were not, when it ended,"
        verdict = (
            f"{waiting:,} users were shown something, and the {experiment.window_days:g} days "
            f"that count {were} over for any of them"
        )
    unknown = dict.fromkeys(("value", "mean", "low", "high"))
    return {
        "name": experiment.name,
        "metric": experiment.metric,
        "verdict": verdict,
        "ended": ended,
        "window": {"days": experiment.window_days or None, "users": 0, "waiting": waiting},
        "arms": [
            {"name": arm.name, "share": arm.share, "users": 0, **unknown}
            for arm in experiment.arms
        ],
        "sample_ratio": {"p": 1.0, "ok": True},
        "contrasts": [], "warnings": [], "effects": [], "over_time": [],
    }  # fmt: skip


def _less(value: float | None, half: float) -> float | None:
    return None if value is None else value - half
