"""What is fused equals what it is made of, gradients too."""

import pytest
import torch
from torch.nn.functional import gelu, layer_norm, linear, relu, silu

from grapevine.core.kernels.dropout import dropout
from grapevine.core.kernels.fused import bent_linear, linear_add, normed


def drawn(*sizes, seed=0):
    make = torch.Generator().manual_seed(seed)
    return [torch.randn(size, generator=make).requires_grad_() for size in sizes]


def compare(found, wanted, leaves, *, bound):
    pull = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(9))
    pairs = [(found.float(), wanted)]
    ours = torch.autograd.grad(found.float(), leaves, pull)
    theirs = torch.autograd.grad(wanted, leaves, pull)
    for one, other in [*pairs, *zip(ours, theirs)]:
        assert (one - other).norm() <= bound * other.norm() + 1e-12


def swiglu(x):
    one, other = x.chunk(2, -1)
    return silu(one) * other


@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-6), ("bfloat16", 0.01)])
@pytest.mark.parametrize("rows", [(1,), (63,), (65,), (5, 40)])
@pytest.mark.parametrize("bent", ["none", "relu", "gelu", "swiglu"])
def test_a_norm_and_a_product(rows, precision, bound, bent):
    leaves = drawn((*rows, 12), 12, 12, (8, 12), 8)
    x, gain, shift, weight, bias = leaves
    if precision == "bfloat16" and bent != "none":
        with torch.no_grad():  # a rounded number near 0 may be bent the other way
            bias += 20 * torch.tensor([1, -1, 1, 1, -1, 1, 1, 1])
    between = normed(x, gain, shift, eps=1e-5, precision=precision)
    found = bent_linear(between, weight, bias, bent)
    bend = {"none": lambda x: x, "relu": relu, "gelu": gelu, "swiglu": swiglu}[bent]
    wanted = bend(linear(layer_norm(x, (12,), gain, shift, 1e-5), weight, bias))
    assert found.shape == wanted.shape
    compare(found, wanted, leaves, bound=bound)


@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("rows", [(1,), (63,), (65,), (5, 40)])
def test_a_product_dropped_and_added(rows, share):
    leaves = drawn((*rows, 8), (*rows, 5), (8, 5), 8)
    x, y, weight, bias = leaves
    found = linear_add(x, y, weight, bias, share=share, key=3)
    said = linear(y, weight, bias)
    wanted = x + (dropout(said, share, 3) if share else said)
    compare(found, wanted, leaves, bound=1e-6)


def test_a_rounded_product_is_added_to_states_that_are_not():
    x, y, weight, bias = drawn((70, 8), (70, 5), (8, 5), 8)
    found = linear_add(x, y.bfloat16(), weight, bias, share=0.0, key=0)
    assert found.dtype == torch.float32
    compare(found, x + linear(y, weight, bias), (x, y, weight, bias), bound=0.01)
