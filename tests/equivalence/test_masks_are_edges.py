"""A Transformer layer under a mask is a message-passing layer along its edges (spec of the core).

Trusted is torch's own encoder layer, given the mask as numbers that are added to the products; ours
is `propagate` along the edges of the pattern, and `attend` by the route that it picks.
"""

import pytest
import torch
from torch import nn
from torch.nn.functional import layer_norm, linear

from grapevine.core.attention import attend
from grapevine.core.patterns import (
    Causal,
    Complete,
    Dilated,
    Global,
    Packed,
    Prefix,
    Window,
    fixed_heads,
    peter,
    strided_heads,
)
from grapevine.core.propagate import dot_product, propagate

LENGTH, WIDTH, HEADS = 13, 8, 2
MASKS = {
    "complete": Complete(),
    "causal": Causal(),
    "window": Window(3),
    "window both ways": Window(3, ahead=True),
    "prefix": Prefix(5),
    "peter": peter(),
    "packed": Packed(Causal(), torch.tensor([0, 4, 9, 13])),
    "batch of graphs": Packed(Complete(), torch.tensor([0, 4, 9, 13])),
    "global": Window(2, ahead=True) | Global((0,)),
    "dilated": Dilated(3),
    "strided": strided_heads(4)[0] | strided_heads(4)[1],
    "fixed": fixed_heads(4, 1)[0] | fixed_heads(4, 1)[1],
}


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def by_edges(q, k, v, pattern):
    """Place by place and head by head, `(L, H, K)`."""
    return propagate(pattern.edges(LENGTH), v, dot_product(q, k))


def by_attend(q, k, v, pattern):
    one_batch = (x.transpose(0, 1)[None] for x in (q, k, v))
    return attend(*one_batch, pattern)[0].transpose(0, 1)


def layer(trusted, x, pattern, hear):
    """The layer of `nn.TransformerEncoderLayer`, post-norm, with its weights."""
    attention = trusted.self_attn
    said = linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
    heard = hear(*(part.unflatten(-1, (HEADS, -1)) for part in said), pattern).flatten(1)
    x = trusted.norm1(x + attention.out_proj(heard))
    return trusted.norm2(x + trusted.linear2(trusted.linear1(x).relu()))


@pytest.mark.parametrize("hear", [by_edges, by_attend])
@pytest.mark.parametrize("pattern", MASKS.values(), ids=MASKS)
def test_a_transformer_layer_is_message_passing(pattern, hear):
    trusted = nn.TransformerEncoderLayer(WIDTH, HEADS, 16, dropout=0.0, batch_first=True)
    for parameter in trusted.parameters():
        nn.init.normal_(parameter, std=0.5)
    x = torch.randn(LENGTH, WIDTH, requires_grad=True)
    added = torch.zeros(LENGTH, LENGTH).masked_fill(~pattern.mask(LENGTH), float("-inf"))
    theirs = trusted(x[None], src_mask=added)[0]
    ours = layer(trusted, x, pattern, hear)
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=0)
    pull, inputs = torch.randn_like(ours), [x, *trusted.parameters()]
    mine, other = (
        torch.autograd.grad((out * pull).sum(), inputs, retain_graph=True) for out in (ours, theirs)
    )
    torch.testing.assert_close(mine, other, atol=1e-10, rtol=0)


def test_equal_scores_are_the_mean_of_those_heard():
    x, pattern = torch.randn(1, 1, LENGTH, WIDTH), Window(4)
    nothing = torch.zeros_like(x)
    mask = pattern.mask(LENGTH).double()
    mean = mask @ x[0, 0] / mask.sum(1, keepdim=True)
    torch.testing.assert_close(attend(nothing, nothing, x, pattern)[0, 0], mean)


def test_without_positions_moving_the_places_moves_what_they_hear_and_with_them_it_does_not():
    x, order = torch.randn(1, 1, LENGTH, WIDTH), torch.randperm(LENGTH)
    moved = x[:, :, order]
    torch.testing.assert_close(
        attend(moved, moved, moved, Complete()), attend(x, x, x, Complete())[:, :, order]
    )
    causal = attend(x, x, x, Causal())[:, :, order]
    assert not torch.allclose(attend(moved, moved, moved, Causal()), causal)
    normed = layer_norm(x, (WIDTH,))
    torch.testing.assert_close(layer_norm(moved, (WIDTH,)), normed[:, :, order])
