import numpy as np
import pytest

from grapevine.evaluation.calibration import brier, expected_calibration_error, reliability


def test_bins_by_hand():
    found = reliability(np.array([0.0, 0.05, 0.5, 1.0]), np.array([0, 1, 1, 1]), bins=10)
    assert found.counts.tolist() == [2, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    assert found.predicted[0] == pytest.approx(0.025)
    assert found.observed[0] == 0.5
    assert np.isnan(found.predicted[1])


def test_error_by_hand():
    # Two bins of two: predicted .2 and .9, observed 0 and 1/2.
    probabilities, outcomes = np.array([0.1, 0.3, 0.9, 0.9]), np.array([0, 0, 1, 0])
    assert expected_calibration_error(probabilities, outcomes, bins=2) == pytest.approx(
        (0.2 + 0.4) / 2
    )
    assert brier(probabilities, outcomes) == pytest.approx((0.01 + 0.09 + 0.01 + 0.81) / 4)


def test_true_probabilities_are_calibrated():
    rng = np.random.default_rng(0)
    probabilities = rng.random(100_000)
    outcomes = (rng.random(100_000) < probabilities).astype(float)
    assert expected_calibration_error(probabilities, outcomes) < 0.01
    assert brier(probabilities, outcomes) == pytest.approx(1 / 6, abs=0.01)
    assert expected_calibration_error(probabilities / 2, outcomes) > 0.2


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match=r"\[0, 1\]: got 0.5 .. 1.5"):
        reliability(np.array([0.5, 1.5]), np.array([0, 1]))
