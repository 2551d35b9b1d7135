"""Losses over what was drawn equal torch's on whole tables, and the softmax they stand for."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, logsigmoid

from grapevine.core import losses, sampled
from grapevine.core.kernels.rowloss import bpr_rows
from grapevine.core.over_all import bpr_over_all
from grapevine.core.sampled import lookups, over_drawn

CHANCES = torch.tensor([0.35, 0.25, 0.15, 0.10, 0.08, 0.07], dtype=torch.float64)
"""Spec 04 section 13: how often each of six items is drawn."""

LOSSES = {
    "bpr": lambda p, n, keep, _: losses.bpr(p, n, keep),
    "gbce": lambda p, n, keep, _: losses.gbce(p, n, keep, beta=0.3),
    "bpr-max": lambda p, n, keep, _: losses.bpr_max(p, n, keep, regularisation=0.7),
    "softmax": lambda p, n, keep, _: losses.sampled_softmax(p, n, keep, log_expected_S=0.4),
}


def drawn(own, positions=40, rows=30, width=5, negatives=12):
    make = torch.Generator().manual_seed(3)
    x = torch.randn(positions, width, generator=make, dtype=torch.float64).requires_grad_()
    table = torch.randn(rows, width, generator=make, dtype=torch.float64).requires_grad_()
    bias = torch.randn(rows, generator=make, dtype=torch.float64).requires_grad_()
    answers = torch.randint(rows, (positions,), generator=make)
    shape = (positions, negatives) if own else (negatives,)
    return x, table, bias, answers, torch.randint(rows, shape, generator=make)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("own", [False, True])
def test_blocks_of_what_was_drawn_are_the_loss_of_the_whole_table(name, own, monkeypatch):
    monkeypatch.setattr(sampled, "SCORES", 12 * 5 * 7)  # some blocks, the last one shorter
    x, table, bias, answers, negatives = drawn(own)
    scores = x @ table.T + bias
    others = negatives.expand(len(x), -1)
    far, keep = scores.gather(1, others), others != answers[:, None]
    assert not keep.all()
    near = scores.gather(1, answers[:, None])[:, 0]
    whole = LOSSES[name](near, far, keep, slice(None))
    found = over_drawn(LOSSES[name], x, table, answers, negatives, bias_C=bias)
    torch.testing.assert_close(found, whole)
    for one, other in zip(
        torch.autograd.grad(found, (x, table, bias)), torch.autograd.grad(whole, (x, table, bias))
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradients_are_what_small_steps_find(name):
    x, table, bias, answers, negatives = drawn(False, positions=6, rows=8, negatives=5)

    def lost(x, table, bias):
        return over_drawn(LOSSES[name], x, table, answers, negatives, bias_C=bias)

    assert torch.autograd.gradcheck(lost, (x, table, bias))


def test_a_draw_that_is_the_answer_is_no_negative():
    x, table, _, answers, _ = drawn(False)
    for loss in LOSSES.values():
        lost = over_drawn(loss, x[:1], table, answers[:1], answers[:1])
        gradient = torch.autograd.grad(lost, table)[0]
        assert torch.isfinite(gradient).all()
        others = torch.arange(len(table)) != answers[0]
        assert not gradient[others].any()


def test_bpr_max_by_hand():
    near, far = torch.tensor([1.0, 0.2]), torch.tensor([[0.5, -2.0, 0.1], [0.0, 0.3, 0.4]])
    bent = torch.where(far > 0, far, 0.5 * (far.exp() - 1))
    share = bent.softmax(1)
    wanted = -(share * (near[:, None] - bent).sigmoid()).sum(1).log()
    wanted = (wanted + 1.95 * (share * bent**2).sum(1)).mean()
    torch.testing.assert_close(losses.bpr_max(near, far, regularisation=1.95), wanted)


def test_an_item_drawn_twice_may_stand_once_with_its_count():
    near, far = torch.randn(4), torch.randn(4, 3)
    twice, times = torch.cat([far, far[:, :1]], 1), torch.tensor([2.0, 1.0, 1.0]).log()
    for all_of_it, counted in (
        (losses.bpr_max(near, twice), losses.bpr_max(near, far, log_times_S=times)),
        (
            losses.sampled_softmax(near, twice),
            losses.sampled_softmax(near, far, log_expected_S=-times),
        ),
    ):
        torch.testing.assert_close(all_of_it, counted)


def test_items_kept_in_order_of_their_names():
    rows, (first, second) = lookups(10, np.array([7, 2, 7]), np.array([[9, 2]]))
    np.testing.assert_array_equal(rows, [2, 7, 9])
    np.testing.assert_array_equal(rows[first], [7, 2, 7])
    np.testing.assert_array_equal(rows[second], [[9, 2]])


def test_the_order_of_answers_and_draws_by_hand():
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(3, 2)).astype(np.float32)
    answers = np.array([0, 1, 0])
    # With two items every draw is the other one, so that all is known.
    behind = (scores[range(3), 1 - answers] - scores[range(3), answers]).astype(float)
    lost, given = np.empty(3, np.float32), scores.copy()
    bpr_rows(given, answers, np.ones(3, np.float32), lost, negatives=4, key=7, first=0)
    np.testing.assert_allclose(lost, np.logaddexp(0, behind), rtol=1e-6)
    np.testing.assert_allclose(given[range(3), 1 - answers], 1 / (1 + np.exp(-behind)), rtol=1e-6)
    np.testing.assert_allclose(given.sum(1), 0, atol=1e-6)


def test_many_draws_of_all_are_the_mean_over_all_others():
    x, table, bias, answers, _ = (
        one.detach().float() if one.is_floating_point() else one for one in drawn(False, rows=6)
    )
    table = table.requires_grad_()
    found = bpr_over_all(x, table, answers, negatives=40_000, key=1, bias_I=bias)
    scores = x @ table.T + bias
    hit = torch.nn.functional.one_hot(answers, 6).bool()
    behind = -logsigmoid(scores[hit][:, None] - scores)
    whole = behind[~hit].mean()
    torch.testing.assert_close(found, whole, rtol=5e-3, atol=0)
    one, other = (torch.autograd.grad(lost, table)[0] for lost in (found, whole))
    assert (one - other).norm() < 0.02 * other.norm()


def test_the_classic_correction_by_hand():
    """Spec 04: s = (2, 1, 0), Q = (.5, .3, .2)."""
    scores, chances = torch.tensor([2.0, 1.0, 0.0]), torch.tensor([0.5, 0.3, 0.2])
    wanted = torch.tensor([0.512434, 0.314190, 0.173376])
    for answer in range(3):
        others = torch.arange(3) != answer
        lost = losses.sampled_softmax(
            scores[answer : answer + 1],
            scores[others][None],
            log_expected_S=chances[others].log(),
            log_positive_B=chances[answer : answer + 1].log(),
        )
        torch.testing.assert_close(torch.exp(-lost), wanted[answer], atol=1e-6, rtol=0)


def test_items_drawn_alike_need_no_classic_correction():
    near, far = torch.randn(5), torch.randn(5, 7)
    even = float(np.log(1 / 8))
    found = losses.sampled_softmax(near, far, log_expected_S=even, log_positive_B=even)
    torch.testing.assert_close(found, losses.sampled_softmax(near, far))


def test_where_every_other_item_is_drawn_once_it_is_the_softmax():
    x, table, bias, answers, _ = drawn(False)
    everything = torch.arange(len(table))
    found = over_drawn(
        lambda p, n, keep, _: losses.sampled_softmax(p, n, keep),
        x, table, answers, everything, bias_C=bias,
    )  # fmt: skip
    whole = cross_entropy(x @ table.T + bias, answers)
    torch.testing.assert_close(found, whole)
    for one, other in zip(
        torch.autograd.grad(found, (x, table)), torch.autograd.grad(whole, (x, table))
    ):
        torch.testing.assert_close(one, other)


def softmax_gradient(scores, drawn, correction, answer=1):
    """The mean over many draws of the gradient that a sampled softmax gives, by all scores."""
    scores = scores.expand(len(drawn), -1).clone().requires_grad_()
    near, far = scores[:, answer], scores.gather(1, drawn)
    log_chance, keep = CHANCES.log(), drawn != answer
    if correction == "classic":
        lost = losses.sampled_softmax(
            near, far, log_expected_S=log_chance[drawn],
            log_positive_B=log_chance[answer].expand(len(drawn)),
        )  # fmt: skip
    else:
        kept = keep.sum(1, keepdim=True).clamp_min(1).double()
        expected = kept.log() + log_chance[drawn] - torch.log(1 - CHANCES[answer])
        lost = losses.sampled_softmax(near, far, keep, log_expected_S=expected)
    return torch.autograd.grad(lost, scores)[0].sum(0)


@pytest.mark.parametrize(
    ("negatives", "refined", "classic"), [(4, 0.044, 0.146), (16, 0.009, 0.036), (64, 0.002, 0.009)]
)
def test_with_the_positive_left_alone_the_gradient_is_nearer_to_the_softmaxs(
    negatives, refined, classic
):
    """The greatest error of a mean over 20,000 draws; both fall as one over the negatives."""
    scores = torch.tensor([2.0, 1.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    make = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(CHANCES, 20_000 * negatives, replacement=True, generator=make)
    drawn = drawn.view(20_000, negatives)
    truth = scores.softmax(0) - torch.nn.functional.one_hot(torch.tensor(1), 6)
    error = {
        which: float((softmax_gradient(scores, drawn, which) - truth).abs().max())
        for which in ("refined", "classic")
    }
    assert error["refined"] == pytest.approx(refined, rel=0.25, abs=1e-3)
    assert error["classic"] == pytest.approx(classic, rel=0.25, abs=1e-3)


def test_the_refined_estimator_by_its_own_equation():
    """`-sg(1 - P) (s - log sum exp(s_d - log Q'))` of Khrylchenko et al. has the same gradient."""
    near = torch.randn(3, dtype=torch.float64).requires_grad_()
    far = torch.randn(3, 5, dtype=torch.float64).requires_grad_()
    log_chance = torch.randn(5, dtype=torch.float64)
    told = (far - log_chance).logsumexp(1)
    share = near.exp() / (near.exp() + told.exp() / 5)
    equation = -((1 - share).detach() * (near - told)).mean()
    ours = losses.sampled_softmax(near, far, log_expected_S=log_chance + float(np.log(5)))
    for one, other in zip(
        torch.autograd.grad(ours, (near, far)), torch.autograd.grad(equation, (near, far))
    ):
        torch.testing.assert_close(one, other)
