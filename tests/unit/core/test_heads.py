"""Maps against the reference, gates against pruning, and importance where it was planted."""

import pytest
import torch
from torch import nn

from grapevine.core.attention import attend
from grapevine.core.hard_concrete import HardConcrete
from grapevine.core.heads import (
    attention_maps,
    gated_heads,
    head_importance,
    listeners,
    prune_heads,
    without_each,
)
from grapevine.core.multihead import Attention
from grapevine.core.patterns import Causal, Complete
from grapevine.core.transformer import HSTULayer, TransformerLayer


def inputs(*shape, dtype=torch.float64):
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=dtype)


def by_hand(layer, x, told, shut):
    """The weights of a layer of attention, head by head."""
    q = layer.query(x).unflatten(-1, (layer.heads, -1))
    k = layer.keys_values(told).chunk(2, -1)[0].unflatten(-1, (layer.heads, -1))
    products = torch.einsum("blhk,bshk->bhls", q, k) / q.shape[-1] ** 0.5
    return products.masked_fill(shut, float("-inf")).softmax(-1)


@pytest.mark.parametrize("norm", ["pre", "post", "sasrec"])
def test_maps_are_those_of_the_reference(norm):
    x = inputs(3, 5, 8)
    layer = TransformerLayer(8, 2, 12, norm=norm).double()
    plain = layer(x, Causal())
    with attention_maps(layer) as maps:
        told = layer(x, Causal())
    (found,) = maps
    normed = layer.norms[0](x)
    asking = {"pre": (normed, normed), "post": (x, x), "sasrec": (normed, x)}[norm]
    later = ~torch.ones(5, 5).tril().bool()
    torch.testing.assert_close(found, by_hand(layer.attention, *asking, later))
    torch.testing.assert_close(found.sum(-1), torch.ones(3, 2, 5, dtype=torch.float64))
    assert not found[..., later].any()
    torch.testing.assert_close(told, plain)


@pytest.mark.parametrize("norm", ["pre", "post", "sasrec"])
def test_a_fused_layer_tells_the_same_maps(norm, monkeypatch):
    x = inputs(3, 5, 8, dtype=torch.float32)
    layer = TransformerLayer(8, 2, 12, norm=norm)
    assert layer.fusible(x)
    with attention_maps(layer) as maps:
        layer(x, Causal())
        monkeypatch.setattr(TransformerLayer, "fusible", lambda *_: False)
        layer(x, Causal())
    fused, plain = maps
    torch.testing.assert_close(fused, plain)


def test_padding_is_heard_by_nobody_and_maps_come_in_order():
    x, there = inputs(2, 4, 8), torch.tensor([[True] * 4, [True, True, False, False]])
    layers = nn.ModuleList([TransformerLayer(8, 2, 12), HSTULayer(8, 2, 4, length=4)]).double()
    with attention_maps(layers) as maps:
        for layer in layers:
            layer(x, Complete(), there=there)
    assert list(listeners(layers)) == ["0.attention", "1"]
    assert len(maps) == 2
    for one in maps:
        assert not one[1, :, :, 2:].any()
        assert one[1, :, :, :2].all()


def test_the_maps_of_hstu_are_its_own():
    """A = silu(q k') / n, as the paper has it: what they say of the values is what is heard."""
    x = inputs(2, 4, 6)
    layer = HSTULayer(6, 2, 3, length=9).double()
    with attention_maps(layer) as maps:
        found = layer(x, Causal())
    u, v, q, k = layer._mixed(x)
    q, k = (one.unflatten(-1, (2, 3)) for one in (q, k))
    wanted = nn.functional.silu(torch.einsum("blhk,bshk->bhls", q, k)).tril() / 9
    torch.testing.assert_close(maps[0], wanted)
    heard = torch.einsum("bhls,bshk->blhk", wanted, v.unflatten(-1, (2, 3))).flatten(2)
    normed = nn.functional.layer_norm(heard, (6,))
    torch.testing.assert_close(found, x + layer.out(normed * u))


def test_nothing_is_kept_or_left_behind_outside():
    layer = TransformerLayer(8, 2, 12)
    with (
        pytest.raises(RuntimeError, match="enough"),
        attention_maps(layer),
        gated_heads(layer, {"attention": torch.zeros(2)}),
    ):
        raise RuntimeError("enough")
    assert layer.attention.attend is attend


@pytest.mark.parametrize("maps_first", [False, True])
def test_gates_and_maps_do_not_mind_each_other(maps_first):
    x = inputs(2, 4, 8)
    layer = TransformerLayer(8, 2, 12).double()
    gates = {"attention": torch.tensor([0.5, 0.0], dtype=torch.float64)}
    with gated_heads(layer, gates):
        wanted = layer(x, Causal())
    if maps_first:
        with attention_maps(layer) as maps, gated_heads(layer, gates):
            found = layer(x, Causal())
    else:
        with gated_heads(layer, gates), attention_maps(layer) as maps:
            found = layer(x, Causal())
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(maps[0].sum(-1), torch.ones(2, 2, 4, dtype=torch.float64))


@pytest.mark.parametrize("gone", [[], [0], [2], [0, 3], [1, 2, 3]])
@pytest.mark.parametrize("norm", ["pre", "post", "sasrec"])
def test_a_pruned_layer_says_what_the_gated_one_does_with_less(norm, gone):
    x = inputs(3, 5, 8)
    layer = TransformerLayer(8, 4, 12, norm=norm, gated=True).double()
    gates = torch.tensor([float(head not in gone) for head in range(4)], dtype=torch.float64)
    smaller = prune_heads(layer, gone)
    with gated_heads(layer, {"attention": gates}):
        wanted = layer(x, Causal())
    torch.testing.assert_close(smaller(x, Causal()), wanted, rtol=0, atol=1e-12)
    numbers = [sum(one.numel() for one in each.parameters()) for each in (layer, smaller)]
    # Each head has three products of 8 by 2 with biases, and one of 2 by 8.
    assert numbers[0] - numbers[1] == len(gone) * (3 * (8 * 2 + 2) + 2 * 8)
    assert layer.attention.heads == 4


@pytest.mark.parametrize("norm", ["pre", "post", "sasrec"])
def test_a_pruned_layer_is_fused_like_any_other(norm):
    x = inputs(3, 5, 8, dtype=torch.float32)
    layer = TransformerLayer(8, 4, 12, norm=norm)
    smaller = prune_heads(prune_heads(layer, [1]), [0])
    assert smaller.fusible(x)
    with gated_heads(layer, {"attention": torch.tensor([0.0, 0.0, 1.0, 1.0])}):
        wanted = layer(x, Causal())
    torch.testing.assert_close(smaller(x, Causal()), wanted)


def test_attention_without_biases_is_pruned_too():
    x = inputs(2, 3, 8)
    layer = Attention(8, 4, bias=False).double()
    with gated_heads(layer, {"": torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.float64)}):
        wanted = layer(x, x, Complete())
    torch.testing.assert_close(prune_heads(layer, [1])(x, x, Complete()), wanted)


@pytest.mark.parametrize("gone", [[0, 1, 2, 3], [4], [-1]])
def test_heads_that_are_not_there_or_all_cannot_go(gone):
    with pytest.raises(ValueError, match="of 4 heads"):
        prune_heads(Attention(8, 4), gone)


def test_a_layer_that_is_not_there_has_no_gates():
    with (
        pytest.raises(ValueError, match="is called `b`; there are `0"),
        gated_heads(nn.Sequential(TransformerLayer(8, 2, 8)), {"b": torch.ones(2)}),
    ):
        pass


LAYERS = {
    "attention": lambda: TransformerLayer(8, 2, 12, norm="sasrec"),
    "": lambda: HSTULayer(8, 2, 4, length=5),
}


@pytest.mark.parametrize("name", LAYERS)
def test_importance_is_the_derivative_by_the_gate_sequence_by_sequence(name):
    x = inputs(3, 5, 8)
    layer = LAYERS[name]().double()
    pull = torch.randn(5, 8, dtype=torch.float64)

    def losses(batch):
        return (layer(batch, Causal()) * pull).sum((1, 2)).tanh()

    found = head_importance(layer, losses, [x[:2], x[2:]], by_layer=False)[name]
    step, wanted = 1e-5, torch.zeros(2, dtype=torch.float64)
    for head in range(2):
        gates, sides = torch.ones(2, dtype=torch.float64), []
        for side in (step, -step):
            gates[head] = 1 + side
            with gated_heads(layer, {name: gates}), torch.no_grad():
                sides.append(losses(x))
        wanted[head] = ((sides[0] - sides[1]) / (2 * step)).abs().mean()
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-8)
    relative = head_importance(layer, losses, [x])[name]
    torch.testing.assert_close(relative, wanted / wanted.norm(), rtol=1e-6, atol=1e-8)


def test_where_nobody_attends_there_is_nothing_to_weigh():
    with pytest.raises(ValueError, match="Linear has no heads"):
        head_importance(nn.Linear(2, 2), lambda _: torch.zeros(1), [0])


def planted(carries=2):
    """A layer of which one head alone says anything to speak of."""
    torch.manual_seed(1)
    layer = TransformerLayer(8, 4, 12, norm="pre").double()
    with torch.no_grad():
        quiet = torch.ones(8, dtype=torch.float64) * 1e-3
        quiet[2 * carries : 2 * carries + 2] = 1
        layer.attention.out.weight *= quiet
    return layer


def test_a_head_that_carries_all_is_worth_all_and_the_others_may_go():
    layer, x = planted(), inputs(4, 5, 8)
    pull = torch.randn(5, 8, dtype=torch.float64)

    def losses(batch):
        return (layer(batch, Causal()) * pull).sum((1, 2))

    worth = head_importance(layer, losses, [x])["attention"]
    others = [0, 1, 3]
    assert worth.argmax() == 2
    assert worth[others].max() < 0.02
    plain = layer(x, Causal())
    assert (prune_heads(layer, others)(x, Causal()) - plain).abs().max() < 0.01
    assert (prune_heads(layer, [2])(x, Causal()) - plain).abs().max() > 0.1
    lost = without_each(layer, lambda: losses(x).sum())["attention"]
    assert (lost - losses(x).sum()).abs().argmax() == 2


def test_a_hard_gate_is_open_as_often_as_it_says():
    torch.manual_seed(0)
    gates = HardConcrete(20_000, start=0.7)
    torch.testing.assert_close(gates.open(), torch.full((20_000,), 0.7))
    drawn = gates()
    assert (drawn > 0).float().mean() == pytest.approx(0.7, abs=0.02)
    assert 0 < (drawn == 1).float().mean() < 0.7
    assert torch.equal(gates.eval()(), gates())


def test_gates_that_cost_shut_all_heads_but_the_one_that_carries():
    layer, x = planted(), inputs(4, 5, 8)
    wanted = layer(x, Causal()).detach()
    gates = HardConcrete(4).double()
    step = torch.optim.Adam(gates.parameters(), lr=0.2)
    for _ in range(80):
        step.zero_grad()
        with gated_heads(layer, {"attention": gates()}):
            apart = (layer(x, Causal()) - wanted).square().mean()
        (apart + 1e-3 * gates.open().sum()).backward()
        step.step()
    left = gates.eval()().detach()
    assert left[2] > 0.9
    assert not left[[0, 1, 3]].any()
