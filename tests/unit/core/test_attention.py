"""Every route hears what the reference hears, and sends the same gradients back."""

import pytest
import torch

from grapevine.core.attention import attend
from grapevine.core.patterns import Causal, Complete, Packed, Window
from grapevine.core.propagate import dot_product, propagate

PATTERNS = {
    "complete": Complete(),
    "causal": Causal(),
    "window": Window(3),
    "window ahead": Window(3, ahead=True),
    "packed": Packed(Causal(), torch.tensor([0, 4, 4, 9, 11])),
    "union": Window(2) | Packed(Complete(), torch.tensor([0, 5, 11])),
    "intersection": Causal() & Packed(Window(2, ahead=True), torch.tensor([0, 5, 11])),
}
LENGTH = 11


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def reference(q, k, v, graph):
    """One sequence after another, edge by edge."""
    one_by_one = zip(*(x.transpose(1, 2) for x in (q, k, v)), strict=True)
    heard = [propagate(graph, v, dot_product(q, k)) for q, k, v in one_by_one]
    return torch.stack(heard).transpose(1, 2)


def same(ours, theirs, inputs):
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=0)
    pull = torch.randn_like(ours)
    mine, other = (
        torch.autograd.grad((out * pull).sum(), inputs, retain_graph=True) for out in (ours, theirs)
    )
    torch.testing.assert_close(mine, other, atol=1e-10, rtol=0)


@pytest.mark.parametrize("route", [None, "fused", "matrix"])
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_every_route_is_propagation_along_the_edges(pattern, route):
    q, k, v = torch.randn(3, 2, 3, LENGTH, 4).requires_grad_().unbind()
    ours = attend(q, k, v, pattern, route=route)
    same(ours, reference(q, k, v, pattern.edges(LENGTH)), (q, k, v))


@pytest.mark.parametrize("route", ["fused", "matrix"])
def test_padding_is_heard_by_nobody_and_who_hears_nobody_holds_zero(route):
    q, k, v = torch.randn(3, 2, 3, 5, 4).requires_grad_().unbind()
    there = torch.tensor([[False, False, True, True, True], [True, True, True, False, False]])
    out = attend(q, k, v, Causal(), there=there, route=route)
    assert not out[0, :, :2].any()
    torch.testing.assert_close(
        out[0, :, 2:], attend(*(x[:1, :, 2:] for x in (q, k, v)), Causal())[0]
    )
    gradients = torch.autograd.grad(out.square().sum(), (q, k, v))
    assert not any(gradient.isnan().any() for gradient in gradients)
