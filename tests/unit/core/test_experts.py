import pytest
import torch
from torch import nn

from grapevine.core.experts import CGC, PLE, Gate, MMoE, dense

ROWS, WIDTH, OUT, TASKS = 7, 5, 4, 3


@pytest.fixture
def x():
    return torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(1)


def test_one_expert_is_the_shared_bottom(x):
    network = MMoE(WIDTH, OUT, TASKS, experts=1)
    bottom = network.experts[0](x)
    for heard in network(x):
        assert torch.equal(heard, bottom)


def test_equal_gates_hear_the_mean_of_the_experts(x):
    network = MMoE(WIDTH, OUT, TASKS, experts=5)
    for gate in network.gates:
        nn.init.zeros_(gate.linear.weight)
    mean = torch.stack([expert(x) for expert in network.experts]).mean(0)
    torch.testing.assert_close(network(x), mean.expand(TASKS, -1, -1))


def test_a_gate_starts_without_a_liking_and_can_learn_one(x):
    gate = Gate(WIDTH, 2)
    torch.testing.assert_close(gate(0 * x), torch.full((ROWS, 2), 0.5))
    with torch.no_grad():
        gate.linear.bias += torch.tensor([40.0, 0.0])
    assert (gate(x)[:, 0] > 0.99).all()


def test_each_task_hears_by_its_own_gate(x):
    network = MMoE(WIDTH, OUT, TASKS, experts=2)
    shares = network.shares(x)
    assert not torch.allclose(shares[0], shares[1])
    torch.testing.assert_close(shares.sum(2), torch.ones(TASKS, ROWS))
    slow = [
        sum(shares[t, :, [e]] * expert(x) for e, expert in enumerate(network.experts))
        for t in range(TASKS)
    ]
    torch.testing.assert_close(network(x), torch.stack(slow))


def test_one_gate_is_mmoe_whose_gates_are_the_same(x):
    one, many = MMoE(WIDTH, OUT, TASKS, one_gate=True), MMoE(WIDTH, OUT, TASKS)
    many.experts.load_state_dict(one.experts.state_dict())
    for gate in many.gates:
        gate.load_state_dict(one.gates[0].state_dict())
    assert torch.equal(one(x), many(x))
    assert torch.equal(one.shares(x), many.shares(x))


def test_without_own_experts_one_level_is_mmoe(x):
    ple, mmoe = PLE(WIDTH, [OUT], TASKS, own=0, shared=4), MMoE(WIDTH, OUT, TASKS, experts=4)
    level = ple.levels[0]
    level.shared.load_state_dict(mmoe.experts.state_dict())
    level.gates.load_state_dict(mmoe.gates.state_dict())
    assert torch.equal(ple(x), mmoe(x))


def test_a_task_has_no_gradient_by_the_experts_of_another(x):
    network = CGC(WIDTH, OUT, TASKS, own=2, shared=1)
    network([x] * (TASKS + 1))[1].sum().backward()
    with_gradient = {name for name, one in network.named_parameters() if one.grad is not None}
    wanted = ("own.1.", "shared.", "gates.1.")
    assert with_gradient == {n for n, _ in network.named_parameters() if n.startswith(wanted)}


def test_levels_are_the_equations_written_out(x):
    network = PLE(WIDTH, [OUT, 2], tasks=2, own=1, shared=2)
    first, second = network.levels
    a, b = first.own[0][0](x), first.own[1][0](x)
    c, d = (expert(x) for expert in first.shared)

    def chosen(gate, state, said):
        return sum(share[:, None] * one for share, one in zip(gate(state).T, said, strict=True))

    task_0 = chosen(first.gates[0], x, [a, c, d])
    task_1 = chosen(first.gates[1], x, [b, c, d])
    shared = chosen(first.gates[2], x, [a, b, c, d])
    e, f = (expert(shared) for expert in second.shared)
    out = [
        chosen(second.gates[0], task_0, [second.own[0][0](task_0), e, f]),
        chosen(second.gates[1], task_1, [second.own[1][0](task_1), e, f]),
    ]
    torch.testing.assert_close(network(x), torch.stack(out))
    assert len(second.gates) == 2  # nothing hears the shared experts of the last level alone


def test_without_shared_experts_tasks_are_networks_of_their_own(x):
    network = CGC(WIDTH, OUT, TASKS, own=1, shared=0)
    for experts, heard in zip(network.own, network([x] * (TASKS + 1)), strict=True):
        assert torch.equal(heard, experts[0](x))


def test_dropout_takes_experts_and_never_all_of_them():
    gate = Gate(WIDTH, 3, dropout=0.6)
    x = torch.randn(4000, WIDTH)
    shares, whole = gate(x), gate.eval()(x)
    torch.testing.assert_close(shares.sum(1), torch.ones(len(x)))
    gone = shares == 0
    # Left out with 0.6, but for the times when all three would be, in which none is.
    assert float(gone.float().mean()) == pytest.approx(0.6 - 0.6**3, abs=0.02)
    # What stays keeps its proportions.
    torch.testing.assert_close(shares, (whole * ~gone) / (whole * ~gone).sum(1, keepdim=True))
    assert (whole > 0).all()


def test_experts_are_whatever_makes_one(x):
    network = MMoE(WIDTH, OUT, TASKS, make=lambda width, out: nn.Linear(width, out, bias=False))
    assert (network(x) < 0).any()
    assert (MMoE(WIDTH, OUT, TASKS, make=dense)(x) >= 0).all()


@pytest.mark.parametrize(
    "careless",
    [
        lambda: MMoE(WIDTH, OUT, TASKS, experts=0),
        lambda: Gate(WIDTH, 2, dropout=1.0),
        lambda: CGC(WIDTH, OUT, TASKS, own=0, shared=0),
        lambda: PLE(WIDTH, [], TASKS),
        lambda: PLE(WIDTH, [OUT, OUT], TASKS, shared=0),
        lambda: CGC(WIDTH, OUT, TASKS)([torch.ones(1, WIDTH)] * TASKS),
    ],
)
def test_what_cannot_be_is_refused(careless):
    with pytest.raises(ValueError, match=r"expert|chance below 1|level|tasks: got"):
        careless()
