from dataclasses import replace

import numpy as np
import pytest

from grapevine.errors import DataError
from grapevine.evaluation.experiments.off_policy import MEANING, Feedback, off_policy
from grapevine.evaluation.experiments.reward_model import cross_fitted, cross_fitted_pairs
from grapevine.evaluation.experiments.selected import selected_mean

WORKED = Feedback(
    reward=np.array([1.0, 0.0, 1.0, 0.0]),
    logged=np.array([0.5, 0.25, 0.25, 0.5]),
    evaluated=np.array([0.25, 0.5, 0.5, 0.25]),
    user=np.arange(4),
    predicted=np.full(4, 0.5),
    value=np.full(4, 0.5),
)

ACTIONS, CONTEXTS = 5, 3
REWARD = np.random.default_rng(9).uniform(0.1, 0.9, (CONTEXTS, ACTIONS))


def policy(sharpness, seed):
    logits = sharpness * np.random.default_rng(seed).normal(size=(CONTEXTS, ACTIONS))
    chance = np.exp(logits)
    return chance / chance.sum(1, keepdims=True)


LOGGING, OTHER = policy(0.7, 1), policy(1.5, 2)
TRUTH = float((OTHER * REWARD).sum(1).mean())


def bandit(rounds, seed, *, predicted=None, logged=LOGGING):
    """Rounds of a bandit whose rewards are known; `logged` is what it says its chances were."""
    rng = np.random.default_rng(seed)
    context = rng.integers(0, CONTEXTS, rounds)
    draw = rng.random(rounds)[:, None]
    action = (draw > LOGGING.cumsum(1)[context]).sum(1)
    reward = 1.0 * (rng.random(rounds) < REWARD[context, action])
    return Feedback.of_policy(
        action=action,
        reward=reward,
        logged=logged[context, action],
        evaluated=OTHER[context],
        predicted=None if predicted is None else predicted[context],
        could=np.ones((rounds, ACTIONS)),
    )


def error_of(estimate):
    return (estimate.high - estimate.low) / 2 / 1.96


def test_the_worked_figures():
    found = off_policy(WORKED)
    assert found.estimates["ips"].mean == pytest.approx(0.625)
    assert found.estimates["snips"].mean == pytest.approx(0.5)
    assert found.estimates["dr"].mean == pytest.approx(0.5)
    assert found.diagnostics.effective_rounds == pytest.approx(2.941, abs=5e-4)
    assert found.diagnostics.mean_weight == pytest.approx(1.25)
    assert found.diagnostics.largest_weight == 2
    assert off_policy(WORKED, clip=1.0).estimates["clipped"].mean == pytest.approx(0.375)
    assert set(found.estimates) == set(MEANING)


def test_every_estimate_finds_the_truth_within_three_errors():
    found = off_policy(bandit(100_000, 0, predicted=REWARD))
    assert found.estimates["dm"].mean == pytest.approx(TRUTH, abs=0.002)
    assert found.estimates["dm"].low is None
    for name in ("ips", "snips", "dr", "switch"):
        one = found.estimates[name]
        assert abs(one.mean - TRUTH) < 3 * error_of(one)
        assert one.low < TRUTH < one.high
    assert found.warnings == ()
    assert found.diagnostics.support == pytest.approx(1)
    assert error_of(found.estimates["dr"]) < 0.8 * error_of(found.estimates["ips"])


def test_a_model_that_knows_nothing_leaves_ips():
    feedback = bandit(5_000, 1, predicted=np.zeros_like(REWARD))
    found = off_policy(feedback, resamples=200).estimates
    assert found["dr"].mean == pytest.approx(found["ips"].mean, abs=1e-12)


def test_doubly_robust_is_right_if_either_the_chances_or_the_model_are():
    uneven = np.full_like(LOGGING, 1 / ACTIONS)
    wrong_chances = off_policy(bandit(100_000, 2, predicted=REWARD, logged=uneven))
    assert abs(wrong_chances.estimates["ips"].mean - TRUTH) > 0.02
    assert wrong_chances.estimates["dr"].mean == pytest.approx(TRUTH, abs=0.005)
    assert "the mean weight is" in wrong_chances.warnings[0]
    wrong_model = off_policy(bandit(100_000, 2, predicted=1 - REWARD))
    assert abs(wrong_model.estimates["dm"].mean - TRUTH) > 0.02
    one = wrong_model.estimates["dr"]
    assert abs(one.mean - TRUTH) < 3 * error_of(one)


def test_switch_lies_between_the_model_and_doubly_robust():
    feedback = bandit(2_000, 3, predicted=1 - REWARD)
    all_model, none = (
        off_policy(feedback, clip=clip, resamples=200).estimates for clip in (0.0, 1e9)
    )
    assert all_model["switch"].mean == pytest.approx(all_model["dm"].mean)
    assert none["switch"].mean == pytest.approx(none["dr"].mean)


def test_intervals_cover_as_often_as_they_say():
    covered = {"ips": 0, "snips": 0, "dr": 0}
    runs = 150
    for seed in range(runs):
        found = off_policy(
            bandit(600, 100 + seed, predicted=0.8 * REWARD), seed=seed, resamples=400
        ).estimates
        for name in covered:
            covered[name] += found[name].low <= TRUTH <= found[name].high
    assert min(covered.values()) >= 0.9 * runs


def test_rounds_of_one_user_are_not_independent():
    once = bandit(500, 4)
    twice = Feedback(
        reward=np.tile(once.reward, 4),
        logged=np.tile(once.logged, 4),
        evaluated=np.tile(once.evaluated, 4),
        user=np.tile(once.user, 4),
    )
    alone, together = (off_policy(one, resamples=500).estimates["ips"] for one in (once, twice))
    assert together.mean == pytest.approx(alone.mean)
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))


def test_a_log_that_left_nothing_to_chance_is_refused():
    sure = np.ones(4)
    with pytest.raises(DataError, match=r"logged with chance 1.*\nhint: let a share"):
        replace(WORKED, logged=sure)
    with pytest.raises(DataError, match="`logged` of round 0 is 0, which is no chance"):
        replace(WORKED, logged=np.zeros(4))
    with pytest.raises(DataError, match="`evaluated` of round 0 is 2"):
        replace(WORKED, evaluated=np.full(4, 2.0))
    with pytest.raises(DataError, match="give both or neither"):
        replace(WORKED, value=None)
    empty = np.empty(0)
    with pytest.raises(DataError, match="no round"):
        Feedback(reward=empty, logged=empty, evaluated=empty, user=np.empty(0, np.int64))


def test_a_policy_may_be_judged_by_its_own_log_though_it_never_varies():
    same = replace(WORKED, logged=np.ones(4), evaluated=np.ones(4))
    assert off_policy(same).estimates["ips"].mean == 0.5


def test_missing_support_is_told():
    could = np.ones((1_000, 2)) * [1, 0]
    found = off_policy(
        Feedback.of_policy(
            action=np.zeros(1_000, np.int64),
            reward=np.arange(1_000) % 2,
            logged=np.full(1_000, 0.5),
            evaluated=np.full((1_000, 2), 0.5),
            could=could,
        )
    )
    assert found.diagnostics.support == pytest.approx(0.5)
    assert "only 50.0% of the policy's choices" in found.warnings[0]
    few = off_policy(WORKED)
    assert "worth 3: too few" in few.warnings[-1]


def test_a_list_is_as_many_rounds_as_it_has_places():
    found = off_policy(WORKED).times(10)
    assert found.estimates["ips"].mean == pytest.approx(6.25)
    assert found.to_json()["estimates"]["dr"]["mean"] == pytest.approx(5.0)


def test_the_reward_model_has_not_seen_the_user():
    rng = np.random.default_rng(5)
    features, action = rng.normal(size=(300, 2)), rng.integers(0, 4, 300)
    user = rng.integers(0, 60, 300)
    reward = features[:, 0] + action + rng.normal(0, 0.1, 300)
    before = cross_fitted(features, action, reward, 4, user=user, ridge=0.1)
    mine = user == user[0]
    after = cross_fitted(features, action, np.where(mine, 99.0, reward), 4, user=user, ridge=0.1)
    np.testing.assert_array_equal(before[mine], after[mine])
    assert not np.allclose(before[~mine], after[~mine])
    wanted = features[:, :1] + np.arange(4)
    assert np.abs(before - wanted).max() < 0.2


def test_the_model_of_pairs_is_that_of_all_actions():
    rng = np.random.default_rng(6)
    context, action = rng.normal(size=(200, 2)), rng.integers(0, 3, 200)
    reward = rng.normal(size=200)
    wanted = rng.integers(0, 3, 200)
    full = cross_fitted(context, action, reward, 3)
    shown, other = (np.concatenate([context, np.eye(3)[one]], 1) for one in (action, wanted))
    predicted, value = cross_fitted_pairs(shown, other, reward)
    np.testing.assert_allclose(predicted, full[np.arange(200), action])
    np.testing.assert_allclose(value, full[np.arange(200), wanted])


def test_ratings_that_people_chose_to_give_are_corrected_by_their_chance():
    rng = np.random.default_rng(7)
    ratings = rng.integers(1, 6, (300, 100))
    chance = np.array([0.02, 0.04, 0.08, 0.2, 0.4])[ratings - 1]
    user, item = (rng.random(ratings.shape) < chance).nonzero()
    found = selected_mean(
        ratings[user, item].astype(np.float64), chance[user, item], user, population=ratings.size
    )
    truth = ratings.mean()
    assert found["naive"].low > truth + 0.8
    for name in ("ips", "snips"):
        assert found[name].low < truth < found[name].high
    with pytest.raises(DataError, match=r"propensities must lie in \(0, 1\]"):
        selected_mean(np.ones(1), np.zeros(1), np.zeros(1, np.int64), population=1)
