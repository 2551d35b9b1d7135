"""What goes through a gate equals what it is made of, gradients too."""

import pytest
import torch

from grapevine.core.kernels.dropout import dropout
from grapevine.core.kernels.gates import gated_add


def drawn(*sizes):
    make = torch.Generator().manual_seed(0)
    return [torch.randn(size, generator=make).requires_grad_() for size in sizes]


@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("rows", [(1,), (63,), (65,), (5, 40)])
def test_what_goes_through_a_gate_and_is_added(rows, share):
    leaves = drawn((*rows, 8), (*rows, 8), (*rows, 8))
    x, said, gate = leaves
    found = gated_add(x, said, gate, share=share, key=3)
    wanted = x + (dropout(said, share, 3) if share else said) * torch.sigmoid(gate)
    torch.testing.assert_close(found, wanted)
    pull = torch.randn(wanted.shape)
    ours = torch.autograd.grad(found, leaves, pull)
    theirs = torch.autograd.grad(wanted, leaves, pull)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_gates_far_out_are_open_or_shut():
    x, said = drawn((2, 3), (2, 3))
    gate = torch.tensor([[-500.0, 0.0, 500.0]]).expand(2, 3)
    found = gated_add(x, said, gate, share=0.0, key=0)
    torch.testing.assert_close(found, x + said * torch.tensor([0.0, 0.5, 1.0]))
