"""Experiments with a known effect: the shop's own people answer the lists of several runs.

What an A/B test, an interleaving and an estimate from a log would have said stands beside what is
true, so that each of them can be checked end to end.
"""

# P = policies, U = shoppers, K = places of a list

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from grapevine import random
from grapevine.data.shop import truth, words
from grapevine.errors import ConfigError
from grapevine.evaluation.experiments.assign import Arm, Experiment
from grapevine.evaluation.experiments.click_model import Crowd, examined, relevance
from grapevine.evaluation.experiments.effect import Moments
from grapevine.evaluation.experiments.interleave import Preference, preference, team_draft
from grapevine.evaluation.experiments.judge import report_of
from grapevine.evaluation.experiments.off_policy import Feedback, OffPolicy, off_policy
from grapevine.evaluation.experiments.outcomes import Outcomes
from grapevine.evaluation.experiments.report import ExperimentReport
from grapevine.evaluation.experiments.reward_model import cross_fitted_pairs
from grapevine.models.run import Run

VISITS = 4.0
"""Visits of the mean shopper in the time that counts; the more active come more often."""

EXPLORED = 0.5
"""Share of the logged lists that are drawn at random from all that the policies would show."""


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What is true, and what would have been said.

    Attributes:
        policies: names; the first is the control.
        clicks_per_user: `(P,)` the truth, over all visits of a user.
        clicks_per_list: `(P,)` the truth, a list.
        report: of the A/B test.
        interleaved: the control against each other policy, by its name.
        logged: each policy judged from a log that the control and chance made, in clicks a list.
    """

    policies: Sequence[str]
    clicks_per_user: Float64[np.ndarray, " P"]
    clicks_per_list: Float64[np.ndarray, " P"]
    report: ExperimentReport
    interleaved: dict[str, Preference]
    logged: dict[str, OffPolicy]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        users, lists = self.clicks_per_user.tolist(), self.clicks_per_list.tolist()
        return {
            "truth": [
                {
                    "policy": name,
                    "clicks_per_user": of_users,
                    "clicks_per_list": of_lists,
                    "effect": of_users - users[0],
                    "lift": of_users / users[0] - 1 if users[0] else None,
                }
                for name, of_users, of_lists in zip(self.policies, users, lists, strict=True)
            ],
            "ab_test": self.report.to_json(),
            "interleaving": {name: one.to_json() for name, one in self.interleaved.items()},
            "off_policy": {name: one.to_json() for name, one in self.logged.items()},
        }


def simulate(
    runs: Sequence[Run],
    shop: Path | None,
    *,
    users: int = 20_000,
    days: int = 14,
    k: int = 10,
    seed: int = 0,
) -> Simulation:
    """Let the shop's people answer the lists of several runs.

    Args:
        runs: the policies, the control first.
        shop: the dataset folder of the shop that they were trained on, with its truth.
        users: who take part in each experiment: shoppers drawn again and again, each a new user.
        days: that it lasts.
        k: length of the lists.
        seed: of all that is drawn.

    Raises:
        ConfigError: fewer than two runs, or two of one name; or they know no user in common.
        DataError: `shop` has no truth.
    """
    return experiment_on(crowd_of(runs, shop, k=k), users=users, days=days, seed=seed)


def crowd_of(runs: Sequence[Run], shop: Path | None, *, k: int = 10) -> Crowd:
    """The shoppers whom all of the runs know, with the list that each run has for each of them."""
    names = [run.label for run in runs]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError(
            f"an experiment compares two policies or more, got {', '.join(names) or 'none'}",
            hint="name two different run folders",
        )
    world, shoppers = truth.load(shop)
    known = runs[0].users.ids
    for run in runs[1:]:
        known = known.filter(known.is_in(run.users.ids.implode()))
    if not len(known):
        raise ConfigError(
            "these runs know no user in common", hint="train them on the same data and split"
        )
    who = shoppers.take(words.rows(known))
    items = np.stack([_lists(run, known.to_list(), k) for run in runs])
    return Crowd(
        policies=names,
        items=items,
        relevance=np.stack([relevance(world, who, one) for one in items]),
        visits=1 + (VISITS - 1) * who.activity.astype(np.float64),
    )


def experiment_on(crowd: Crowd, *, users: int, days: int, seed: int) -> Simulation:
    """All three kinds of experiment on a crowd."""
    others = range(1, len(crowd.policies))
    return Simulation(
        policies=crowd.policies,
        clicks_per_user=crowd.clicks_per_user,
        clicks_per_list=crowd.clicks_per_list,
        report=ab_test(crowd, users=users, days=days, seed=seed),
        interleaved={
            crowd.policies[one]: interleaved(crowd, one, users=users, seed=seed) for one in others
        },
        logged={
            name: judged_from_log(crowd, place, users=users, seed=seed)
            for place, name in enumerate(crowd.policies)
        },
    )


def ab_test(crowd: Crowd, *, users: int, days: int, seed: int) -> ExperimentReport:
    """Users dealt to the policies by their hash; clicks over all visits, those of before known."""
    names = crowd.policies
    arms = tuple(Arm(name, 1 / len(names), name) for name in names)
    experiment = Experiment(name=f"simulation-{seed}", arms=arms, metric="clicks per user")
    rng = random.stream(seed, "simulate", "ab")
    shopper = rng.integers(0, len(crowd), users)
    # Before it began everybody had the control.
    before = crowd.drawn_clicks(
        np.zeros(users, np.int64), shopper, crowd.drawn_visits(shopper, rng), rng
    )
    arm = experiment.arms_of([f"v{number}" for number in range(users)])
    clicks = crowd.drawn_clicks(arm, shopper, crowd.drawn_visits(shopper, rng), rng)
    day = rng.integers(0, days, users)
    outcomes = Outcomes(arm=arm, day=day, outcome=clicks, before=before)
    return report_of(experiment, outcomes, planned_users=users)


def trials(
    crowd: Crowd, policy: int, *, tests: int, days: int, daily: int, rng: np.random.Generator
) -> Moments:
    """An arm of many tests at once, each with users of its own: `(days, tests)`, cumulative.

    Args:
        crowd: who may come.
        policy: what the arm shows; before the test everybody had the control.
        tests: how many.
        days: that each lasts.
        daily: users of the arm on each day.
        rng: draws them and their clicks.
    """
    shopper = rng.integers(0, len(crowd), (days, tests, daily))
    before, after = (
        crowd.drawn_clicks(
            np.full(shopper.shape, one), shopper, crowd.drawn_visits(shopper, rng), rng
        )
        for one in (0, policy)
    )
    return Moments.of(after, before=before).running()


def interleaved(crowd: Crowd, other: int, *, users: int, seed: int) -> Preference:
    """One list for each user and all visits, drafted from the control's and another policy's."""
    rng = random.stream(seed, "simulate", "interleave", other)
    shopper = rng.integers(0, len(crowd), users)
    sides = crowd.items[0, shopper], crowd.items[other, shopper]
    drafted = team_draft(*sides, crowd.k, rng)
    chance = _relevance_of(crowd, shopper, drafted.items) * examined(crowd.k)
    clicks = rng.binomial(crowd.drawn_visits(shopper, rng)[:, None], chance)
    return preference(drafted.credit(clicks))


def judged_from_log(
    crowd: Crowd, policy: int, *, users: int, seed: int, resamples: int | None = None
) -> OffPolicy:
    """What a policy would get, from lists that another one and chance have shown.

    The control's list is shown, or in EXPLORED of the cases a random order of all that any policy
    would show to this user: with M of them, an item's chance at a place is EXPLORED / M, and that
    of the control's own item there so much more.
    """
    rng = random.stream(seed, "simulate", "log")
    shopper = rng.integers(0, len(crowd), users)
    pool = _pools(crowd.items[:, shopper])
    size = (pool >= 0).sum(1)
    shuffled = _shuffled(pool, crowd.k, rng)
    control = crowd.items[0, shopper]
    random_list = rng.random(users) < EXPLORED
    shown = np.where(random_list[:, None], shuffled, control)
    own = 1.0 * (shown == control)
    logged = (1 - EXPLORED) * own + EXPLORED / size[:, None]
    chance = _relevance_of(crowd, shopper, shown) * examined(crowd.k)
    clicked = rng.random(chance.shape) < chance
    wanted = crowd.items[policy, shopper]
    there = shown >= 0
    who = np.repeat(np.arange(users), crowd.k).reshape(shown.shape)
    predicted, value = cross_fitted_pairs(
        _features(crowd, shopper, shown)[there],
        _features(crowd, shopper, wanted)[there],
        clicked[there],
        user=who[there],
        seed=seed,
    )
    return off_policy(
        Feedback(
            reward=clicked[there].astype(np.float64),
            logged=logged[there],
            evaluated=(1.0 * (shown == wanted))[there],
            user=who[there],
            predicted=predicted,
            # Beyond the end of its list a policy shows nothing.
            value=np.where(wanted[there] >= 0, value, 0.0),
        ),
        resamples=resamples,
        seed=seed,
    ).times(float(there.sum() / users))


def _lists(run: Run, users: Sequence[Any], k: int) -> Int64[np.ndarray, "U K"]:
    """World rows of what a run recommends to each user, -1 beyond the end of a list."""
    table = run.recommend(users=users, k=k)
    place = {user: row for row, user in enumerate(users)}
    lists = np.full((len(users), k), -1, np.int64)
    row = np.array([place[user] for user in table["user_id"].to_list()], np.int64)
    lists[row, table["rank"].to_numpy() - 1] = words.rows(table["item_id"])
    return lists


def _relevance_of(
    crowd: Crowd, shopper: Int64[np.ndarray, " users"], shown: Int64[np.ndarray, "users K"]
) -> Float64[np.ndarray, "users K"]:
    """Of items that some policy would show to these shoppers; 0 for -1."""
    found = np.zeros(shown.shape)
    for items, chance in zip(crowd.items[:, shopper], crowd.relevance[:, shopper], strict=True):
        for place in range(crowd.k):
            here = (shown == items[:, place, None]) & (shown >= 0)
            found = np.where(here, chance[:, place, None], found)
    return found


def _pools(items: Int64[np.ndarray, "P users K"]) -> Int64[np.ndarray, "users PK"]:
    """All that any policy would show to each user, each once; -1 fills up."""
    pool = np.sort(np.concatenate(list(items), axis=1), axis=1)
    pool[:, 1:][pool[:, 1:] == pool[:, :-1]] = -1
    return pool


def _shuffled(
    pool: Int64[np.ndarray, "users PK"], k: int, rng: np.random.Generator
) -> Int64[np.ndarray, "users K"]:
    """The first k of a random order of each pool."""
    order = np.where(pool >= 0, rng.random(pool.shape), 2.0).argsort(1)
    return np.take_along_axis(pool, order, 1)[:, :k]


def _features(
    crowd: Crowd, shopper: Int64[np.ndarray, " users"], shown: Int64[np.ndarray, "users K"]
) -> Float64[np.ndarray, "users K features"]:
    """What a model of clicks may know: the place, who would show the item, and how high."""
    places = np.broadcast_to(np.eye(crowd.k), (len(shopper), crowd.k, crowd.k))
    looked = examined(crowd.k)
    ranked = []
    for items in crowd.items[:, shopper]:
        same = (shown[:, :, None] == items[:, None, :]) & (shown >= 0)[:, :, None]
        ranked += [same.any(2) * looked, (same * looked).sum(2) * looked]
    return np.concatenate([places, np.stack(ranked, 2)], axis=2)
