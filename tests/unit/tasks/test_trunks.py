"""What tasks share: reductions of one to another, and whose gradients reach what."""

import pytest
import torch
from torch import nn

from grapevine.core.experts import PLE, MMoE, dense
from grapevine.tasks.trunks import Apart, Bottom, Depth, Network, made, seeded

B, D, OUT = 5, 3, 4


def x():
    return torch.randn(B, D, generator=torch.Generator().manual_seed(0))


def heads(count=3, width=OUT):
    return [nn.Linear(width, 1) for _ in range(count)]


TRUNKS = {
    "bottom": lambda: Bottom(dense(D, OUT)),
    "apart": lambda: Apart([dense(D, OUT) for _ in range(3)]),
    "mmoe": lambda: MMoE(D, OUT, 3, experts=2, make=nn.Linear),
    "omoe": lambda: MMoE(D, OUT, 3, experts=2, one_gate=True, make=nn.Linear),
    "ple": lambda: PLE(D, [OUT], 3, make=nn.Linear),
    "ple, two levels": lambda: PLE(D, [6, OUT], 3, make=nn.Linear),
    "ple, three levels": lambda: PLE(D, [6, 6, OUT], 3, own=2, make=nn.Linear),
}


@pytest.mark.parametrize("trunk", TRUNKS.values(), ids=TRUNKS)
def test_what_is_shared_is_what_the_gradients_of_two_tasks_reach(trunk):
    network = Network(trunk(), heads())
    names = {id(one): name for name, one in network.named_parameters()}
    reached = [set(), set(), set()]
    for task in range(3):
        network.zero_grad(set_to_none=True)
        network(x(), [task])[0].square().sum().backward()
        reached[task] = {n for n, one in network.named_parameters() if one.grad is not None}
    # A single expert's gate is reached by a zero and has no say; here none has.
    more_than_one = {n for n in names.values() if sum(n in of_task for of_task in reached) > 1}
    assert {names[id(one)] for one in network.shared()} == more_than_one
    assert not any(name.startswith("heads") for name in more_than_one)


@pytest.mark.parametrize("trunk", TRUNKS.values(), ids=TRUNKS)
def test_some_tasks_are_answered_as_all_are(trunk):
    network = Network(trunk(), heads())
    all_of_them = network(x(), [0, 1, 2])
    for wanted in ([2], [2, 0], [1]):
        for one, task in zip(network(x(), wanted), wanted):
            torch.testing.assert_close(one, all_of_them[task], rtol=0, atol=0)


def test_one_expert_is_the_shared_bottom():
    mmoe = MMoE(D, OUT, 2, experts=1)
    above = heads(2)
    one, other = Network(mmoe, above), Network(Bottom(mmoe.experts[0]), above)
    for found, wanted in zip(one(x(), [0, 1]), other(x(), [0, 1])):
        torch.testing.assert_close(found, wanted)


def depth(kinds=("regression", "classification", "classification"), outputs=(1, 3, 1)):
    above = [nn.Linear(OUT, count) for count in outputs]
    return Depth(D, OUT, above, outputs=outputs, kinds=kinds, label=2, make=nn.Linear)


def test_depth_hears_the_row_the_state_below_and_all_answers_below():
    network = depth()
    low = network.layers[0](x())
    price = network.heads[0](low)
    middle = network.layers[1](torch.cat([x(), low, price @ network.labels[0].weight.T], 1))
    classes = network.heads[1](middle)
    embedded = [network.labels[0](price), classes.softmax(1) @ network.labels[1].weight.T]
    top = network.heads[2](network.layers[2](torch.cat([x(), middle, *embedded], 1)))
    said = network(x(), [0, 1, 2])
    for found, wanted in zip(said, (price[:, 0], classes, top[:, 0])):
        torch.testing.assert_close(found, wanted)


def test_yes_and_no_are_two_answers_whose_chances_sum_to_one():
    network = depth(("classification", "regression"), (1, 1))
    yes, no = 40 * torch.ones(OUT), torch.zeros(OUT)
    low = network.layers[0]
    with torch.no_grad():
        low.weight.zero_(), low.bias.copy_(torch.ones(OUT))
        network.heads[0].weight.copy_(yes[None]), network.heads[0].bias.zero_()
    told = network.layers[1](
        torch.cat([x(), low(x()), network.labels[0].weight[:, 1].expand(B, -1)], 1)
    )
    torch.testing.assert_close(network(x(), [1])[0], network.heads[1](told)[:, 0])
    with torch.no_grad():
        network.heads[0].weight.copy_(no[None])
    half = network.labels[0].weight.mean(1).expand(B, -1)
    told = network.layers[1](torch.cat([x(), low(x()), half], 1))
    torch.testing.assert_close(network(x(), [1])[0], network.heads[1](told)[:, 0])


def test_what_is_below_a_task_is_what_its_gradient_reaches_but_for_its_own():
    network = depth()
    names = {id(one): name for name, one in network.named_parameters()}
    for task in range(3):
        network.zero_grad(set_to_none=True)
        network(x(), [task])[0].square().sum().backward()
        reached = {n for n, one in network.named_parameters() if one.grad is not None}
        own = {n for n in reached if n.startswith((f"layers.{task}.", f"heads.{task}."))}
        assert {names[id(one)] for one in network.below(task)} == reached - own


def test_a_layer_starts_by_its_name_and_torch_goes_on_as_before():
    torch.manual_seed(0)
    wanted = torch.rand(2)
    torch.manual_seed(0)
    one = made(lambda: nn.Linear(2, 2), 1, "head", "a")
    torch.testing.assert_close(torch.rand(2), wanted)
    with seeded(1, "trunk"):
        again = made(lambda: nn.Linear(2, 2), 1, "head", "a")
    other = made(lambda: nn.Linear(2, 2), 1, "head", "b")
    assert torch.equal(one.weight, again.weight)
    assert not torch.equal(one.weight, other.weight)
