"""SiLU weights in parts equal the whole matrix of them, gradients too."""

import pytest
import torch

from grapevine.core import attention
from grapevine.core.attention import attend
from grapevine.core.kernels import pointwise
from grapevine.core.patterns import Causal, Complete, Window


def drawn(biased, queries=5, keys=5):
    torch.manual_seed(keys)
    sizes = [(3, 2, queries, 4), (3, 2, keys, 4), (3, 2, keys, 3)]
    if biased is not None:
        sizes.append((biased, 1, queries, keys))
    return [torch.randn(size, requires_grad=True) for size in sizes]


@pytest.mark.parametrize("pattern", [Causal(), Complete(), Window(1)], ids=str)
@pytest.mark.parametrize("biased", [None, 1, 3])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("at_once", [1, 2**18])
def test_in_parts_as_the_whole_matrix(pattern, biased, padded, at_once, monkeypatch):
    monkeypatch.setattr(pointwise, "AT_ONCE", at_once)
    leaves = drawn(biased)
    there = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]).bool()

    def heard(route, parts):
        q, k, v, *bias = parts
        return attend(
            q, k, v, pattern, there=there if padded else None, bias=bias[0] if bias else None,
            scale=0.7, merge="silu", route=route,
        )  # fmt: skip

    found = heard("bent", leaves)
    exact = [one.detach().double().requires_grad_() for one in leaves]
    wanted = heard("matrix", exact)
    torch.testing.assert_close(found.double(), wanted, atol=1e-5, rtol=1e-5)
    pull = torch.randn_like(found)
    ours = torch.autograd.grad(found, leaves, pull)
    theirs = torch.autograd.grad(wanted, exact, pull.double())
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.double(), other, atol=2e-5, rtol=2e-5)


def test_the_last_place_asks_alone():
    q, k, v, bias = drawn(3, queries=1)
    found = attend(q, k, v, Complete(), bias=bias, scale=1.0, merge="silu")
    wanted = attend(q, k, v, Complete(), bias=bias, scale=1.0, merge="silu", route="matrix")
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_float32_takes_it_and_what_it_cannot_does_not():
    q, k, v, bias = drawn(3)
    many = bias.expand(3, 2, 5, 5)

    def route(q, k, v, dropout=0.0, by=None):
        ask = attention.Ask(q, k, v, Causal(), None, by, dropout, 1.0, "silu")
        return attention._fastest(ask)

    assert route(q, k, v, by=bias) == "bent"
    assert route(q.double(), k.double(), v.double()) == "matrix"
    assert route(q, k, v, dropout=0.1) == "matrix"
    assert route(q, k, v, by=many) == "matrix"
