import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid, normalize

from grapevine.core import gradients, losses

PAIRS, NEGATIVES, WIDTH = 60, 40, 6


@pytest.fixture(autouse=True)
def more_than_two_blocks(monkeypatch):
    monkeypatch.setattr(gradients, "SCORES", 25 * NEGATIVES)


def vectors(*rows, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(*n, WIDTH, generator=draw, dtype=torch.float64) for n in rows]


def check(found, lost_by_torch, given):
    given = [one.clone().requires_grad_(True) for one in given]
    lost = lost_by_torch(*given)
    lost.backward()
    loss, by_hand = found
    assert loss == pytest.approx(float(lost.detach()), rel=1e-12)
    for one, gradient in zip(given, by_hand, strict=True):
        torch.testing.assert_close(gradient, one.grad, rtol=1e-10, atol=1e-14)


def test_bpr_is_that_of_the_losses():
    given = vectors((PAIRS,), (PAIRS,), (PAIRS,))

    def by_torch(u, p, n):
        return losses.bpr((u * p).sum(1), (u * n).sum(1, keepdim=True))

    check(gradients.bpr(*given), by_torch, given)


@pytest.mark.parametrize("corrected", [True, False])
def test_sampled_softmax_is_that_of_the_losses(corrected):
    given = vectors((PAIRS,), (PAIRS,), (NEGATIVES,))
    draw = np.random.default_rng(1)
    keep = torch.from_numpy(draw.random((PAIRS, NEGATIVES)) < 0.9)
    keep[7] = False
    expected = torch.from_numpy(draw.random(NEGATIVES)).log() if corrected else 0.0

    def by_torch(u, p, n):
        return losses.sampled_softmax(
            (u * p).sum(1), u @ n.T, keep, log_expected_S=expected, temperature=0.3
        )

    found = gradients.sampled_softmax(
        *given,
        left_out=np.flatnonzero(~keep.numpy()),
        log_expected_S=expected,
        temperature=0.3,
    )
    check(found, by_torch, given)


def test_weighted_entropy_is_that_of_torch():
    given = vectors((PAIRS,), (PAIRS,), (NEGATIVES,))
    draw = torch.Generator().manual_seed(2)
    near, users = torch.rand(2, PAIRS, generator=draw, dtype=torch.float64)
    items = torch.rand(NEGATIVES, generator=draw, dtype=torch.float64)

    def by_torch(u, p, n):
        weight = users[:, None] * items + 0.25
        far = weight * logsigmoid(-(u @ n.T))
        return -(near * logsigmoid((u * p).sum(1))).mean() - far.sum(1).mean()

    found = gradients.weighted_entropy(
        *given, positive_B=near, of_users_B=users, of_negatives_S=items, least=0.25
    )
    check(found, by_torch, given)


def test_attraction_is_that_of_torch():
    users, near = vectors((PAIRS,), (PAIRS, 3))
    weight = torch.rand(PAIRS, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def by_torch(u, near):
        return -(weight * logsigmoid((u[:, None] * near).sum(2))).sum(1).mean()

    check(gradients.attraction(users, near, weight), by_torch, [users, near])


def test_lengths_of_one_let_gradients_through():
    (x, pull) = vectors((PAIRS,), (PAIRS,))
    x[3] = 0
    kept, length = gradients.unit(x)
    torch.testing.assert_close(kept, normalize(x))
    x = x[4:].clone().requires_grad_()
    torch.sum(normalize(x) * pull[4:]).backward()
    found = gradients.through_unit(pull[4:], kept[4:], length[4:])
    torch.testing.assert_close(found, x.grad)


def test_a_positive_that_is_far_behind_loses_no_more_than_it_lacks():
    users, positives = torch.ones(1, 1), torch.zeros(1, 1)
    loss, by_hand = gradients.sampled_softmax(users, positives, torch.full((1, 1), 500.0))
    assert loss == 500
    assert [float(one) for one in by_hand] == [500, -1, 1]
