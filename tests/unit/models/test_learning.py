"""Steps by gradient: what they update, what they forget, and what stops them."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from grapevine.errors import CheckFailed
from grapevine.models.learning import GradientLearner


@dataclass(frozen=True)
class Given:
    inputs: torch.Tensor
    wanted: np.ndarray


class Line(GradientLearner):
    """A linear layer, after features that it keeps."""

    def __init__(self, *, features=None, hidden=0.0, **options):
        network = nn.Sequential(nn.Linear(3, 4), nn.Dropout(hidden), nn.Linear(4, 1))
        with torch.no_grad():
            for place, one in enumerate(network.parameters()):
                one.copy_(torch.linspace(-1, 1, one.numel()).reshape(one.shape) + place / 7)
        features = torch.eye(3) if features is None else features
        network.register_buffer("features", features)
        super().__init__(network, seed=3, **options)

    def loss(self, batch):
        found = self.network(batch.inputs @ self.network.features)[:, 0]
        wanted = torch.from_numpy(batch.wanted)
        return {"squares": (found - wanted).square().mean(), "size": 0 * found.sum()}


def given(rows=6, seed=0):
    draw = np.random.default_rng(seed)
    return Given(
        torch.from_numpy(draw.normal(size=(rows, 3)).astype("f4")),
        draw.normal(size=rows).astype("f4"),
    )


def weights(learner):
    return [one.detach().clone() for one in learner.network.parameters()]


def test_a_step_forgets_the_last_one():
    learner = Line()
    learner.step(given(), 0.0)
    once = learner.network[0].weight.grad.clone()
    learner.step(given(), 0.0)
    torch.testing.assert_close(learner.network[0].weight.grad, once)


def test_a_step_is_adam_with_the_rate_it_is_given():
    learner, other = Line(weight_decay=0.1), Line()
    adam = torch.optim.AdamW(other.network.parameters(), lr=9.0, weight_decay=0.1)
    for step, rate in enumerate([0.1, 0.02, 0.003]):
        learner.step(given(seed=step), rate)
        adam.param_groups[0]["lr"] = rate
        adam.zero_grad()
        sum(other.loss(given(seed=step)).values()).backward()
        adam.step()
    for one, wanted in zip(weights(learner), weights(other), strict=True):
        torch.testing.assert_close(one, wanted)


@pytest.mark.parametrize("clip", [1e-3, 0.5, 1e9])
def test_a_long_gradient_is_cut_and_keeps_its_direction(clip):
    free, cut = Line(), Line(clip=clip)
    free.step(given(), 0.0)
    cut.step(given(), 0.0)
    long = torch.cat([one.grad.flatten() for one in free.network.parameters()])
    short = torch.cat([one.grad.flatten() for one in cut.network.parameters()])
    wanted = min(1.0, clip / float(long.norm()))
    torch.testing.assert_close(short, long * wanted, rtol=1e-4, atol=1e-8)


def test_state_holds_all_that_the_next_step_depends_on():
    learner = Line(hidden=0.4)
    for step in range(3):
        learner.step(given(seed=step), 0.05)
    state = learner.state()
    other = Line(hidden=0.4)
    other.load(state)
    learner.step(given(seed=9), 0.05)
    torch.manual_seed(123)  # what others draw does not matter
    other.step(given(seed=9), 0.05)
    for one, wanted in zip(weights(other), weights(learner), strict=True):
        assert torch.equal(one, wanted)
    # A state is a copy: steps after it leave it alone.
    again = Line(hidden=0.4)
    again.load(state)
    assert again.steps_done == 3
    again.step(given(seed=9), 0.05)
    assert torch.equal(weights(again)[0], weights(learner)[0])


def test_dropout_differs_from_step_to_step_and_not_from_run_to_run():
    losses = []
    for _ in range(2):
        learner = Line(hidden=0.5)
        losses.append([learner.step(given(), 0.0)["squares"] for _ in range(5)])
    assert losses[0] == losses[1]
    assert len(set(losses[0])) > 2


def test_half_precision_is_near_and_the_weights_stay_whole():
    whole, half = Line(), Line(precision="bfloat16")
    one, other = whole.step(given(), 0.01), half.step(given(), 0.01)
    assert one["squares"] != other["squares"]
    assert other["squares"] == pytest.approx(one["squares"], rel=0.05)
    assert {part.dtype for part in half.network.parameters()} == {torch.float32}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_bad_value_in_the_batch_is_found(value):
    batch, learner = given(), Line()
    batch.inputs[4, 1] = value
    before = weights(learner)
    with pytest.raises(CheckFailed) as caught:
        learner.step(batch, 0.25)
    said = str(caught.value)
    assert "step 1: the loss is not finite (squares" in said
    assert "at learning rate 0.25" in said
    assert "batch.inputs (1 values, the first at [4, 1])" in said
    assert "hint: look at these features" in said
    assert all(torch.equal(one, other) for one, other in zip(before, weights(learner), strict=True))
    assert learner.steps_done == 0


def test_a_bad_value_in_what_the_network_keeps_is_found():
    features = torch.eye(3)
    features[2, 2] = float("nan")
    with pytest.raises(CheckFailed, match=r"network\.features \(1 values, the first at \[2, 2\]\)"):
        Line(features=features).step(given(), 0.1)


def test_masks_are_not_taken_for_bad_values():
    learner = Line()
    learner.network.register_buffer("mask", torch.full((2, 2), float("-inf")))
    learner.loss = lambda batch: {"planted": learner.network[0].weight.sum() * float("inf")}
    with pytest.raises(CheckFailed, match="what they are given are finite") as caught:
        learner.step(given(), 0.1)
    assert "planted" in str(caught.value)
    assert "mask" not in str(caught.value)


def test_a_gradient_that_is_not_finite_is_named_where_the_loss_is():
    learner = Line()
    # The root of zero is zero, and infinitely steep.
    learner.loss = lambda batch: {"root": (0 * learner.network[0].bias).sum().sqrt()}
    with pytest.raises(CheckFailed) as caught:
        learner.step(given(), 0.1)
    said = str(caught.value)
    assert "the gradient is not finite (root 0)" in said
    assert "gradients that are not: 0.bias" in said
    assert learner.steps_done == 0


def test_weights_that_are_not_finite_are_named_and_never_kept():
    learner = Line()
    learner.step(given(), 1e39)
    with pytest.raises(CheckFailed, match=r"after step 1, at learning rate 1e\+39, these weights"):
        learner.state()
    with pytest.raises(CheckFailed, match=r"weights that are not finite: 0\.weight, 0\.bias"):
        learner.step(given(), 0.1)


def test_a_group_has_its_own_rate_which_the_schedule_moves_and_its_own_decay():
    class Grouped(GradientLearner):
        loss = Line.loss

    network, other = Line().network, Line()
    last = {"params": list(network[2].parameters()), "lr": 1e-2, "weight_decay": 0.0}
    options = {"learning_rate": 1e-3, "weight_decay": 0.1, "groups": [last]}
    learner = Grouped(network, seed=3, **options)
    by_hand = torch.optim.AdamW(
        [
            {"params": other.network[0].parameters(), "lr": 0.05, "weight_decay": 0.1},
            {"params": other.network[2].parameters(), "lr": 0.5, "weight_decay": 0.0},
        ]
    )
    for seed in range(3):
        # Fifty times the learning rate: both groups go fifty times as fast.
        learner.step(given(seed=seed), 0.05)
        by_hand.zero_grad()
        sum(other.loss(given(seed=seed)).values()).backward()
        by_hand.step()
    for found, wanted in zip(weights(learner), weights(other)):
        torch.testing.assert_close(found, wanted)


def test_a_learner_can_set_its_gradients_part_by_part():
    class Twice(Line):
        def backward(self, parts, total):
            assert torch.equal(sum(parts.values()), total)
            (2 * parts["squares"]).backward()

    once, twice = Line(), Twice()
    once.step(given(), 0.0)
    twice.step(given(), 0.0)
    for one, other in zip(once.network.parameters(), twice.network.parameters()):
        torch.testing.assert_close(2 * one.grad, other.grad)
