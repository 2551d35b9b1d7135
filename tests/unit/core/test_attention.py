"""Every route hears what the reference hears, and sends the same gradients back."""

import pytest
import torch

from grapevine.core.attention import attend
from grapevine.core.patterns import (
    Causal,
    Complete,
    Cross,
    Global,
    Listed,
    Packed,
    Prefix,
    Window,
    fixed_heads,
    peter,
    strided_heads,
)
from grapevine.core.propagate import dot_product, propagate
from grapevine.core.routes import band, chunked
from grapevine.structs.graph import Graph

PATTERNS = {
    "complete": Complete(),
    "causal": Causal(),
    "window": Window(3),
    "window ahead": Window(3, ahead=True),
    "prefix": Prefix(4),
    "strided": strided_heads(3)[0] | strided_heads(3)[1],
    "fixed": fixed_heads(3, 2)[1],
    "global": Window(2) | Global((0, 7)),
    "peter": peter(),
    "sparse": Listed.of(Graph(torch.tensor([1, 4, 4, 10, 2]), torch.tensor([0, 0, 3, 3, 9]), 11)),
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


GENERAL = ["fused", "matrix", "edges", "table", "chunked"]


def routes_of(pattern):
    bounded = ["band"] if pattern.reach() else []
    return [*GENERAL, *bounded, *(["packed"] if isinstance(pattern, Packed) else [])]


ROUTED = [
    pytest.param(pattern, route, id=f"{name}, {route}")
    for name, pattern in PATTERNS.items()
    for route in routes_of(pattern)
]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks of so few places that there are several."""
    monkeypatch.setattr(band, "LEAST", 2)
    monkeypatch.setattr(chunked.chunked, "__defaults__", (4, 3))


@pytest.mark.parametrize(("pattern", "route"), ROUTED)
def test_every_route_is_propagation_along_the_edges(pattern, route):
    batch = 1 if route == "packed" else 2
    q, k, v = torch.randn(3, batch, 3, LENGTH, 4).requires_grad_().unbind()
    ours = attend(q, k, v, pattern, route=route)
    same(ours, reference(q, k, v, pattern.edges(LENGTH)), (q, k, v))
    if route != "fused":
        torch.testing.assert_close(attend(q, k, v, pattern), ours)


def rule(weight, slope):
    """A bias by the way back and the head; both factors are learnt."""

    def bias(receivers, senders):
        back = (receivers - senders).double()
        heads = torch.arange(1.0, 4.0).view(1, 3, *[1] * back.dim())
        return weight * torch.cos(slope * back * heads)

    return bias


def numbers(bias, length):
    places = torch.arange(length)
    return bias(places[:, None], places[None, :])


MERGED = [
    pytest.param(PATTERNS[name], route, merge, id=f"{name}, {route}, {merge}")
    for name in ("causal", "window ahead", "sparse", "packed")
    for route in routes_of(PATTERNS[name])
    for merge in ("softmax", "silu")
    if (route, merge) != ("fused", "silu")  # torch's own knows the softmax alone
]


@pytest.mark.parametrize(("pattern", "route", "merge"), MERGED)
def test_every_route_adds_biases_leaves_out_padding_and_merges_alike(pattern, route, merge):
    batch = 1 if route == "packed" else 2
    q, k, v = torch.randn(3, batch, 3, LENGTH, 4).requires_grad_().unbind()
    weight, slope = torch.tensor([0.7, 1.3]).requires_grad_().unbind()
    there = torch.rand(batch, LENGTH) < 0.6
    there[:, 0] = False  # so that the first place may hear nobody
    bias = rule(weight, slope)
    ours = attend(q, k, v, pattern, there=there, bias=bias, merge=merge, scale=0.3, route=route)
    logits = q @ k.transpose(-1, -2) * 0.3 + numbers(bias, LENGTH)
    heard = pattern.mask(LENGTH) & there[:, None, None, :]
    if merge == "silu":
        weights = torch.where(heard, torch.nn.functional.silu(logits), 0.0)
    else:
        powers = torch.where(heard, logits.exp(), 0.0)
        weights = powers / powers.sum(-1, keepdim=True).clamp_min(1e-300)
    same(ours, weights @ v, (q, k, v, weight, slope))
    given = numbers(bias, LENGTH)
    told = attend(q, k, v, pattern, there=there, bias=given, merge=merge, scale=0.3, route=route)
    torch.testing.assert_close(told, ours)


@pytest.mark.parametrize("route", [*GENERAL, None])
@pytest.mark.parametrize("pattern", [Causal(), Window(3) | Global((0,)), Cross(Window(3))])
def test_fewer_queries_hear_as_the_last_ones_do_and_cross_queries_as_the_first(pattern, route):
    q, k, v = torch.randn(3, 2, 3, 9, 4).unbind()
    inner = pattern.inner if isinstance(pattern, Cross) else pattern
    whole = attend(q, k, v, inner, route="matrix")
    for part in (slice(0, 4),) if isinstance(pattern, Cross) else (slice(5, 9), slice(8, 9)):
        bias = torch.zeros(1, 3, part.stop - part.start, 9)
        some = attend(q[:, :, part], k, v, pattern, bias=bias, route=route)
        torch.testing.assert_close(some, whole[:, :, part])


@pytest.mark.parametrize("route", [*GENERAL, None])
def test_more_queries_than_keys_cross(route):
    q, k, v = torch.randn(2, 3, 7, 4), torch.randn(2, 3, 2, 4), torch.randn(2, 3, 2, 5)
    wanted = (q @ k.transpose(-1, -2) / 2).softmax(-1) @ v
    torch.testing.assert_close(attend(q, k, v, Cross(Complete()), route=route), wanted)
    torch.testing.assert_close(attend(q, k, v, Complete(), route="fused"), wanted)


@pytest.mark.parametrize("route", [*GENERAL, None])
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
