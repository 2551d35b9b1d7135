import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import ttest_ind

from grapevine.errors import DataError
from grapevine.evaluation.experiments.effect import Moments, effect, stacked

few = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-100, 100, width=32))


@given(few, few, few)
def test_moments_of_parts_add_up_to_those_of_all(a, b, c):
    parts = [Moments.of(one, before=one**2) for one in (a, b, c)]
    whole = np.concatenate([a, b, c])
    added, wanted = parts[0] + parts[1] + parts[2], Moments.of(whole, before=whole**2)
    assert added.count == wanted.count
    np.testing.assert_allclose(added.mean, wanted.mean, atol=1e-7)
    np.testing.assert_allclose(added.scatter, wanted.scatter, rtol=1e-7, atol=1e-4)


def test_moments_of_groups_are_those_of_each():
    rng = np.random.default_rng(0)
    group = rng.integers(0, 4, 200)
    y, d, x = rng.normal(1e4, 1, (3, 200))
    together = Moments.by_group(group, 5, y, base=d, before=x)
    for one in range(4):
        here = group == one
        alone = Moments.of(y[here], base=d[here], before=x[here])
        assert together.count[one] == alone.count
        np.testing.assert_allclose(together.mean[one], alone.mean)
        np.testing.assert_allclose(together.scatter[one], alone.scatter, rtol=1e-8, atol=1e-8)
    assert together.count[4] == 0
    running = together[:4].running()
    np.testing.assert_allclose(running[-1].mean, Moments.of(y, base=d, before=x).mean)


def test_a_difference_of_means_is_welchs():
    rng = np.random.default_rng(1)
    a, b = rng.exponential(2.0, 40), rng.exponential(3.0, 90)
    ours, theirs = effect(Moments.of(a), Moments.of(b)), ttest_ind(b, a, equal_var=False)
    interval = theirs.confidence_interval()
    assert ours.p == pytest.approx(theirs.pvalue)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))
    assert ours.difference == pytest.approx(b.mean() - a.mean())
    assert ours.lift == pytest.approx(b.mean() / a.mean() - 1)
    assert ours.variance_kept == 1


def test_a_ratio_has_the_variance_of_the_delta_method():
    rng = np.random.default_rng(2)
    shown = 1 + rng.poisson(5, 400)
    clicks = rng.binomial(shown, 0.3)
    ratio = clicks.sum() / shown.sum()
    cov = np.cov(clicks, shown)
    wanted = cov[0, 0] - 2 * ratio * cov[0, 1] + ratio**2 * cov[1, 1]
    arm = Moments.of(clicks, base=shown)
    found = effect(arm, arm)
    assert found.control == pytest.approx(ratio)
    assert found.error**2 == pytest.approx(2 * wanted / shown.mean() ** 2 / 400)


def test_adjusting_is_the_regression_on_arm_and_covariate():
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, 600)
    arm = rng.integers(0, 2, 600)
    y = 2 + 0.8 * x + 0.3 * arm + rng.normal(0, 0.5, 600)
    a, b = (Moments.of(y[arm == one], before=x[arm == one]) for one in (0, 1))
    found = effect(a, b)
    design = np.stack([np.ones(600), arm, x], 1)
    weights = np.linalg.lstsq(design, y, rcond=None)[0]
    assert found.theta == pytest.approx(weights[2])
    assert found.difference == pytest.approx(weights[1])
    assert effect(a, b, adjust=False).difference == pytest.approx(
        y[arm == 1].mean() - y[arm == 0].mean()
    )


def two_arms(rng, runs, users, *, shift=0.0, rho=0.7):
    """Arms whose outcome has this correlation with what came before."""

    def arm(move):
        x = rng.normal(0, 1, (runs, users))
        y = rho * x + np.sqrt(1 - rho**2) * rng.normal(0, 1, (runs, users)) + move
        return Moments.of(y, before=x)

    return arm(0.0), arm(shift)


def test_adjusting_takes_away_what_the_covariate_explains_and_is_unbiased():
    found = effect(*two_arms(np.random.default_rng(4), 2_000, 300, shift=0.2))
    assert found.variance_kept.mean() == pytest.approx(1 - 0.7**2, abs=0.01)
    spread = found.difference.std() / np.sqrt(2_000)
    assert abs(found.difference.mean() - 0.2) < 3 * spread
    # The error that is told is the error that is made.
    assert found.error.mean() == pytest.approx(found.difference.std(), rel=0.05)


def test_false_positives_and_coverage_are_what_they_should_be():
    null = effect(*two_arms(np.random.default_rng(5), 2_000, 150))
    assert (null.p < 0.05).mean() == pytest.approx(0.05, abs=0.01)
    real = effect(*two_arms(np.random.default_rng(6), 2_000, 150, shift=0.3))
    covered = (real.low <= 0.3) & (real.high >= 0.3)
    assert 0.93 < covered.mean() < 0.97


def test_ratios_adjusted_and_not_cover_the_truth():
    rng = np.random.default_rng(7)

    def arm(chance):
        keen = rng.beta(4, 4, (2_000, 200))
        shown = 1 + rng.poisson(4 + 4 * keen)
        clicks = rng.binomial(shown, chance * keen)
        return Moments.of(clicks, base=shown, before=keen)

    # E[keen n] / E[n] with n = 5 + 4 keen, and keen's mean 1/2 and variance 1/36.
    share = (5 / 2 + 4 * (1 / 4 + 1 / 36)) / 7
    a, b = arm(0.4), arm(0.5)
    for adjust in (True, False):
        found = effect(a, b, adjust=adjust)
        truth = 0.1 * share
        covered = ((found.low <= truth) & (truth <= found.high)).mean()
        assert 0.93 < covered < 0.97
    assert effect(a, b).variance_kept.mean() < 0.9
    lifted = effect(a, b)
    assert 0.93 < ((lifted.lift_low <= 0.25) & (lifted.lift_high >= 0.25)).mean() < 0.97


def test_what_cannot_be_known_is_nan_and_null():
    nobody, one = Moments.of(np.empty(0)), Moments.of(np.array([1.0]))
    some = Moments.of(np.array([1.0, 2.0, 4.0]))
    for arm in (nobody, one):
        found = effect(arm, some)
        assert np.isnan(found.low)
        assert found.to_json()["p"] is None
    flat = Moments.of(np.ones(5))
    assert np.isnan(effect(flat, flat).error)


def test_many_are_found_as_each_alone():
    rng = np.random.default_rng(8)
    pairs = [two_arms(rng, 1, 50) for _ in range(3)]
    together = effect(stacked([a[0] for a, _ in pairs]), stacked([b[0] for _, b in pairs]))
    for place, (a, b) in enumerate(pairs):
        assert together[place].to_json() == pytest.approx(effect(a[0], b[0]).to_json())


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="1 values of users are not finite"):
        Moments.of(np.array([1.0, np.nan]))
