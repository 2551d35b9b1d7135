import math

import pytest
import torch
from torch import nn

from grapevine.errors import ConfigError
from grapevine.tasks.weighing import Uncertainty, constant, parameter_groups, simplex


def settled(kind, loss, **options):
    """Where s ends, and what is lost there, of a loss that does not change."""
    weighing = Uncertainty({"a": kind}, **options).double()
    optimiser = torch.optim.LBFGS(
        weighing.parameters(), max_iter=200, tolerance_grad=1e-12, tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def lost():
        optimiser.zero_grad()
        total = weighing({"a": torch.tensor(loss, dtype=torch.float64)})["a"]
        total.backward()
        return total

    optimiser.step(lost)
    return weighing.log_variance[0].item(), lost().item()


def test_of_a_regression_s_ends_at_the_log_of_the_loss():
    assert settled("regression", 4.0) == pytest.approx((math.log(4), 1.193147), abs=1e-6)
    assert settled("regression", 0.1)[0] == pytest.approx(math.log(0.1), abs=1e-6)


def test_of_a_classification_at_the_log_of_twice_the_loss():
    assert settled("classification", 4.0) == pytest.approx((math.log(8), 0.5 + math.log(8) / 2))


def test_the_bounded_cost_is_never_negative():
    # The root of u^2 = L / 2 (1 + u) for the variance u.
    s, lost = settled("regression", 4.0, bounded=True)
    assert s == pytest.approx(math.log(1 + math.sqrt(3)), abs=1e-6)
    assert lost == pytest.approx(2 * math.exp(-s) + math.log1p(math.exp(s)))
    assert settled("regression", 1e-3)[1] < 0 < settled("regression", 1e-3, bounded=True)[1]


def test_at_first_the_losses_count_as_they_are():
    weighing = Uncertainty({"a": "regression", "b": "classification"})
    found = weighing({"a": torch.tensor(3.0), "b": torch.tensor(3.0)})
    assert {task: one.item() for task, one in found.items()} == {"a": 1.5, "b": 3.0}
    assert weighing.weights() == {"a": 0.5, "b": 1.0}


def test_a_step_of_one_task_moves_no_other():
    weighing = Uncertainty({"a": "regression", "b": "regression"})
    optimiser = torch.optim.Adam(weighing.parameters(), lr=0.1)
    for losses in ({"a": torch.tensor(9.0)}, {"b": torch.tensor(9.0)}, {"a": torch.tensor(9.0)}):
        before = [float(one.detach()) for one in weighing.log_variance]
        optimiser.zero_grad()
        sum(weighing(losses).values()).backward()
        optimiser.step()
        moved = [old != float(one.detach()) for old, one in zip(before, weighing.log_variance)]
        assert moved == ["a" in losses, "b" in losses]


def test_the_noisier_task_comes_to_count_less():
    # Two means, of numbers with standard deviations of 1 and 5: weights are one over the variance.
    draw = torch.Generator().manual_seed(0)
    numbers = {"quiet": torch.randn(4000, generator=draw)}
    numbers["loud"] = 5 * torch.randn(4000, generator=draw)
    weighing = Uncertainty(dict.fromkeys(numbers, "regression"))
    optimiser = torch.optim.Adam(weighing.parameters(), lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        sum(weighing({t: x.square().mean() for t, x in numbers.items()}).values()).backward()
        optimiser.step()
    weights = weighing.weights()
    assert weights["quiet"] / weights["loud"] == pytest.approx(25, rel=0.1)


def test_the_weighing_has_a_rate_of_its_own_and_is_not_decayed():
    network = nn.ModuleDict(
        {"layer": nn.Linear(2, 1), "weighing": Uncertainty({"a": "regression"})}
    )
    first, second = parameter_groups(
        network.parameters(),
        network["weighing"],
        learning_rate=0.001,
        weight_decay=0.1,
        weighing_rate=0.02,
    )
    assert [id(p) for p in first["params"]] == [id(p) for p in network["layer"].parameters()]
    assert [id(p) for p in second["params"]] == [id(p) for p in network["weighing"].parameters()]
    rates = [(group["lr"], group["weight_decay"]) for group in (first, second)]
    assert rates == [(0.001, 0.1), (0.02, 0.0)]
    optimiser = torch.optim.AdamW([first, second])
    optimiser.zero_grad()
    (network["weighing"]({"a": torch.tensor(9.0)})["a"] + network["layer"].weight.sum()).backward()
    optimiser.step()
    # Adam's first step is as long as the rate.
    assert network["weighing"].log_variance[0].item() == pytest.approx(0.02, rel=1e-3)


def test_a_weight_of_one_is_the_loss_to_the_bit_and_of_zero_nothing():
    losses = {name: torch.rand((), requires_grad=True) for name in "abc"}
    found = constant(losses, {"a": 0.0, "b": 1.0, "c": 0.5})
    assert list(found) == ["b", "c"]
    assert found["b"].item() == losses["b"].item()
    assert found["c"].item() == losses["c"].item() / 2
    sum(found.values()).backward()
    assert losses["a"].grad is None
    assert losses["c"].grad.item() == 0.5


def test_weights_that_are_not_there_or_below_zero():
    with pytest.raises(ConfigError, match="no task with a weight is called `b`"):
        constant({"b": torch.ones(())}, {"a": 1.0})
    with pytest.raises(ConfigError, match=r"weight of `a` is -1.0"):
        constant({"a": torch.ones(())}, {"a": -1.0})
    with pytest.raises(ConfigError, match=r"weight of `a` is nan"):
        constant({"a": torch.ones(())}, {"a": math.nan})
    with pytest.raises(ConfigError, match="no task with a variance is called `b`"):
        Uncertainty({"a": "regression"})({"b": torch.ones(())})


@pytest.mark.parametrize(("tasks", "parts"), [(1, 4), (2, 6), (3, 6), (4, 3)])
def test_the_simplex_is_all_of_it(tasks, parts):
    found = list(simplex(tasks, parts))
    assert len(found) == len(set(found)) == math.comb(parts + tasks - 1, tasks - 1)
    assert all(sum(one) == pytest.approx(1) and min(one) >= 0 for one in found)
