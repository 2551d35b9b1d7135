"""What the users of an experiment did: one row a user, the unit that was assigned."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, Shaped

from grapevine.errors import DataError
from grapevine.evaluation.experiments.effect import Moments


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What the users of an experiment did, one row a user: the unit that was assigned.

    A user counts on the day on which their outcome is complete (some hours or days after they were
    first exposed, the same for every arm), and then once: a figure that goes on growing would be
    compared while the arms are of different age.

    Attributes:
        arm: `(users,)` place of the user's arm in the experiment.
        day: `(users,)` when the outcome was complete, counted from the experiment's first day, 0.
        outcome: `(users,)` the metric; the numerator where there is a base. 0 for who did nothing.
        base: `(users,)` the denominator of a ratio metric, such as impressions.
        before: `(users,)` a covariate from before the assignment, such as last month's clicks.
    """

    arm: Int64[np.ndarray, " users"]
    day: Int64[np.ndarray, " users"]
    outcome: Shaped[np.ndarray, " users"]
    base: Shaped[np.ndarray, " users"] | None = None
    before: Shaped[np.ndarray, " users"] | None = None

    def __post_init__(self) -> None:
        columns = (self.day, self.outcome, self.base, self.before)
        lengths = {len(one) for one in (self.arm, *columns) if one is not None}
        if len(lengths) > 1:
            raise DataError(
                f"columns of outcomes have {sorted(lengths)} rows",
                hint="give one row for each user",
            )
        if not len(self.arm):
            raise DataError("nobody was exposed yet", hint="report once there are users")
        if self.arm.min() < 0 or self.day.min() < 0:
            raise DataError(
                "users outside the experiment, or before its first day, are among the outcomes",
                hint="keep those with an arm and a day of 0 or more",
            )

    def __len__(self) -> int:
        return len(self.arm)

    def moments(self, num_arms: int) -> Moments:
        """Of the users of each arm by each day: `(arms, days)`, cumulative over the days."""
        days = int(self.day.max()) + 1
        daily = Moments.by_group(
            self.arm * days + self.day,
            num_arms * days,
            self.outcome,
            base=self.base,
            before=self.before,
        )
        count = daily.count.reshape(num_arms, days)
        mean, scatter = (
            part.reshape(num_arms, days, *part.shape[1:]) for part in (daily.mean, daily.scatter)
        )
        # Days lead while they are summed up.
        summed = Moments(count.T, np.swapaxes(mean, 0, 1), np.swapaxes(scatter, 0, 1)).running()
        return Moments(
            summed.count.T, np.swapaxes(summed.mean, 0, 1), np.swapaxes(summed.scatter, 0, 1)
        )
