import numpy as np
import pytest
from scipy import stats

from grapevine import random
from grapevine.evaluation import significance as sig


def rng(*labels):
    return random.stream(0, "test", *labels)


def test_holm_by_hand():
    np.testing.assert_allclose(
        sig.holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02]
    )
    np.testing.assert_allclose(sig.holm(np.array([0.9, 0.8])), [1, 1])
    assert sig.holm(np.array([])).tolist() == []


def test_t_equals_scipy():
    differences = np.random.default_rng(0).normal(0.1, 1, 400)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert sig.paired_t(differences) == pytest.approx(expected, rel=1e-9)
    assert sig.paired_t(np.zeros(10)) == 1
    assert sig.paired_t(np.ones(10)) == 0


def test_sign_flip_by_hand():
    # Three differences of one sign: 2 of the 8 patterns of signs are as far from zero.
    assert sig.sign_flip(np.array([1.0, 1.0, 1.0, 0.0]), rng()) == pytest.approx(0.25, abs=0.02)
    assert sig.sign_flip(np.zeros(5), rng()) == 1


def test_few_queries_are_flipped_and_many_take_t():
    differences = np.random.default_rng(1).normal(0.05, 1, 1200)
    assert sig.paired_p(differences[:900], rng())[1] == "sign-flip"
    assert sig.paired_p(differences, rng())[1] == "paired t"
    flipped = sig.sign_flip(differences[:900], rng())
    assert flipped == pytest.approx(sig.paired_t(differences[:900]), abs=0.02)


def test_bootstrap_error_is_the_standard_error():
    values = np.random.default_rng(2).exponential(size=(1, 500))
    means = sig.resample_means(values, resamples=4000, rng=rng())[:, 0]
    assert means.mean() == pytest.approx(values.mean(), abs=0.005)
    assert means.std() == pytest.approx(values.std() / np.sqrt(500), rel=0.05)


def test_the_same_queries_are_drawn_for_every_column():
    values = np.random.default_rng(3).random((1, 200))
    means = sig.resample_means(np.concatenate([values, values + 1]), resamples=300, rng=rng())
    np.testing.assert_allclose(means[:, 1] - means[:, 0], 1, atol=1e-12)


def test_queries_that_do_not_count_are_left_out():
    values = np.array([[1.0, np.nan, 1.0, np.nan], [1.0, 2.0, 3.0, 4.0]])
    means = sig.resample_means(values, resamples=500, rng=rng())
    known = np.isfinite(means[:, 0])
    assert known.mean() == pytest.approx(1 - 0.5**4, abs=0.05)
    assert set(means[known, 0]) == {1.0}
    assert sig.interval(means[:, 0]) == (1.0, 1.0)
    assert np.isfinite(means[:, 1]).all()


def test_seeds_widen_the_interval():
    # Two seeds that differ by 1, and queries that do not: all the spread is that of the seeds.
    means = sig.resample_means(np.array([[0.0] * 50, [1.0] * 50]), resamples=4000, rng=rng())
    over = sig.resample_seeds(means, rng("seeds"))
    shares = [float((over == value).mean()) for value in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.03)
    alone = sig.resample_seeds(means[:, :1], rng("seeds"))
    assert alone.tolist() == means[:, 0].tolist()


def test_number_of_resamples():
    assert [sig.num_resamples(n) for n in (10, 10_000, 10**7)] == [10_000, 2_000, 500]


@pytest.mark.slow
def test_intervals_cover_the_truth_95_times_of_100():
    draw = np.random.default_rng(4)
    covered = 0
    for trial in range(2000):
        values = draw.exponential(size=(1, 200))
        low, high = sig.interval(sig.resample_means(values, resamples=400, rng=rng(trial))[:, 0])
        covered += low <= 1 <= high
    assert 0.93 <= covered / 2000 <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("test", ["t", "sign-flip", "bootstrap"])
def test_no_difference_is_found_five_times_of_100(test):
    draw = np.random.default_rng(5)
    found = 0
    for trial in range(2000):
        differences = draw.standard_normal(100)
        if test == "t":
            found += sig.paired_t(differences) <= 0.05
        elif test == "sign-flip":
            found += sig.sign_flip(differences, rng(trial), flips=400) <= 0.05
        else:
            means = sig.resample_means(differences[None], resamples=400, rng=rng(trial))
            low, high = sig.interval(means[:, 0])
            found += low > 0 or high < 0
    assert 0.04 <= found / 2000 <= 0.065
