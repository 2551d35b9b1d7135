from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from grapevine.core.sharing import apart, from_mean, moved, snapshot, stacked, trace_norm


def drawn(*shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=draw, dtype=torch.float64)


@given(tasks=st.integers(1, 5), seed=st.integers(0, 99))
def test_how_far_apart_is_summed_over_every_two_tasks(tasks, seed):
    stacks = [drawn(tasks, 3, 2, seed=seed), drawn(tasks, 4, seed=seed + 100)]
    slow = sum(
        float((stack[a] - stack[b]).square().sum())
        for stack in stacks
        for a, b in combinations(range(tasks), 2)
    )
    assert float(apart(stacks)) == pytest.approx(slow)
    assert float(apart(stacks)) == pytest.approx(tasks * float(from_mean(stacks)))


def test_of_two_numbers():
    assert float(apart([torch.tensor([1.0, 4.0])])) == 9
    assert float(from_mean([torch.tensor([1.0, 4.0])])) == 4.5


def regression(task, rows=40):
    x = drawn(rows, 3, seed=10 + task)
    return x, x @ drawn(3, 1, seed=20 + task) + 0.1 * drawn(rows, 1, seed=30 + task)


def learnt(mu, tasks=(0, 1, 2)):
    """Linear regressions by gradient steps small enough for however stiff the sharing makes it."""
    networks = [nn.Linear(3, 1, dtype=torch.float64) for _ in tasks]
    for network, task in zip(networks, tasks):
        for one in network.parameters():
            one.data = drawn(*one.shape, seed=task)
    optimiser = torch.optim.LBFGS(
        [p for network in networks for p in network.parameters()],
        max_iter=500, tolerance_grad=1e-12, tolerance_change=0.0, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def lost():
        optimiser.zero_grad()
        total = sum(
            (network(x) - y).square().mean()
            for network, (x, y) in zip(networks, (regression(task) for task in tasks))
        )
        if mu:
            total = total + mu * apart(stacked(networks).values())
        total.backward()
        return total

    optimiser.step(lost)
    return stacked(networks)["weight"].detach()[:, 0]


def test_not_shared_tasks_are_learnt_as_if_alone():
    together = learnt(0.0)
    for task in range(3):
        torch.testing.assert_close(together[task], learnt(0.0, [task])[0], rtol=0, atol=1e-6)
    assert float((together[0] - together[1]).abs().max()) > 0.1


def test_the_more_is_shared_the_nearer_they_come_to_hard_sharing():
    spread = [float(from_mean([learnt(mu)])) for mu in (0.0, 0.1, 1.0, 1e4)]
    assert spread == sorted(spread, reverse=True)
    shared = learnt(1e4)
    assert float((shared - shared[0]).abs().max()) < 1e-3
    # One regression on the rows of all tasks.
    x, y = (torch.cat(part) for part in zip(*(regression(task) for task in range(3))))
    hard = torch.linalg.lstsq(torch.cat([x, torch.ones(len(x), 1).double()], 1), y).solution[:3, 0]
    torch.testing.assert_close(shared[0], hard, rtol=0, atol=1e-3)


def test_networks_of_another_make_are_not_stacked():
    with pytest.raises(
        ValueError, match=r"networks 0 and 1 differ in `weight`: .*2, 3.* and .*2, 4"
    ):
        stacked([nn.Linear(3, 2), nn.Linear(4, 2)])
    with pytest.raises(ValueError, match="differ in `bias`: None and"):
        stacked([nn.Linear(3, 2, bias=False), nn.Linear(3, 2)])
    with pytest.raises(ValueError, match="nothing is shared"):
        apart({}.values())


def test_gradients_reach_every_network():
    networks = [nn.Linear(2, 1) for _ in range(2)]
    apart(stacked(networks).values()).backward()
    wanted = 2 * (networks[0].weight - networks[1].weight)
    torch.testing.assert_close(networks[0].weight.grad, wanted)
    torch.testing.assert_close(networks[1].weight.grad, -wanted)


def test_the_trace_norm_is_small_where_tasks_span_little():
    direction = drawn(12)
    direction = direction / direction.norm()
    times = torch.tensor([3.0, -4.0, 0.0]).double()
    # Of rank one it is the length of the whole; at right angles the sum of the lengths.
    assert float(trace_norm([torch.outer(times, direction)])) == pytest.approx(5)
    right = torch.diag(times)
    assert float(trace_norm([right])) == pytest.approx(7)
    assert float(trace_norm([times])) == pytest.approx(5)


def test_the_trace_norm_over_all_axes_is_the_sum_of_each():
    stack = drawn(3, 4, 5)
    each = [trace_norm([stack.movedim(axis, 0)]) for axis in range(3)]
    torch.testing.assert_close(trace_norm([stack], "all"), sum(each))
    assert float(trace_norm([stack, stack], "all")) == pytest.approx(2 * float(sum(each)))


def test_the_gradient_of_copies_is_finite():
    stack = drawn(1, 6).repeat(3, 1).requires_grad_()
    trace_norm([stack], "all").backward()
    assert stack.grad.isfinite().all()


def test_how_far_parameters_have_moved():
    layer = nn.Linear(2, 1)
    before = snapshot(layer.parameters())
    assert moved(layer.parameters(), before).item() == 0
    with torch.no_grad():
        layer.weight += torch.tensor([[1.0, 2.0]])
        layer.bias -= 2
    lost = moved(layer.parameters(), before)
    assert lost.item() == pytest.approx(9)
    lost.backward()
    torch.testing.assert_close(layer.weight.grad, torch.tensor([[2.0, 4.0]]))
    assert not any(one.requires_grad for one in before)
    with pytest.raises(ValueError, match="shorter"):
        moved(layer.parameters(), before[:1])


def test_what_was_learnt_first_is_kept_where_it_is_held():
    def after(delta):
        theta = nn.Parameter(torch.tensor([1.0, 1.0]))
        before = snapshot([theta])
        optimiser = torch.optim.SGD([theta], 0.1)
        for _ in range(200):
            optimiser.zero_grad()
            # The task after cares for the first alone, and wants it at 3.
            ((theta[0] - 3) ** 2 + delta * moved([theta], before)).backward()
            optimiser.step()
        return theta.detach()

    torch.testing.assert_close(after(0.0), torch.tensor([3.0, 1.0]))
    # The minimum of (x - 3)^2 + (x - 1)^2.
    torch.testing.assert_close(after(1.0), torch.tensor([2.0, 1.0]))
