import math

import pytest
import torch

from grapevine.core.losses import bpr, max_margin, sampled_softmax

LOSSES = {
    "bpr": bpr,
    "max_margin": lambda *given: max_margin(*given, margin=0.3),
    "sampled_softmax": lambda *given: sampled_softmax(*given, temperature=0.5),
}


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def test_max_margin_by_hand():
    positive = torch.tensor([0.8], requires_grad=True)
    negative = torch.tensor([[0.5, 0.75, 0.9]], requires_grad=True)
    lost = max_margin(positive, negative, margin=0.1)
    assert lost.item() == pytest.approx((0 + 0.05 + 0.2) / 3)
    pulls = torch.autograd.grad(lost, (positive, negative))
    torch.testing.assert_close(pulls[0], torch.tensor([-2 / 3]))
    torch.testing.assert_close(pulls[1], torch.tensor([[0.0, 1 / 3, 1 / 3]]))


def test_bpr_by_hand():
    lost = bpr(torch.tensor([1.0, 0.0]), torch.tensor([[1.0, 0.0], [0.0, -800.0]]))
    assert lost.item() == pytest.approx(
        (math.log(2) + math.log(1 + math.exp(-1)) + math.log(2)) / 4
    )


def test_sampled_softmax_over_every_other_item_is_the_softmax():
    scores = torch.randn(5, 9)
    target = torch.tensor([3, 0, 8, 8, 1])
    others = torch.ones(5, 9, dtype=torch.bool).scatter(1, target[:, None], False)
    positive = scores[torch.arange(5), target]
    trusted = torch.nn.functional.cross_entropy(scores / 0.2, target)
    one = sampled_softmax(positive, scores[others].view(5, 8), temperature=0.2)
    torch.testing.assert_close(one, trusted)
    torch.testing.assert_close(sampled_softmax(positive, scores, others, temperature=0.2), trusted)


def test_log_q_makes_draws_by_popularity_stand_for_the_whole_catalogue():
    scores, chance = torch.randn(20), torch.rand(20).softmax(0)
    drawn = torch.multinomial(chance, 200_000, replacement=True)
    positive = torch.tensor([0.5])
    wanted = torch.cat([positive, scores]).logsumexp(0) - positive[0]
    expected = (len(drawn) * chance[drawn]).log()
    got = sampled_softmax(positive, scores[drawn][None], log_expected_S=expected)
    assert got.item() == pytest.approx(wanted.item(), abs=5e-3)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_what_is_not_kept_neither_counts_nor_pulls(loss):
    positive = torch.randn(3)
    negative = torch.randn(3, 4, requires_grad=True)
    keep = torch.tensor([[True, True, False, False], [True, False, True, False], [False] * 4])
    lost = loss(positive, negative, keep)
    alone = [loss(positive[[row]], negative[row, keep[row]][None]) for row in (0, 1)]
    torch.testing.assert_close(lost, torch.stack(alone).sum() / 3)
    pull = torch.autograd.grad(lost, negative)[0]
    assert not pull[~keep].any()
    assert pull.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_gradient_is_that_of_the_numbers(loss):
    keep = torch.tensor([[True, True, False], [True, False, True]])
    given = (torch.randn(2, requires_grad=True), torch.randn(2, 3, requires_grad=True))
    assert torch.autograd.gradcheck(lambda p, n: loss(p, n, keep), given)
    assert torch.autograd.gradcheck(loss, given)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_scores_of_any_size_leave_a_finite_loss_and_a_finite_gradient(loss):
    positive = torch.tensor([1e4, -1e4], requires_grad=True)
    lost = loss(positive, torch.tensor([[-1e4], [1e4]]))
    assert lost.isfinite()
    assert torch.autograd.grad(lost, positive)[0].isfinite().all()
