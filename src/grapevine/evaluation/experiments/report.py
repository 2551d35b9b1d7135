"""One experiment as one report: who was in it, whether it can be trusted, what it found, by day."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64

from grapevine.evaluation.experiments.effect import Effect, plain
from grapevine.evaluation.experiments.ratio import ALARM, SampleRatio

if TYPE_CHECKING:
    from grapevine.evaluation.pictures import Picture


@dataclass(frozen=True, slots=True)
class ArmResult:
    """An arm by itself: how many users, and the metric's value among them as it is."""

    name: str
    share: float
    users: int
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """A treatment against the control.

    Attributes:
        arm: the treatment.
        unadjusted: the effect as it is, by the last day.
        adjusted: the same with the covariate (CUPED); equal where there is none.
        p_holm: p of the adjusted effect, corrected for the number of treatments.
        control_users: by the end of each day.
        treatment_users: likewise.
        by_day: the adjusted effect of all users so far, at the end of each day.
        always_low: lower ends of intervals that hold at all looks together.
        always_high: upper ends.
        always_p: p that may be looked at every day.
        planned_low: lower ends of intervals for looks up to a planned number of users, paid for by
            O'Brien-Fleming spending; not finite without a plan, and beyond it.
        planned_high: upper ends.
        tau: scale of the effects that these weigh; NaN before it could be set.
    """

    arm: str
    unadjusted: Effect
    adjusted: Effect
    p_holm: float
    control_users: Int64[np.ndarray, " days"]
    treatment_users: Int64[np.ndarray, " days"]
    by_day: Effect
    always_low: Float64[np.ndarray, " days"]
    always_high: Float64[np.ndarray, " days"]
    always_p: Float64[np.ndarray, " days"]
    planned_low: Float64[np.ndarray, " days"]
    planned_high: Float64[np.ndarray, " days"]
    tau: float

    def decided_on(self, level: float) -> int | None:
        """The first day on which the always-valid p came down to 1 - level, if any."""
        found = np.flatnonzero(self.always_p <= 1 - level)
        return int(found[0]) if len(found) else None

    def to_json(self, level: float) -> dict[str, Any]:
        """Plain values."""
        days = zip(
            self.control_users.tolist(),
            self.treatment_users.tolist(),
            plain(self.by_day.difference),
            plain(self.by_day.low),
            plain(self.by_day.high),
            plain(self.always_low),
            plain(self.always_high),
            self.always_p.tolist(),
            plain(self.planned_low),
            plain(self.planned_high),
            strict=True,
        )
        names = ("control_users", "treatment_users", "difference", "low", "high", "always_low",
                 "always_high", "always_p", "planned_low", "planned_high")  # fmt: skip
        return {
            "arm": self.arm,
            "unadjusted": self.unadjusted.to_json(),
            "adjusted": self.adjusted.to_json(),
            "p_holm": plain(self.p_holm),
            "always_valid": {
                "low": plain(float(self.always_low[-1])),
                "high": plain(float(self.always_high[-1])),
                "p": float(self.always_p[-1]),
                "decided_on": self.decided_on(level),
                "tau": plain(self.tau),
            },
            "by_day": [{"day": n, **dict(zip(names, one))} for n, one in enumerate(days)],
        }


@dataclass(frozen=True, kw_only=True)
class ExperimentReport:
    """What an experiment found, and how far to trust it.

    Attributes:
        name: of the experiment.
        metric: what it is decided by.
        arms: each by itself, the control first.
        ratio: users of the arms against their shares.
        watched_ratio_p: p of the same that may be looked at every day.
        contrasts: each treatment against the control.
        level: of all intervals.
        planned_users: in all arms, when the fixed interval is due; None without a plan.
        warnings: what a reader must know before trusting a figure.
    """

    name: str
    metric: str
    arms: tuple[ArmResult, ...]
    ratio: SampleRatio
    watched_ratio_p: float
    contrasts: tuple[Contrast, ...]
    level: float
    planned_users: int | None
    warnings: tuple[str, ...]

    @property
    def watched_level(self) -> float:
        """Of one contrast's always-valid intervals, so that all hold together with `level`."""
        return watched_level(self.level, len(self.contrasts))

    @property
    def trusted(self) -> bool:
        """Whether the arms got the users that they should."""
        return not self.ratio.alarm and self.watched_ratio_p >= ALARM

    @property
    def verdict(self) -> str:
        """The outcome in a sentence: it may be read every day."""
        if not self.trusted:
            return "The arms did not get the users that they should: stop, and find out why."
        said = []
        for one in self.contrasts:
            day = one.decided_on(self.watched_level)
            if day is None:
                said.append(f"{one.arm} cannot be told from {self.arms[0].name} yet.")
            else:
                way = "better" if one.by_day.difference[day] > 0 else "worse"
                said.append(f"{one.arm} is {way} than {self.arms[0].name}, since day {day + 1}.")
        return " ".join(said)

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps`."""
        return {
            "name": self.name,
            "metric": self.metric,
            "verdict": self.verdict,
            "arms": [{**asdict(arm), "value": plain(arm.value)} for arm in self.arms],
            "sample_ratio": {**self.ratio.to_json(), "watched_p": self.watched_ratio_p},
            "contrasts": [one.to_json(self.watched_level) for one in self.contrasts],
            "level": self.level,
            "planned_users": self.planned_users,
            "warnings": list(self.warnings),
        }

    def pictures(self) -> "list[Picture]":
        """Each contrast's intervals over time."""
        from grapevine.evaluation.experiments.pictures import pictures_of

        return pictures_of(self)


def watched_level(level: float, contrasts: int) -> float:
    """Level of each of several always-valid intervals, so that all hold together (Bonferroni)."""
    return 1 - (1 - level) / contrasts
