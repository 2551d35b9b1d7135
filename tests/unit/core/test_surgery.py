import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from grapevine.core.surgery import backward, factors, pcgrad, products, summed

FINITE = st.floats(-10, 10).map(lambda x: round(x, 3))
THREE = arrays(np.float64, (3, 4), elements=FINITE)


def rng(seed=0):
    return np.random.default_rng(seed)


def slowly(g, draw):
    """Algorithm 1, with the gradients themselves."""
    out = g.copy()
    for i in range(len(g)):
        for j in draw.permutation([j for j in range(len(g)) if j != i]):
            if out[i] @ g[j] < 0:
                out[i] -= out[i] @ g[j] / (g[j] @ g[j]) * g[j]
    return out


def test_the_toy():
    found = [[torch.tensor([1.0, 0.0])], [torch.tensor([-1.0, 1.0])]]
    assert factors(products(found), rng()).tolist() == [[1, 0.5], [1, 1]]
    assert pcgrad(found, rng())[0].tolist() == [0.5, 1.5]


@given(g=THREE, seed=st.integers(0, 99))
def test_products_alone_say_what_the_algorithm_says(g, seed):
    wanted = slowly(g, rng(seed))
    found = factors(g @ g.T, rng(seed)) @ g
    # Where gradients cancel but for rounding, either may find a conflict of 1e-16.
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


@given(g=THREE, seed=st.integers(0, 99))
def test_without_conflict_it_is_the_plain_sum(g, seed):
    found = [[torch.from_numpy(np.abs(row))] for row in g]
    plain = torch.stack([one[0] for one in found]).sum(0)
    assert torch.equal(pcgrad(found, rng(seed))[0], plain)


@given(g=THREE, seed=st.integers(0, 99), scale=st.floats(0.01, 100))
def test_how_long_the_other_gradients_are_does_not_matter(g, seed, scale):
    longer = g * np.array([[1.0], [scale], [1 / scale]])
    before = factors(g @ g.T, rng(seed)) @ g
    after = factors(longer @ longer.T, rng(seed)) @ longer
    np.testing.assert_allclose(after[0], before[0], rtol=1e-6, atol=1e-6)


def test_of_two_tasks_neither_is_left_with_a_conflict():
    g = rng(3).normal(size=(50, 2, 6))
    for pair in g:
        left = factors(pair @ pair.T, rng()) @ pair
        assert (np.einsum("td,td->t", left, pair[::-1]) > -1e-12).all()


def test_the_order_is_that_of_the_generator():
    g = np.array([[1.0, 0.2], [-1.0, 1.0], [-0.5, -1.0]])
    found = {tuple(factors(g @ g.T, rng(seed)).ravel().round(9)) for seed in range(20)}
    assert len(found) > 1
    again = [factors(g @ g.T, rng(7)) for _ in range(2)]
    assert (again[0] == again[1]).all()


def test_parameters_that_a_task_does_not_depend_on():
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    found = [[a, None, None, torch.ones(2)], [b, torch.ones(3), None, None]]
    assert products(found).tolist() == [[3, -1], [-1, 5]]
    whole = [torch.cat([a, torch.zeros(3), torch.ones(2)]), torch.cat([b, torch.ones(3), a * 0])]
    flat = pcgrad([[one] for one in whole], rng())[0]
    first, second, third, fourth = pcgrad(found, rng())
    assert third is None
    torch.testing.assert_close(torch.cat([first, second, fourth]), flat)


def test_a_gradient_of_zeros_pulls_at_nothing():
    found = [[torch.tensor([1.0, 0.0])], [torch.zeros(2)]]
    assert pcgrad(found, rng())[0].tolist() == [1, 0]


@pytest.mark.parametrize("kinds", [(True, True), (True, False), (False, True)])
def test_rows_of_a_table_count_as_the_whole_of_it(kinds):
    dense = [torch.zeros(6, 2), torch.zeros(6, 2)]
    dense[0][[1, 4]] = torch.tensor([[1.0, 2.0], [-1.0, 0.5]])
    dense[1][[4, 5]] = torch.tensor([[2.0, -3.0], [1.0, 1.0]])
    mixed = [[one.to_sparse(1) if kind else one] for one, kind in zip(dense, kinds)]
    assert products(mixed).tolist() == products([[one] for one in dense]).tolist()
    found = pcgrad(mixed, rng())[0]
    found = found.to_dense() if found.is_sparse else found
    torch.testing.assert_close(found, pcgrad([[one] for one in dense], rng())[0])


def test_a_row_that_is_there_twice_counts_by_its_sum():
    table = nn.Embedding(4, 2, sparse=True)
    table(torch.tensor([1, 1, 2])).sum().backward()
    assert products([[table.weight.grad]]).tolist() == [[10]]


def test_only_what_is_shared_is_operated_on():
    torch.manual_seed(0)
    trunk, heads = nn.Linear(3, 2), nn.ModuleList(nn.Linear(2, 1) for _ in range(2))
    unused = nn.Parameter(torch.ones(2))
    x = torch.randn(8, 3)

    def losses():
        held = trunk(x)
        return [heads[0](held).mean() ** 2, -heads[1](held).mean()]

    alone = [
        torch.autograd.grad(loss, list(trunk.parameters()), retain_graph=True) for loss in losses()
    ]
    rest = [*heads.parameters(), unused]
    sum(losses()).backward()
    wanted_of_heads = [one.grad for one in rest]
    backward(losses(), trunk.parameters(), rest, rng(5))
    for one, gradient in zip(trunk.parameters(), pcgrad(alone, rng(5)), strict=True):
        torch.testing.assert_close(one.grad, gradient)
    for one, gradient in zip(rest[:-1], wanted_of_heads):
        torch.testing.assert_close(one.grad, gradient)
    assert unused.grad is None


def test_a_task_without_labels_leaves_the_others_as_they_are():
    shared = nn.Parameter(torch.tensor([1.0, 2.0]))
    backward([shared.square().sum(), torch.zeros(())], [shared], [], rng())
    assert shared.grad.tolist() == [2, 4]
    backward([torch.zeros(())], [shared], [], rng())
    assert shared.grad is None


def test_what_is_frozen_is_left_alone():
    shared, frozen = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2), requires_grad=False)
    backward([(shared * frozen).sum()], [shared], [frozen], rng())
    assert shared.grad.tolist() == [1, 1]
    assert frozen.grad is None


def test_factors_of_one_are_the_plain_sum():
    found = [[torch.tensor([0.1])], [torch.tensor([0.2])], [torch.tensor([0.3])]]
    assert summed(found, np.ones(3))[0] == torch.tensor([0.1]) + 0.2 + 0.3
