"""Losses over all items equal torch's on the whole table of scores, gradients too."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, logsigmoid

from grapevine.core import over_all
from grapevine.core.kernels.rowloss import gbce_rows, softmax_rows
from grapevine.core.over_all import (
    gbce_over_all,
    gbce_power,
    log_shares_over_all,
    softmax_over_all,
)


def drawn(positions=300, items=70, width=6, seed=0):
    make = torch.Generator().manual_seed(seed)
    x = torch.randn(positions, width, generator=make).requires_grad_()
    table = torch.randn(items, width, generator=make).requires_grad_()
    bias = torch.randn(items, generator=make).requires_grad_()
    answers = torch.randint(items, (positions,), generator=make)
    return x, table, bias, answers


def gradients(loss, *leaves):
    return [loss.detach(), *torch.autograd.grad(loss, leaves)]


@pytest.fixture(autouse=True)
def _blocks(monkeypatch):
    """Few items would be scored by all positions at once."""
    monkeypatch.setattr("grapevine.core.over_all.SCORES", 0)


@pytest.mark.parametrize("positions", [1, 255, 256, 300, 520])
def test_the_softmax_is_that_of_the_whole_table(positions):
    x, table, bias, answers = drawn(positions)
    whole = cross_entropy(x @ table.T + bias, answers)
    found = softmax_over_all(x, table, answers, bias_I=bias)
    for one, other in zip(gradients(found, x, table, bias), gradients(whole, x, table, bias)):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("positions", [1, 256, 300])
def test_log_shares_are_those_of_the_whole_table(positions):
    x, table, bias, answers = drawn(positions)
    found = log_shares_over_all(x, table, answers, bias_I=bias)
    assert not found.requires_grad
    whole = (x @ table.T + bias).log_softmax(1)[torch.arange(positions), answers]
    torch.testing.assert_close(found, whole.detach(), rtol=1e-5, atol=1e-5)


def test_scores_that_are_no_numbers_lose_what_is_none():
    """The step that asked looks at its loss, and says what to do."""
    for wrong in (np.nan, np.inf):
        table, states = torch.randn(5, 3), torch.full((2, 3), wrong)
        assert not torch.isfinite(softmax_over_all(states, table, torch.tensor([1, 2])))


def test_positions_count_by_their_weights():
    x, table, _, answers = drawn(40)
    weights = torch.rand(40)
    whole = (cross_entropy(x @ table.T, answers, reduction="none") * weights).sum()
    found = softmax_over_all(x, table, answers, weights_T=weights)
    for one, other in zip(gradients(found, x, table), gradients(whole, x, table)):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_rounded_products_lose_a_hundredth_at_most():
    x, table, bias, answers = drawn(600, 500, 8)
    whole = gradients(softmax_over_all(x, table, answers, bias_I=bias), x, table, bias)
    low = gradients(
        softmax_over_all(x, table, answers, bias_I=bias, precision="bfloat16"), x, table, bias
    )
    for one, other in zip(low, whole):
        assert (one - other).norm() < 0.01 * other.norm()


def test_more_positions_at_once_change_nothing_but_the_rounding(monkeypatch):
    x, table, bias, answers = drawn(600)
    few = softmax_over_all(x, table, answers, bias_I=bias)
    monkeypatch.setattr("grapevine.core.over_all.SCORES", 2**21)
    torch.testing.assert_close(softmax_over_all(x, table, answers, bias_I=bias), few)


def test_no_positions_lose_nothing():
    x, table, _, _ = drawn(2)
    lost = softmax_over_all(x[:0], table, torch.empty(0, dtype=torch.int64))
    assert lost == 0
    assert not torch.autograd.grad(lost, table)[0].any()


@given(st.floats(-80, 80), st.integers(1, 40))
def test_shares_add_up_however_far_scores_are_apart(peak, items):
    scores = np.linspace(peak, -peak, items, dtype=np.float32)[None].copy()
    wanted = torch.softmax(torch.from_numpy(scores[0]), 0).numpy()
    lost = np.empty(1, np.float32)
    softmax_rows(scores, np.array([0]), np.ones(1, np.float32), lost)
    scores[0, 0] += 1
    np.testing.assert_allclose(scores[0], wanted, atol=3e-7)


def test_where_all_are_drawn_once_the_calibrated_loss_is_the_sum_over_all(monkeypatch):
    items, k = 9, 8
    x, table, bias, answers = drawn(30, items)
    monkeypatch.setattr(over_all, "gbce_rows", all_others)
    found = gbce_over_all(x, table, answers, bias_I=bias, negatives=k, calibration=0.5, key=1)
    scores = x @ table.T + bias
    hit = torch.nn.functional.one_hot(answers, items).bool()
    whole = -(logsigmoid(scores[hit]).sum() + logsigmoid(-scores[~hit]).sum()) / (k + 1) / 30
    for one, other in zip(gradients(found, x, table, bias), gradients(whole, x, table, bias)):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def all_others(scores, answers, weights, lost, *, negatives, beta, key, first):
    """What `gbce_rows` does on average where k is all other items: each of them, once."""
    assert beta == 1
    t = torch.from_numpy(scores.copy()).requires_grad_()
    hit = torch.nn.functional.one_hot(torch.from_numpy(answers), t.shape[1]).float()
    with torch.enable_grad():  # a step of autograd is walked through without it
        each = binary_cross_entropy_with_logits(t, hit, reduction="none").sum(1) / (negatives + 1)
        (each * torch.from_numpy(weights)).sum().backward()
    lost[:] = each.detach().numpy()
    scores[:] = t.grad.numpy()


def test_the_calibrated_loss_of_a_row_by_hand():
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(3, 2)).astype(np.float32)
    answers, beta, k = np.array([0, 1, 0]), 0.3, 4
    # With two items every draw is the other one, so that all is known.
    own, other = (
        scores[range(3), answers].astype(float),
        scores[range(3), 1 - answers].astype(float),
    )
    softplus = np.logaddexp
    wanted = (beta * softplus(0, -own) + k * softplus(0, other)) / (k + 1)
    lost, given_scores = np.empty(3, np.float32), scores.copy()
    gbce_rows(
        given_scores, answers, np.ones(3, np.float32), lost, negatives=k, beta=beta, key=7, first=0
    )
    np.testing.assert_allclose(lost, wanted, rtol=1e-6)
    by_own = -beta / (1 + np.exp(own)) / (k + 1)
    by_other = k / (1 + np.exp(-other)) / (k + 1)
    np.testing.assert_allclose(given_scores[range(3), answers], by_own, rtol=1e-5)
    np.testing.assert_allclose(given_scores[range(3), 1 - answers], by_other, rtol=1e-5)


def test_draws_are_uniform_never_the_answer_and_named_by_the_row():
    items, k = 11, 50_000
    scores = np.zeros((2, items), np.float32)
    lost, answers = np.empty(2, np.float32), np.array([3, 3])
    ones = np.ones(2, np.float32)
    gbce_rows(scores, answers, ones, lost, negatives=k, beta=1.0, key=9, first=4)
    counts = scores * (k + 1) * 2  # each draw at score 0 adds a half
    others = np.delete(counts[0], 3)
    assert others.sum() == pytest.approx(k, rel=1e-3)
    assert np.abs(others - k / 10).max() < 5 * np.sqrt(k / 10)
    again = np.zeros((1, items), np.float32)
    gbce_rows(again, answers[1:], ones[1:], lost[1:], negatives=k, beta=1.0, key=9, first=5)
    np.testing.assert_array_equal(again[0], scores[1])


def test_the_worked_figures_of_the_calibration():
    assert gbce_power(256, 3416, 0.75) == pytest.approx(0.3062225, abs=1e-7)
    assert gbce_power(256, 3416, 0.0) == 1
    assert gbce_power(256, 3416, 1.0) == pytest.approx(0.0749634, abs=1e-7)


@given(st.floats(-20, 20), st.floats(0.05, 1))
def test_the_calibrated_loss_is_the_plain_one_of_bent_scores(score, beta):
    """Spec 04: `gamma(s) = -log(sigmoid(s)^-beta - 1)`, of which the sigmoid is sigmoid(s)^beta."""

    def gamma(s, beta):
        return -np.log(np.expm1(beta * np.logaddexp(0, -s)))

    assert gamma(0.0, 0.5) == pytest.approx(0.8813736, abs=1e-7)
    scores, lost = np.array([[score, -1e9]], np.float32), np.empty(1, np.float32)
    bent, answers = gamma(float(scores[0, 0]), beta), np.array([0])
    gbce_rows(scores, answers, np.ones(1, np.float32), lost, negatives=1, beta=beta, key=0, first=0)
    np.testing.assert_allclose(lost[0], np.logaddexp(0, -bent) / 2, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize(("beta", "told"), [(1.0, 0.597015), (0.075, 0.1)])
def test_drawing_few_makes_a_model_too_sure_and_the_calibration_mends_it(beta, told):
    """Spec 04: chance 0.1, each other item drawn for 7.5 % of the questions."""
    chance, share = 0.1, 0.075
    p = np.linspace(1e-4, 1 - 1e-4, 1_000_001)
    lost = -(chance * beta * np.log(p) + share * (1 - chance) * np.log1p(-p))
    assert p[lost.argmin()] == pytest.approx(told, abs=1e-5)
