import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import mse_loss

from grapevine.tasks.labels import losses, masked_mean


def squared(told, truth):
    return mse_loss(told, truth, reduction="none")


@given(st.lists(st.tuples(st.floats(-9, 9), st.booleans()), min_size=1))
def test_the_mean_is_of_those_that_have_a_label(pairs):
    lost = torch.tensor([one for one, _ in pairs], dtype=torch.float64)
    there = [one for one, valid in pairs if valid]
    found = masked_mean(lost, torch.tensor([valid for _, valid in pairs]))
    assert found.item() == pytest.approx(sum(there) / max(len(there), 1))


def test_how_many_have_no_label_does_not_matter():
    lost = torch.tensor([3.0, 5.0])
    for more in (0, 1, 100):
        padded = torch.cat([lost, torch.full((more,), 7.0)])
        assert masked_mean(padded, torch.arange(2 + more) < 2).item() == 4


def test_a_task_without_labels_costs_nothing_and_has_no_gradient():
    torch.manual_seed(0)
    trunk, heads = nn.Linear(3, 2), nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.Linear(2, 1)})
    x, y = torch.randn(5, 3), torch.randn(5)
    said = {task: head(trunk(x))[:, 0] for task, head in heads.items()}
    none = torch.zeros(5, dtype=torch.bool)
    found = losses(said, {"a": y, "b": y}, {"b": none}, {"a": squared, "b": squared})
    assert found["b"].item() == 0
    assert masked_mean(squared(said["b"], y), none).item() == 0
    (found["a"] + found["b"]).backward()
    assert all(one.grad is None for one in heads["b"].parameters())
    alone = torch.autograd.grad(squared(heads["a"](trunk(x))[:, 0], y).mean(), [trunk.weight])
    torch.testing.assert_close(trunk.weight.grad, alone[0])


def test_a_label_that_is_no_number_stays_out_of_the_gradients():
    said = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    labels = torch.tensor([0.0, math.nan, 1.0])
    found = losses({"a": said}, {"a": labels}, {"a": ~labels.isnan()}, {"a": squared})
    assert found["a"].item() == 2.5
    found["a"].backward()
    assert said.grad.tolist() == [1, 0, 2]


def test_tasks_are_lost_each_in_its_way():
    said = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([[0.0, 0.0], [0.0, 50.0]])}
    labels = {"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([0, 1])}
    chosen = nn.CrossEntropyLoss(reduction="none")
    valid = {"b": torch.tensor([True, False])}
    found = losses(said, labels, valid, {"b": chosen, "a": squared})
    assert {task: one.item() for task, one in found.items()} == pytest.approx(
        {"b": math.log(2), "a": 2.0}
    )


def test_a_batch_of_nothing():
    empty = torch.zeros(0)
    assert losses({"a": empty}, {"a": empty}, {}, {"a": squared})["a"].item() == 0
    assert masked_mean(empty, empty.bool()).item() == 0
