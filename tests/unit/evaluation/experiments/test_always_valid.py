import numpy as np
import pytest

from grapevine.evaluation.experiments.always_valid import (
    always_valid_p,
    confidence_sequence,
    log_ratio,
    mixing,
)


def test_the_worked_figure():
    error = np.sqrt(2 / 1000)
    assert np.exp(log_ratio(0.1, error, 0.1)) == pytest.approx(3.2787, abs=5e-5)
    # As Johari et al. write it.
    n, v, t, x = 1000, 2, 0.01, 0.1
    wanted = np.sqrt(v / (v + n * t)) * np.exp(n**2 * t * x**2 / (2 * v * (v + n * t)))
    assert np.exp(log_ratio(x, error, 0.1)) == pytest.approx(wanted)


@pytest.fixture(scope="module")
def looks():
    """2,000 runs without an effect: means and errors at 20 looks of 100 more users each."""
    rng = np.random.default_rng(0)
    sums = rng.normal(0, 1, (2_000, 20, 100)).sum(2).cumsum(1).T
    users = 100.0 * np.arange(1, 21)[:, None]
    return sums / users, np.broadcast_to(1 / np.sqrt(users), sums.shape)


def test_peeking_spoils_the_usual_rule_and_not_this_one(looks):
    means, errors = looks
    naive = (np.abs(means / errors) > 1.96).any(0).mean()
    watched = (always_valid_p(means, errors, 0.1)[-1] <= 0.05).mean()
    assert naive == pytest.approx(0.25, abs=0.03)
    assert watched == pytest.approx(0.014, abs=0.01)


def test_p_only_falls_and_is_below_the_level_just_when_an_interval_has_left_out_none(looks):
    means, errors = looks
    p = always_valid_p(means + 0.08, errors, 0.1)
    assert (np.diff(p, axis=0) <= 0).all()
    low, high = confidence_sequence(means + 0.08, errors, 0.1)
    left_out = np.maximum.accumulate((low > 0) | (high < 0), axis=0)
    assert ((p <= 0.05) == left_out).all()
    assert left_out[-1].mean() > 0.3


def test_all_intervals_hold_together(looks):
    means, errors = looks
    low, high = confidence_sequence(means, errors, mixing(float(errors[-1, 0])))
    assert ((low <= 0) & (high >= 0)).all(0).mean() >= 0.95


def test_nothing_is_claimed_where_the_error_is_unknown():
    unknown = np.array([np.nan, 0.0])
    assert always_valid_p(np.array([3.0, 3.0]), unknown, 1.0).tolist() == [1.0, 1.0]
    low, high = confidence_sequence(np.array([np.nan, 3.0]), unknown, 1.0)
    assert np.isinf(low).all()
    assert np.isinf(high).all()


def test_the_mixing_scale_makes_the_planned_interval_the_narrowest():
    def width(tau: float, level: float) -> float:
        low, high = confidence_sequence(0.0, 0.3, tau, level=level)
        return float(high - low)

    for level in (0.9, 0.95, 0.99):
        best = mixing(0.3, level=level)
        least = width(best, level)
        assert least < min(width(0.97 * best, level), width(1.03 * best, level))
