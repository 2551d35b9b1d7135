"""What another policy would have earned, from what was logged under this one.

A round is a thing that was shown with a known chance: the logging policy must draw, and must write
down with which chance it drew what it showed. With w = chance under the policy in question over
chance under the logging one, each estimate is a mean over rounds: see `MEANING`.
Without logged chances there is no such estimate, and none is made.

For lists, a round is one place of one list, its chances those of an item at that place: the
item-position model, right where a click depends on the item and its place and not on the other
items.
"""

# R = rounds, A = actions (items)

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, Integer, Shaped

from grapevine import random
from grapevine.errors import DataError
from grapevine.evaluation.report import Estimate
from grapevine.evaluation.significance import interval, num_resamples, resample_means

MEANING = {
    "ips": "w r: unbiased, noisy",
    "clipped": "min(w, c) r: less noise, biased towards zero",
    "snips": "sum of w r over sum of w: nearly unbiased, steadier",
    "dm": "the reward model alone: steady, and as wrong as the model",
    "dr": "the model, its error corrected by w: right if either model or chances are",
    "switch": "doubly robust where w <= c, the model elsewhere",
}
"""What each estimate is."""


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """Logged rounds, with what the policy in question would have done in them.

    Attributes:
        reward: `(R,)` of what was shown.
        logged: `(R,)` chance with which it was shown.
        evaluated: `(R,)` chance with which the policy in question would show it.
        user: `(R,)` who; rounds of one user are not independent.
        predicted: `(R,)` reward of what was shown, by a model that has not seen the round.
        value: `(R,)` reward that the model expects of the policy in question.
        supported: `(R,)` share of that policy's choices that logging could have made; where it is
            not known, only rounds that were logged without chance count against it.

    Raises:
        DataError: chances lie outside (0, 1], or nothing was left to chance.
    """

    reward: Float64[np.ndarray, " R"]
    logged: Float64[np.ndarray, " R"]
    evaluated: Float64[np.ndarray, " R"]
    user: Int64[np.ndarray, " R"]
    predicted: Float64[np.ndarray, " R"] | None = None
    value: Float64[np.ndarray, " R"] | None = None
    supported: Float64[np.ndarray, " R"] | None = None

    def __post_init__(self) -> None:
        given = (getattr(self, field.name) for field in fields(self))
        lengths = {len(column) for column in given if column is not None}
        if len(lengths) > 1:
            raise DataError(f"columns of feedback have {sorted(lengths)} rounds")
        if not len(self.reward):
            raise DataError("no round was logged")
        for name, least in (("logged", 0.0), ("evaluated", -1.0)):
            chance = getattr(self, name)
            wrong = ~((chance > least) & (chance >= 0) & (chance <= 1 + 1e-9))
            if wrong.any():
                raise DataError(
                    f"`{name}` of round {int(wrong.argmax())} is {chance[wrong.argmax()]:g}, which "
                    "is no chance of something that was shown",
                    hint="log the chance with which each item was drawn, when it is drawn",
                )
        if (self.logged >= 1).all() and (self.evaluated < 1).any():
            raise DataError(
                "everything was logged with chance 1: a policy that never varies tells nothing "
                "about what it does not do",
                hint="let a share of the requests draw at random, and log the chance",
            )
        if (self.predicted is None) != (self.value is None):
            raise DataError("`predicted` and `value` belong together: give both or neither")

    def __len__(self) -> int:
        return len(self.reward)

    @classmethod
    def of_policy(
        cls,
        *,
        action: Integer[np.ndarray, " R"],
        reward: Shaped[np.ndarray, " R"],
        logged: Float64[np.ndarray, " R"],
        evaluated: Float64[np.ndarray, "R A"],
        user: Int64[np.ndarray, " R"] | None = None,
        predicted: Float64[np.ndarray, "R A"] | None = None,
        could: Shaped[np.ndarray, "R A"] | None = None,
    ) -> "Feedback":
        """From the whole distribution of the policy in question over the actions.

        Args:
            action: what was shown.
            reward: what came of it.
            logged: with which chance it was shown.
            evaluated: chances of all actions under the policy in question.
            user: who; every round is somebody else's if not given.
            predicted: rewards of all actions by the model: see `cross_fitted`.
            could: which actions logging could show, as chances or as true and false.
        """
        row = np.arange(len(action))
        return cls(
            reward=reward.astype(np.float64),
            logged=logged,
            evaluated=evaluated[row, action],
            user=row if user is None else user,
            predicted=None if predicted is None else predicted[row, action],
            value=None if predicted is None else (evaluated * predicted).sum(1),
            supported=None if could is None else (evaluated * (could > 0)).sum(1),
        )

    @property
    def weight(self) -> Float64[np.ndarray, " R"]:
        """W of each round."""
        return self.evaluated / self.logged


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnostics:
    """Whether the log can answer at all.

    Attributes:
        rounds: how many.
        users: how many.
        mean_weight: should be 1; less means that the policy does what logging never did.
        mean_weight_error: standard error of that, users being the unit.
        effective_rounds: (sum w)^2 / sum w^2, the rounds that it is worth.
        largest_weight: of a round.
        support: share of the policy's choices that logging could have made.
    """

    rounds: int
    users: int
    mean_weight: float
    mean_weight_error: float
    effective_rounds: float
    largest_weight: float
    support: float


@dataclass(frozen=True, kw_only=True, slots=True)
class OffPolicy:
    """What a policy would earn a round, by each estimator, with 95 % intervals over users.

    Attributes:
        estimates: by name, those of the model only where there is one; the model alone has no
            interval, since its error is that of the model.
        diagnostics: whether to trust them.
        warnings: what a reader must know.
    """

    estimates: Mapping[str, Estimate]
    diagnostics: Diagnostics
    warnings: tuple[str, ...]

    def times(self, factor: float) -> "OffPolicy":
        """The same for so many rounds together, such as the places of a list."""
        return replace(
            self,
            estimates={
                name: Estimate(
                    factor * one.mean,
                    None if one.low is None else factor * one.low,
                    None if one.high is None else factor * one.high,
                )
                for name, one in self.estimates.items()
            },
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "estimates": {name: one.to_json() for name, one in self.estimates.items()},
            "diagnostics": asdict(self.diagnostics),
            "warnings": list(self.warnings),
        }


def off_policy(
    feedback: Feedback,
    *,
    clip: float | None = None,
    resamples: int | None = None,
    seed: int = 0,
) -> OffPolicy:
    """Every estimate that the feedback allows.

    Args:
        feedback: what was logged.
        clip: c of clipped IPS and SWITCH; if not given the square root of the number of rounds,
            so that the bias goes away as the log grows (Ionides 2008).
        resamples: of the bootstrap over users; as many as take a second if not given.
        seed: of the bootstrap.
    """
    terms = _terms(feedback, len(feedback) ** 0.5 if clip is None else clip)
    columns = np.stack([part for pair in terms.values() for part in pair])
    users, by_user = _by_user(columns, feedback.user)
    drawn = resample_means(
        by_user,
        resamples=resamples or num_resamples(users),
        rng=random.stream(seed, "off-policy"),
    )
    estimates: dict[str, Estimate] = {}
    for place, (name, (above, below)) in enumerate(terms.items()):
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = drawn[:, 2 * place] / drawn[:, 2 * place + 1]
        total = below.sum()
        mean = float(above.sum() / total) if total else float("nan")
        # How wrong the model is, which no resampling of its answers can tell, is all of its error.
        known = name != "dm" and bool(np.isfinite(ratios).any())
        ends = interval(ratios) if known else (None, None)
        estimates[name] = Estimate(mean, *ends)
    found = _diagnose(feedback)
    return OffPolicy(estimates=estimates, diagnostics=found, warnings=_warnings(found))


def _terms(
    feedback: Feedback, clip: float
) -> dict[str, tuple[Float64[np.ndarray, " R"], Float64[np.ndarray, " R"]]]:
    """What each estimate sums above and below the line."""
    reward, weight, one = feedback.reward, feedback.weight, np.ones(len(feedback))
    terms = {
        "ips": (weight * reward, one),
        "clipped": (np.minimum(weight, clip) * reward, one),
        "snips": (weight * reward, weight),
    }
    if feedback.predicted is not None and feedback.value is not None:
        error = reward - feedback.predicted
        terms["dm"] = (feedback.value, one)
        terms["dr"] = (feedback.value + weight * error, one)
        terms["switch"] = (feedback.value + np.where(weight <= clip, weight, 0) * error, one)
    return terms


def _by_user(
    columns: Float64[np.ndarray, "columns R"], user: Int64[np.ndarray, " R"]
) -> tuple[int, Float64[np.ndarray, "columns users"]]:
    """Sums of each user's rounds."""
    who = np.unique(user, return_inverse=True)[1]
    people = int(who.max()) + 1
    return people, np.stack([np.bincount(who, column, people) for column in columns])


def _diagnose(feedback: Feedback) -> Diagnostics:
    weight = feedback.weight
    users, (sums, counts) = _by_user(np.stack([weight, np.ones(len(weight))]), feedback.user)
    mean = float(weight.mean())
    # Delta method of a ratio of sums over users.
    away = sums - mean * counts
    error = float(np.sqrt(users / max(users - 1, 1) * (away**2).sum()) / len(weight))
    support = feedback.supported
    if support is None:
        support = np.where(feedback.logged >= 1, np.minimum(feedback.evaluated, 1), 1.0)
    square = float((weight**2).sum())
    return Diagnostics(
        rounds=len(weight),
        users=users,
        mean_weight=mean,
        mean_weight_error=error,
        effective_rounds=float(weight.sum()) ** 2 / square if square else 0.0,
        largest_weight=float(weight.max()),
        support=float(support.mean()),
    )


def _warnings(found: Diagnostics) -> tuple[str, ...]:
    said: list[str] = []
    if found.support < 0.99:
        said.append(
            f"logging could have made only {found.support:.1%} of the policy's choices: nothing is "
            "known of the rest, and every estimate but the model's takes it for nothing"
        )
    if abs(found.mean_weight - 1) > 3 * found.mean_weight_error:
        said.append(
            f"the mean weight is {found.mean_weight:.3f} +- {found.mean_weight_error:.3f} and not "
            "1: logged chances are wrong, or support is missing"
        )
    if found.effective_rounds < 100:
        said.append(
            f"the {found.rounds:,} rounds are worth {found.effective_rounds:,.0f}: too few for the "
            "intervals to hold"
        )
    return tuple(said)
