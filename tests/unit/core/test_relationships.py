import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal

from grapevine.core.relationships import TensorNormal

SHAPE = (3, 2, 4)


def drawn(*shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draw, dtype=torch.float64)


def definite(size, seed):
    root = drawn(size, size + 2, seed=seed)
    return root @ root.T


def kronecker(factors):
    whole = torch.eye(1, dtype=torch.float64)
    for factor in factors:
        whole = torch.kron(whole, factor)
    return whole


@given(seed=st.integers(0, 99))
def test_the_penalty_is_that_of_the_whole_covariance(seed):
    factors = tuple(definite(size, seed + size) for size in SHAPE)
    w = drawn(*SHAPE, seed=seed)
    flat = w.flatten()
    slow = 0.5 * flat @ torch.linalg.solve(kronecker(factors), flat)
    torch.testing.assert_close(TensorNormal(factors).penalty(w), slow)


def test_of_tasks_alone_it_is_a_trace():
    w, tasks = drawn(*SHAPE), definite(4, 1)
    by_task = w.flatten(0, 1).T
    slow = 0.5 * torch.trace(by_task.T @ torch.linalg.inv(tasks) @ by_task)
    torch.testing.assert_close(TensorNormal((None, None, tasks)).penalty(w), slow)
    # Before anything is learnt it is half the squared length.
    start = TensorNormal.of_tasks(SHAPE).penalty(w)
    torch.testing.assert_close(start, 0.5 * w.square().sum())
    torch.testing.assert_close(TensorNormal.of_all(SHAPE).penalty(w), start)


def test_of_tasks_alone_the_update_is_in_closed_form():
    w = drawn(*SHAPE)
    by_task = w.flatten(0, 1).T
    found = TensorNormal.of_tasks(SHAPE).updated(w, epsilon=0.01)
    wanted = by_task @ by_task.T / 6 + 0.01 * torch.eye(4)
    torch.testing.assert_close(found.tasks, wanted)
    assert found.factors[:2] == (None, None)
    # It depends on the weights alone, not on what stood before.
    torch.testing.assert_close(found.updated(w, epsilon=0.01, rounds=3).tasks, wanted)


def less_likely(prior, w):
    whole = kronecker(prior.factors)
    return -float(MultivariateNormal(torch.zeros(w.numel()).double(), whole).log_prob(w.flatten()))


def test_each_round_makes_the_weights_likelier_until_none_does():
    w = torch.einsum("abt,tu->abu", drawn(5, 4, 3), drawn(3, 3, seed=1))
    prior = TensorNormal.of_all(w.shape)
    found = []
    for _ in range(40):
        prior = prior.updated(w, epsilon=1e-9)
        found.append(less_likely(prior, w))
    assert (np.diff(found) < 1e-6).all()
    assert found[-1] < found[0] - 0.1
    assert found[-2] - found[-1] < 1e-4
    at_once = TensorNormal.of_all(w.shape).updated(w, epsilon=1e-9, rounds=40)
    torch.testing.assert_close(at_once.tasks, prior.tasks)
    assert [float(one.diagonal().mean()) for one in prior.factors[:2]] == pytest.approx([1, 1])


def test_all_covariances_are_found_again():
    truth = tuple(definite(size, 5 + size) for size in (30, 20, 3))
    roots = [torch.linalg.cholesky(one) for one in truth]
    wanted = TensorNormal(truth).correlation()
    error = np.zeros(2)
    for seed in range(12):
        w = torch.einsum("abt,ia,jb,ut->iju", drawn(30, 20, 3, seed=seed), *roots)
        related = TensorNormal.of_all(w.shape).updated(w, epsilon=1e-6, rounds=20)
        alone = TensorNormal.of_tasks(w.shape).updated(w, epsilon=1e-6)
        error += [float((one.correlation() - wanted).norm()) / 12 for one in (related, alone)]
    assert error[0] < 0.13
    # To know how inputs and outputs are related tells more of the tasks.
    assert error[0] < 0.8 * error[1]


def test_no_gradient_flows_into_the_covariance():
    w = drawn(*SHAPE).requires_grad_()
    prior = TensorNormal.of_all(SHAPE).updated(w)
    assert not any(one.requires_grad for one in prior.factors)
    prior.penalty(w).backward()
    assert w.grad.abs().sum() > 0


def learnt(truth, *, related, rows=200, turns=6):
    """Regressions; steps on weights and covariance in turns, or a prior that stays as it was."""
    inputs, outputs, tasks = truth.shape
    x = drawn(rows, tasks, inputs, seed=7)
    y = torch.einsum("ntd,dot->not", x, truth) + 0.3 * drawn(rows, outputs, tasks, seed=8)
    w = (0.1 * drawn(*truth.shape, seed=9)).requires_grad_()
    prior = TensorNormal.of_tasks(truth.shape)

    def lost():
        optimiser.zero_grad()
        error = (torch.einsum("ntd,dot->not", x, w) - y).square().sum() / (2 * 0.3**2)
        total = (error + prior.penalty(w)) / rows
        total.backward()
        return total

    for _ in range(turns):
        optimiser = torch.optim.LBFGS([w], max_iter=60, line_search_fn="strong_wolfe")
        optimiser.step(lost)
        if related:
            prior = prior.updated(w, epsilon=1e-3)
    return w.detach(), prior


def test_copies_are_found_to_be_copies():
    truth = drawn(20, 2, 1).repeat(1, 1, 3)
    _, prior = learnt(truth, related=True)
    assert float(prior.correlation().min()) > 0.9


def test_tasks_that_have_nothing_in_common_are_told_so():
    # At right angles, so that the truth is zero and not only near it.
    truth = torch.linalg.qr(drawn(40, 3)).Q.view(20, 2, 3) * 40**0.5
    _, prior = learnt(truth, related=True)
    off = prior.correlation() - torch.eye(3)
    assert float(off.abs().max()) < 0.1


def test_tasks_that_are_each_others_opposite():
    truth = drawn(20, 2, 1) * torch.tensor([1.0, -1.0])
    _, prior = learnt(truth, related=True)
    assert float(prior.correlation()[0, 1]) < -0.9


def test_with_few_examples_related_tasks_help_each_other():
    truth = drawn(20, 2, 1) + 0.1 * drawn(20, 2, 4, seed=1)
    error = {
        related: float((learnt(truth, related=related, rows=15)[0] - truth).square().mean())
        for related in (False, True)
    }
    assert error[True] < 0.8 * error[False]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="made for 3 axes: got 2"):
        TensorNormal.of_tasks(SHAPE).penalty(drawn(3, 2))
    with pytest.raises(ValueError, match="need a covariance"):
        TensorNormal((torch.eye(2), None))


def test_scaled_keeps_who_is_alike_and_forgets_how_large_weights_are():
    weights = torch.randn(6, 5, 3, generator=torch.Generator().manual_seed(0))
    prior = TensorNormal.of_tasks(weights.shape)
    small, large = (prior.updated(c * weights, epsilon=0.0).scaled() for c in (0.01, 1.0))
    torch.testing.assert_close(small.tasks, large.tasks)
    assert float(large.tasks.diagonal().mean()) == pytest.approx(1)
    found = prior.updated(weights, epsilon=0.0).correlation()
    torch.testing.assert_close(large.correlation(), found)
