import numpy as np
import pytest
from scipy.stats import chisquare

from grapevine.errors import ConfigError
from grapevine.evaluation.experiments.ratio import ALARM, sample_ratio, watched_ratio


def test_the_worked_figure():
    found = sample_ratio([50_000, 50_700], [0.5, 0.5])
    assert round(found.chi_square, 3) == 4.866
    assert round(found.p, 4) == 0.0274
    assert not found.alarm
    assert sample_ratio([50_000, 51_200], [0.5, 0.5]).alarm


def test_it_is_pearsons_test_for_any_arms():
    counts, shares = [120, 260, 640], [0.1, 0.3, 0.6]
    ours = sample_ratio(counts, shares)
    theirs = chisquare(counts, np.array(shares) * sum(counts))
    assert ours.chi_square == pytest.approx(theirs.statistic)
    assert ours.p == pytest.approx(theirs.pvalue)
    assert ours.to_json()["counts"] == counts


def test_nobody_yet_is_no_alarm_and_arms_without_shares_are_refused():
    assert sample_ratio([0, 0], [0.5, 0.5]).p == 1
    with pytest.raises(ConfigError, match="3 counts and 2 shares"):
        sample_ratio([1, 2, 3], [0.5, 0.5])


def test_a_daily_look_gives_no_more_false_alarms_than_it_says_and_finds_what_is_off():
    rng = np.random.default_rng(1)
    days, runs = 60, 1_000
    fair = rng.binomial(1_000, 0.5, (runs, days)).cumsum(1)
    off = rng.binomial(1_000, 0.48, (runs, days)).cumsum(1)
    total = np.arange(1, days + 1) * 1_000

    def alarmed(first: np.ndarray, level: float) -> float:
        counts = [np.stack([one, total - one], 1) for one in first]
        return float(np.mean([watched_ratio(one, [0.5, 0.5])[-1] <= level for one in counts]))

    assert alarmed(fair, 0.05) <= 0.05
    assert alarmed(fair, ALARM) <= 0.005
    assert alarmed(off, ALARM) > 0.95
