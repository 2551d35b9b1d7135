"""The layers of Transformers against torch's own, and what their forms promise."""

import pytest
import torch
from torch import nn

from grapevine.core.attention import attend
from grapevine.core.patterns import Causal, Complete
from grapevine.core.transformer import FeedForward, HSTULayer, TransformerLayer

torch_layer = nn.TransformerEncoderLayer


def carried(theirs, ours):
    """The weights of torch's layer in ours."""
    weight, bias = theirs.self_attn.in_proj_weight, theirs.self_attn.in_proj_bias
    width = weight.shape[1]
    with torch.no_grad():
        ours.attention.query.weight.copy_(weight[:width])
        ours.attention.query.bias.copy_(bias[:width])
        ours.attention.keys_values.weight.copy_(weight[width:])
        ours.attention.keys_values.bias.copy_(bias[width:])
    ours.attention.out.load_state_dict(theirs.self_attn.out_proj.state_dict())
    ours.feed.up.load_state_dict(theirs.linear1.state_dict())
    ours.feed.down.load_state_dict(theirs.linear2.state_dict())
    for one, other in zip(ours.norms, (theirs.norm1, theirs.norm2)):
        nn.init.normal_(other.weight)
        one.load_state_dict(other.state_dict())
    return ours


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_layer_of_torch_and_ours_are_the_same(first, causal, activation):
    torch.manual_seed(0)
    theirs = torch_layer(
        8, 2, 12, 0.0, activation, batch_first=True, norm_first=first, dtype=torch.float64
    )
    ours = TransformerLayer(8, 2, 12, norm="pre" if first else "post", activation=activation)
    ours = carried(theirs, ours.double())
    x = torch.randn(3, 5, 8, dtype=torch.float64, requires_grad=True)
    there = torch.ones(3, 5, dtype=torch.bool)
    there[1, 3:] = there[2, 4:] = False
    mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    missing = torch.zeros(3, 5, dtype=torch.float64).masked_fill(~there, float("-inf"))
    wanted = theirs(x, mask if causal else None, src_key_padding_mask=missing)[there]
    found = ours(x, Causal() if causal else Complete(), there=there)[there]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    pull = torch.randn_like(wanted)
    (by_wanted,) = torch.autograd.grad(wanted, x, pull)
    (by_found,) = torch.autograd.grad(found, x, pull)
    torch.testing.assert_close(by_found, by_wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-5), ("bfloat16", 0.02)])
@pytest.mark.parametrize("activation", ["relu", "gelu", "swiglu"])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("norm", ["pre", "post", "sasrec"])
def test_a_fused_layer_does_the_same(norm, gated, activation, precision, bound, monkeypatch):
    torch.manual_seed(5)
    layer = TransformerLayer(
        8, 2, 12, norm=norm, activation=activation, gated=gated, precision=precision
    )
    for one in layer.norms:
        nn.init.normal_(one.weight)
    if activation == "relu" and precision == "bfloat16":
        with torch.no_grad():  # a rounded number near 0 may be bent the other way
            layer.feed.up.bias += 20 * torch.tensor([1, -1]).repeat(6)
    x = torch.randn(3, 5, 8, requires_grad=True)
    leaves = [x, *layer.parameters()]
    assert layer.fusible(x)
    fused = layer(x, Causal())
    pull = torch.randn_like(fused)
    by_fused = torch.autograd.grad(fused, leaves, pull)
    monkeypatch.setattr(TransformerLayer, "fusible", lambda *_: False)
    plain = layer(x, Causal())
    by_plain = torch.autograd.grad(plain, leaves, pull)
    for one, other in [(fused, plain), *zip(by_fused, by_plain)]:
        # A gate is one more product that is rounded.
        assert (one - other).norm() <= (1 + 2 * gated) * bound * other.norm() + 1e-5


def test_the_form_of_sasrec_line_by_line():
    torch.manual_seed(1)
    layer = TransformerLayer(6, 1, 6, norm="sasrec", activation="relu").double()
    x = torch.randn(1, 4, 6, dtype=torch.float64)
    one, two, hears = *layer.norms, layer.attention
    asking = one(x)
    q = hears.query(asking)
    k, v = hears.keys_values(x).chunk(2, -1)
    logits = (q @ k.transpose(1, 2) / 6**0.5).masked_fill(~torch.ones(4, 4).tril().bool(), -1e9)
    y = two(asking + hears.out(logits.softmax(-1) @ v))
    wanted = y + layer.feed.down(layer.feed.up(y).relu())
    torch.testing.assert_close(layer(x, Causal()), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu", "swiglu"])
@pytest.mark.parametrize("norm", ["pre", "post", "sasrec"])
def test_no_place_hears_a_later_one(norm, activation, gated):
    torch.manual_seed(2)
    layer = TransformerLayer(8, 2, 8, norm=norm, activation=activation, gated=gated).double()
    holds_back(layer)


def test_no_place_of_hstu_hears_a_later_one():
    torch.manual_seed(3)
    holds_back(HSTULayer(8, 2, 4, length=6).double())


def holds_back(layer):
    x = torch.randn(1, 6, 8, dtype=torch.float64, requires_grad=True)
    pull = torch.randn(8, dtype=torch.float64)
    for place in range(6):
        (pulled,) = torch.autograd.grad(layer(x, Causal())[0, place] @ pull, x)
        assert not pulled[0, place + 1 :].any()
        assert pulled[0, : place + 1].abs().sum(1).min() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gate_that_is_shut_lets_nothing_through(dtype):
    layer = TransformerLayer(8, 2, 8, gated=True).to(dtype)
    for gate in layer.gates:
        nn.init.zeros_(gate.weight)
        nn.init.constant_(gate.bias, -1e9)
    x = torch.randn(2, 3, 8, dtype=dtype)
    torch.testing.assert_close(layer(x, Complete()), x)


def test_swiglu_by_hand():
    layer = FeedForward(2, 3, activation="swiglu").double()
    x = torch.randn(1, 1, 2, dtype=torch.float64)
    gate, value = layer.up.weight @ x[0, 0] + layer.up.bias, None
    gate, value = gate.chunk(2)
    wanted = layer.down.weight @ (gate * torch.sigmoid(gate) * value) + layer.down.bias
    torch.testing.assert_close(layer(x)[0, 0], wanted)


def test_the_worked_figures_of_hstu():
    """Spec 04, test 6: Q = K = I, no bias, n = 2."""
    eye = torch.eye(2)[None, None]
    _, maps = attend(eye, eye, eye, Causal(), scale=1.0, merge="silu", weights=True)
    assert maps[0, 0].div(2).diagonal().tolist() == pytest.approx([0.365529] * 2, abs=1e-6)
    assert not (maps[0, 0] - maps[0, 0].diagonal().diag()).any()


def test_heads_must_share_the_width():
    with pytest.raises(ValueError, match="a width of 7 cannot be shared by 2 heads"):
        TransformerLayer(7, 2, 8)


@pytest.mark.parametrize("norm", ["pre", "post", "sasrec"])
def test_who_asks_for_autocast_gets_torchs_own(norm):
    layer, x = TransformerLayer(8, 2, 12, norm=norm), torch.randn(2, 5, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert not layer.fusible(x)
        out = layer(x, Causal())
    out.float().sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_no_histories_are_none_afterwards():
    layer = TransformerLayer(8, 2, 12)
    assert layer(torch.zeros(0, 5, 8), Causal()).shape == (0, 5, 8)
