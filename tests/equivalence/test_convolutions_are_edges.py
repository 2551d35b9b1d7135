"""Convolutions over pictures and sequences, and mixing of places, are messages along typed edges.

A pixel hears its neighbours, each by a matrix of where it stands; beyond the border nobody speaks,
which is padding with zeros.
"""

import pytest
import torch
from torch.nn.functional import conv1d, conv2d, gelu, pad

from grapevine.core.patterns import Causal, Complete
from grapevine.core.propagate import propagate
from grapevine.core.typed import RGCN
from grapevine.models.sequence.mixer import MixerLayer
from grapevine.structs.graph import Graph

HIGH, WIDE, CHANNELS, OUT = 5, 4, 3, 2


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def neighbours(down, right):
    """Every pixel hears the one that is so far below it and to its right."""
    pixels = torch.arange(HIGH * WIDE).view(HIGH, WIDE)
    rows, columns = torch.arange(HIGH)[:, None] + down, torch.arange(WIDE) + right
    there = (rows >= 0) & (rows < HIGH) & (columns >= 0) & (columns < WIDE)
    senders = pixels[rows.clamp(0, HIGH - 1), columns.clamp(0, WIDE - 1)]
    return Graph(senders[there], pixels[there], HIGH * WIDE)


RELATIONS = [neighbours(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]


def typed(kernel, bias):
    """The layer of typed edges with the weights of a kernel, `(O, D, *sizes)`."""
    flat = kernel.flatten(2)
    layer = RGCN(flat.shape[1], flat.shape[0], flat.shape[2], own=False)
    with torch.no_grad():
        layer.weight.copy_(flat.permute(2, 1, 0))
        layer.bias.copy_(bias)
    return layer


def test_a_layer_of_nine_relations_is_a_convolution_of_three_by_three():
    picture = torch.randn(CHANNELS, HIGH, WIDE, requires_grad=True)
    kernel, bias = torch.randn(OUT, CHANNELS, 3, 3), torch.randn(OUT)
    wanted = conv2d(picture[None], kernel, bias, padding=1)[0].flatten(1).T
    layer = typed(kernel, bias)
    found = layer(picture.flatten(1).T, RELATIONS)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    pull = torch.randn_like(wanted)
    (by_found,) = torch.autograd.grad(found, picture, pull)
    (by_wanted,) = torch.autograd.grad(wanted, picture, pull)
    torch.testing.assert_close(by_found, by_wanted, rtol=0, atol=1e-12)


def test_moving_pixels_moves_what_they_hear_if_their_edges_move_along():
    x, order = torch.randn(HIGH * WIDE, CHANNELS), torch.randperm(HIGH * WIDE)
    layer = typed(torch.randn(OUT, CHANNELS, 3, 3), torch.randn(OUT))
    new = order.argsort()  # where each pixel went
    moved = [Graph(new[one.senders], new[one.receivers], len(x)) for one in RELATIONS]
    wanted = layer(x, RELATIONS)[order]
    torch.testing.assert_close(layer(x[order], moved), wanted)
    assert not torch.allclose(layer(x[order], RELATIONS), wanted)


def test_a_causal_convolution_has_a_relation_for_each_step_back():
    length, taps = 9, 3
    x, kernel, bias = (
        torch.randn(CHANNELS, length),
        torch.randn(OUT, CHANNELS, taps),
        torch.randn(OUT),
    )
    wanted = conv1d(pad(x, (taps - 1, 0))[None], kernel, bias)[0].T
    back = reversed(range(taps))
    steps = [Graph(torch.arange(length - b), torch.arange(b, length), length) for b in back]
    found = typed(kernel, bias)(x.T, steps)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pattern", [Causal(), Complete()])
def test_mixing_places_is_a_free_weight_for_each_pair(pattern):
    """MLP-Mixer's token mixing: the graph is complete, or causal, and weights know the pair."""
    length, width = 6, 4
    layer = MixerLayer(width, 8, length=length).eval()
    with torch.no_grad():
        layer.heard.normal_()
        layer.said.normal_()
    x, edges = torch.randn(1, length, width), pattern.edges(length)

    def by(table):
        return lambda graph: table[graph.receivers, graph.senders]

    first, second = layer.norms
    heard = gelu(propagate(edges, first(x[0]), by(layer.hear)) + layer.heard)
    y = x[0] + propagate(edges, heard, by(layer.say)) + layer.said
    wanted = y + layer.feed(second(y)[None])[0]
    torch.testing.assert_close(layer(x, pattern)[0], wanted, rtol=0, atol=1e-12)
