import json

import numpy as np
import pytest

import grapevine as gv
from grapevine.errors import ConfigError, DataError
from grapevine.evaluation.experiments.always_valid import always_valid_p, mixing
from grapevine.evaluation.experiments.effect import effect
from grapevine.evaluation.experiments.simulate import (
    ab_test,
    crowd_of,
    experiment_on,
    interleaved,
    judged_from_log,
    trials,
)

TESTS, DAYS, DAILY = 1_000, 14, 100


@pytest.fixture(scope="module")
def tests_of(crowd):
    """1,000 tests at once: the moments of two arms of a policy each, by day."""

    def arm(policy, seed):
        rng = np.random.default_rng([seed, policy])
        return trials(crowd, policy, tests=TESTS, days=DAYS, daily=DAILY, rng=rng)

    return arm


@pytest.mark.slow
def test_a_thousand_a_a_tests_watched_daily_are_false_in_at_most_one_of_twenty(tests_of):
    a, b = tests_of(0, 1), tests_of(0, 2)
    found = effect(a, b)
    tau = mixing(1.0) * found.error[:1] / np.sqrt(DAYS)
    watched = (always_valid_p(found.difference, found.error, tau)[-1] <= 0.05).mean()
    peeked = (found.p < 0.05).any(0).mean()
    assert watched <= 0.05
    assert peeked > 0.15
    assert (found.p[-1] < 0.05).mean() == pytest.approx(0.05, abs=0.02)


@pytest.mark.slow
def test_intervals_of_a_thousand_a_b_tests_cover_the_shops_true_effect(crowd, tests_of):
    truth = crowd.clicks_per_user[1] - crowd.clicks_per_user[0]
    assert truth > 0.1
    a, b = tests_of(0, 3), tests_of(1, 4)
    for adjust in (True, False):
        found = effect(a[-1], b[-1], adjust=adjust)
        assert ((found.low <= truth) & (truth <= found.high)).mean() >= 0.94
        assert abs(found.difference.mean() - truth) < 3 * found.difference.std() / np.sqrt(TESTS)
    assert effect(a[-1], b[-1]).variance_kept.mean() < 0.95


def test_clicks_are_what_the_truth_says(crowd):
    rng = np.random.default_rng(0)
    shopper = rng.integers(0, len(crowd), 100_000)
    for policy in (0, 1):
        visits = crowd.drawn_visits(shopper, rng)
        clicks = crowd.drawn_clicks(np.full(len(shopper), policy), shopper, visits, rng)
        error = clicks.std() / np.sqrt(len(clicks))
        assert abs(clicks.mean() - crowd.clicks_per_user[policy]) < 4 * error


def test_the_three_kinds_of_experiment_agree_with_the_truth(crowd):
    found = experiment_on(crowd, users=6_000, days=14, seed=0)
    truth = crowd.clicks_per_user[1] - crowd.clicks_per_user[0]
    (one,) = found.report.contrasts
    assert abs(one.adjusted.difference - truth) < 3 * one.adjusted.error
    assert one.always_low[-1] < truth < one.always_high[-1]
    assert one.always_low[-1] > 0
    assert found.interleaved["dim"].winner == 1
    for name, lists in zip(crowd.policies, crowd.clicks_per_list, strict=True):
        for estimate in ("ips", "snips", "dr"):
            judged = found.logged[name].estimates[estimate]
            assert abs(judged.mean - lists) < 3 * (judged.high - judged.low) / 3.92
        assert found.logged[name].warnings == ()
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["truth"][1]["effect"] == pytest.approx(truth)
    assert set(told) == {"truth", "ab_test", "interleaving", "off_policy"}


def test_doubly_robust_estimates_from_a_log_are_steadier_than_ips(crowd):
    found = judged_from_log(crowd, 1, users=4_000, seed=1).estimates
    assert found["dr"].high - found["dr"].low < found["ips"].high - found["ips"].low


def test_a_policy_against_itself_is_not_preferred_and_has_no_effect(crowd):
    same = type(crowd)(
        policies=("a", "b"),
        items=crowd.items[[0, 0]],
        relevance=crowd.relevance[[0, 0]],
        visits=crowd.visits,
    )
    assert interleaved(same, 1, users=4_000, seed=0).winner == -1
    assert ab_test(same, users=4_000, days=7, seed=0).contrasts[0].always_p[-1] > 0.05


def test_interleaving_needs_fewer_users(crowd):
    users, runs = 300, 40
    drafted = sum(interleaved(crowd, 1, users=users, seed=seed).winner == 1 for seed in range(runs))
    tested = sum(
        float(ab_test(crowd, users=users, days=1, seed=seed).contrasts[0].adjusted.low) > 0
        for seed in range(runs)
    )
    assert drafted > tested


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    data = gv.pipeline.make_shop(200, out=tmp_path_factory.mktemp("simulated") / "shop")
    train, _ = gv.split.leave_last_out(data)
    return data, [gv.fit(name, train) for name in ("random", "popularity")]


@pytest.mark.slow
def test_runs_answer_the_shops_people(shop):
    data, runs = shop
    crowd = crowd_of(runs, data.path, k=5)
    assert crowd.policies == ["random", "popularity"]
    user = 3
    wanted = runs[1].recommend(users=[runs[1].users.ids[user]], k=5)["item_id"].to_list()
    assert [f"i{row:06}" for row in crowd.items[1, user]] == wanted
    assert crowd.clicks_per_list[1] > crowd.clicks_per_list[0]


@pytest.mark.slow
def test_the_oracle_gets_more_clicks_than_what_is_popular(shop):
    data, runs = shop
    train, _ = gv.split.leave_last_out(data)
    crowd = crowd_of([runs[1], gv.fit("taste-oracle", train)], data.path)
    assert crowd.clicks_per_list[1] > 1.2 * crowd.clicks_per_list[0]


@pytest.mark.slow
def test_what_cannot_be_simulated_is_refused(shop):
    data, runs = shop
    with pytest.raises(ConfigError, match="two policies or more, got random"):
        crowd_of(runs[:1], data.path)
    with pytest.raises(DataError, match="no truth"):
        crowd_of(runs, None)
