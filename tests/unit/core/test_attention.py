"""Every route hears what the reference hears, and sends the same gradients back."""

import pytest
import torch

from grapevine.core import attention
from grapevine.core.attention import attend
from grapevine.core.patterns import (
    Causal,
    Complete,
    Cross,
    Dilated,
    Global,
    Listed,
    Packed,
    Prefix,
    Window,
    fixed_heads,
    peter,
    strided_heads,
)
from grapevine.core.positions import alibi
from grapevine.core.propagate import dot_product, propagate
from grapevine.core.routes import band, chunked, flex
from grapevine.core.routes.ask import Ask
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


AHEAD_OF_NOBODY = {
    "causal": Causal(),
    "window": Window(3),
    "strided": strided_heads(3)[0] | strided_heads(3)[1],
    "fixed": fixed_heads(3, 1)[0] | fixed_heads(3, 1)[1],
    "packed": Packed(Causal(), torch.tensor([0, 4, 11])),
}


@pytest.mark.parametrize("route", [None, *GENERAL])
@pytest.mark.parametrize("pattern", AHEAD_OF_NOBODY.values(), ids=AHEAD_OF_NOBODY)
def test_nothing_reaches_a_place_from_later_ones(pattern, route):
    x = torch.randn(1, 2, LENGTH, 3, requires_grad=True)
    out = attend(x, x, x, pattern, route=route)
    place = 7
    reached = torch.autograd.grad(out[:, :, place].sum(), x)[0].abs().sum((0, 1, 3))
    heard = pattern.mask(LENGTH)[place]
    assert not reached[~heard].any()
    assert reached[heard].all()


@pytest.mark.parametrize("route", GENERAL)
def test_what_stands_in_padding_changes_nothing(route):
    q, k, v = torch.randn(3, 2, 3, LENGTH, 4).unbind()
    there = torch.arange(LENGTH) < torch.tensor([[7], [9]])
    before = attend(q, k, v, Complete(), there=there, route=route)
    for x in (k, v):
        x[~there[:, None].expand(2, 3, -1)] = 1e6
    torch.testing.assert_close(attend(q, k, v, Complete(), there=there, route=route), before)


@pytest.mark.parametrize("merge", ["softmax", "silu"])
def test_maps_come_with_what_is_heard(merge):
    q, k, v = torch.randn(3, 2, 3, LENGTH, 4).unbind()
    out, maps = attend(q, k, v, Window(3), merge=merge, weights=True)
    torch.testing.assert_close(maps @ v, out)
    torch.testing.assert_close(out, attend(q, k, v, Window(3), merge=merge))
    assert not maps[:, :, ~Window(3).mask(LENGTH)].any()
    if merge == "softmax":
        torch.testing.assert_close(maps.sum(-1), torch.ones(2, 3, LENGTH))


@pytest.mark.parametrize("route", GENERAL)
def test_dropout_leaves_out_its_share_of_the_weights_and_makes_up_for_it(route):
    nothing, v = torch.zeros(1, 1, 40, 4), torch.eye(40)[None, None]
    out = attend(nothing, nothing, v, Complete(), dropout=0.25, route=route)
    left_out = out == 0
    assert abs(left_out.double().mean() - 0.25) < 0.05
    torch.testing.assert_close(out[~left_out] * 40, torch.full((int((~left_out).sum()),), 4 / 3))


@pytest.mark.parametrize("route", [*GENERAL, "band"])
def test_great_products_do_not_overflow(route):
    q, k, v = torch.randn(3, 1, 2, LENGTH, 4, dtype=torch.float32).unbind()
    out = attend(1e3 * q, 1e3 * k, v, Window(5), route=route)
    exact = attend(1e3 * q.double(), 1e3 * k.double(), v.double(), Window(5))
    torch.testing.assert_close(out.double(), exact, atol=1e-3, rtol=0)


@pytest.mark.parametrize("route", [*GENERAL, "band"])
def test_half_precision_is_heard_in_half_precision(route):
    q, k, v = torch.randn(3, 1, 2, LENGTH, 4, dtype=torch.bfloat16).unbind()
    out = attend(q, k, v, Window(5), route=route)
    assert out.dtype == torch.bfloat16
    exact = attend(q.double(), k.double(), v.double(), Window(5))
    torch.testing.assert_close(out.double(), exact, atol=0.05, rtol=0.05)


def test_the_fused_kernel_refuses_what_it_does_not_know():
    x = torch.randn(1, 1, 3, 2)
    with pytest.raises(ValueError, match="the softmax alone, not silu"):
        attend(x, x, x, Causal(), merge="silu", route="fused")


@pytest.mark.parametrize("route", [None, *GENERAL])
def test_nobody_at_all_is_no_error(route):
    q, k, v = torch.randn(3, 2, 3, 0, 4).unbind()
    assert attend(q, k, v, Window(5), route=route).shape == (2, 3, 0, 4)


def test_packed_sequences_of_all_lengths_are_heard_as_one_by_one():
    lengths = [5, 0, 1, 12, 5, 7, 3, 11]
    packed = Packed(Window(3, ahead=True), torch.tensor([0, *lengths]).cumsum(0))
    q, k, v = torch.randn(3, 1, 2, sum(lengths), 4).requires_grad_().unbind()
    one_by_one = zip(*(x.split(lengths, 2) for x in (q, k, v)), strict=True)
    theirs = torch.cat([attend(*part, Window(3, ahead=True)) for part in one_by_one], 2)
    same(attend(q, k, v, packed), theirs, (q, k, v))


@pytest.mark.parametrize(
    ("pattern", "length", "how", "route"),
    [
        (Causal(), 64, {}, "fused"),
        (Complete(), 64, {"there": torch.ones(1, 64, dtype=torch.bool)}, "fused"),
        (Causal(), 64, {"merge": "silu"}, "matrix"),
        (Causal(), 64, {"dropout": 0.1}, "matrix"),
        (Window(8), 64, {}, "fused"),
        (Window(8), 512, {}, "band"),
        (Packed(Causal(), torch.tensor([0, 10, 64])), 64, {}, "packed"),
        (Dilated(64), 2048, {}, "edges"),
        (Causal(), 2048, {"dropout": 0.1, "bias": alibi(1)}, "chunked"),
    ],
)
def test_the_route_is_picked_by_what_is_asked(monkeypatch, pattern, length, how, route):
    taken = []
    monkeypatch.setattr(band, "LEAST", 32)
    monkeypatch.setattr(attention, "PAIRS", 2**20)
    for name in attention.ROUTES:
        monkeypatch.setitem(
            attention.ROUTES, name, lambda ask, name=name: taken.append(name) or ask.v
        )
    x = torch.randn(1, 1, length, 2)
    attend(x, x, x, pattern, **how)
    assert taken == [route]


def test_chunks_take_memory_that_does_not_grow_with_queries_times_keys():
    """What is kept for the way back is as large as what is asked, whatever the chunks."""
    x = torch.randn(1, 1, 256, 4, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.numel()) or t, lambda t: t
    ):
        chunked.chunked(Ask(x, x, x, Causal(), None, alibi(1), 0.0, 0.5, "softmax"), 32, 32)
    assert max(kept, default=0) <= 4 * x.numel()


def slow_flex(q, k, v, score_mod, blocks, scale):
    """What flex attention promises, number by number: it cannot be compiled under shape checks."""
    scores = q @ k.transpose(-1, -2) * scale
    places = [torch.arange(size) for size in scores.shape]
    for b, h, i, j in torch.cartesian_prod(*places):
        if score_mod is not None:
            scores[b, h, i, j] = score_mod(scores[b, h, i, j], b, h, i, j)
        if not blocks.mask_mod(b, h, i, j):
            scores[b, h, i, j] = float("-inf")
    return scores.softmax(-1).nan_to_num() @ v


@pytest.mark.parametrize("name", ["window ahead", "global", "peter", "packed"])
def test_flex_attention_is_told_the_rules(name):
    pattern, (q, k, v) = PATTERNS[name], torch.randn(3, 2, 3, LENGTH, 4).unbind()
    there, bias = torch.rand(2, LENGTH) < 0.8, rule(torch.tensor(0.7), torch.tensor(1.3))
    ask = Ask(q[:, :, 6:], k, v, pattern, there, bias, 0.0, 0.3, "softmax")
    ours = attend(q[:, :, 6:], k, v, pattern, there=there, bias=bias, scale=0.3)
    torch.testing.assert_close(flex.flex(ask, slow_flex), ours)


def test_flex_attention_refuses_what_it_cannot_do():
    x = torch.randn(1, 1, 3, 2, requires_grad=True)
    with pytest.raises(ValueError, match="no way back"):
        attend(x, x, x, Causal(), route="flex")
    for how in ({"merge": "silu"}, {"dropout": 0.1}):
        with pytest.raises(ValueError, match="softmax alone"):
            attend(x, x, x, Causal(), route="flex", **how)


def test_attention_by_hand():
    eye = torch.eye(2)[None, None]
    for route in GENERAL:
        full = attend(eye, eye, eye, Complete(), route=route)[0, 0, 0]
        torch.testing.assert_close(full, torch.tensor([0.669762, 0.330238]), atol=1e-6, rtol=0)
        assert attend(eye, eye, eye, Causal(), route=route)[0, 0, 0].tolist() == [1.0, 0.0]


def test_one_sender_is_heard_as_it_speaks_and_a_prefix_of_all_is_an_encoder():
    q, k, v = torch.randn(1, 2, 5, 4), torch.randn(1, 2, 1, 4), torch.randn(1, 2, 1, 3)
    heard = attend(q, k, v, Cross(Complete()))
    torch.testing.assert_close(heard, v.expand_as(heard))
    x = torch.randn(1, 2, 5, 4)
    whole = attend(x, x, x, Complete())
    torch.testing.assert_close(attend(x, x, x, Prefix(5)), whole)
    torch.testing.assert_close(attend(x, x, x, Prefix(0)), attend(x, x, x, Causal()))


@pytest.mark.parametrize("route", [*GENERAL, "band"])
def test_the_gradient_is_that_of_the_numbers(route):
    q, k, v = (torch.randn(1, 1, 5, 2, requires_grad=True) for _ in range(3))
    there = torch.tensor([[False, True, True, True, True]])

    def heard(q, k, v):
        return attend(q, k, v, Window(2), there=there, route=route)

    assert torch.autograd.gradcheck(heard, (q, k, v), fast_mode=True)
