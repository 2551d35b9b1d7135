import numpy as np
import pytest

from grapevine.models.calibration import BINS, platt, sigmoid, table_of
from grapevine.random import stream


def drawn(slope, offset, shape, seed=0):
    draw = stream(seed, "calibration")
    logits = draw.normal(0, 2, shape)
    return logits, draw.random(shape) < sigmoid(slope * logits + offset)


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (0.5, -3.0), (2.0, 1.0)])
def test_the_slope_and_the_offset_of_known_chances_are_found(slope, offset):
    found = platt(*drawn(slope, offset, 60_000))
    np.testing.assert_allclose(found, (slope, offset), atol=0.07)


def test_calibrated_chances_add_up_to_what_came_true():
    logits, came = drawn(0.7, -4.0, 50_000)
    slope, offset = platt(logits, came)
    assert sigmoid(slope * logits + offset).sum() == pytest.approx(came.sum(), rel=0.02)


def test_logits_that_say_the_contrary_are_not_believed():
    logits, came = drawn(-1.0, -1.0, 5_000)
    slope, offset = platt(logits, came)
    assert 0 < slope <= 1e-3
    assert sigmoid(np.array([offset]))[0] == pytest.approx(came.mean(), abs=0.01)


@pytest.mark.parametrize("came", [np.zeros(3, bool), np.ones(3, bool), np.zeros(0, bool)])
def test_what_is_all_alike_has_finite_chances(came):
    assert np.isfinite(platt(np.arange(len(came)), came)).all()


def test_the_table_of_right_logits_is_the_diagonal_and_that_of_wrong_ones_is_not_trusted():
    logits, came = drawn(0.5, -2.0, (400, 60))
    predicted, observed, counts = table_of(logits, came, np.ones(logits.shape, bool))
    assert counts.sum() == logits.size
    assert len(predicted) == BINS
    assert (np.diff(predicted) > 0).all()
    noise = np.sqrt(predicted * (1 - predicted) / counts)
    assert (np.abs(predicted - observed) < 4 * noise + 0.01).all()
    # Bins hold like sums of chances.
    np.testing.assert_allclose(predicted * counts, (predicted * counts).mean(), rtol=0.05)


def test_what_holds_no_candidate_counts_in_no_bin():
    logits, came = drawn(1.0, 0.0, (20, 10))
    there = np.arange(10) < np.arange(20)[:, None] // 2
    assert table_of(logits, came & there, there)[2].sum() == there.sum()
    assert not table_of(logits, came, np.zeros_like(there)).any()


def test_a_case_that_stands_for_three_counts_three_times():
    logits, came = drawn(0.8, -1.0, (40, 12))
    weights = 1.0 + 2 * (np.arange(12) % 2 == 0) * np.ones((40, 1))
    times = weights.astype(int)
    flat = np.repeat(logits.ravel(), times.ravel()), np.repeat(came.ravel(), times.ravel())
    found = platt(logits.ravel(), came.ravel(), weights.ravel())
    np.testing.assert_allclose(found, platt(*flat), rtol=1e-6)
    there = np.ones(logits.shape, bool)
    told = table_of(logits, came, there, weights)
    assert told[2].sum() == times.sum()
    assert (told[1] * told[2]).sum() == pytest.approx((came * times).sum())
    none = np.where(np.arange(12) < 6, weights, 0.0)
    some = table_of(logits[:, :6], came[:, :6], there[:, :6], weights[:, :6])
    np.testing.assert_allclose(table_of(logits, came, none > 0, none), some)
