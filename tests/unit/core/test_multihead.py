"""One place that asks many needs no keys and no values, and hears the same."""

import pytest
import torch

from grapevine.core.attention import attend
from grapevine.core.multihead import Attention
from grapevine.core.patterns import Complete


@pytest.fixture(params=[True, False], ids=["biased", "plain"])
def attention(request):
    torch.manual_seed(3)
    made = Attention(24, 3, bias=request.param).double()
    for one in made.parameters():
        torch.nn.init.normal_(one, std=0.4)
    return made


def by_all(attention, asking, told, there):
    """By the route of everyone: `attend` is not the one that the shortcut knows."""
    attention.attend = lambda *args, **options: attend(*args, **options)
    try:
        return attention(asking, told, Complete(), there=there)
    finally:
        attention.attend = attend


@pytest.mark.parametrize("lacking", [False, True])
def test_one_who_asks_hears_what_keys_and_values_tell(attention, lacking, monkeypatch):
    told = torch.randn(5, 9, 24).double().requires_grad_()
    asking = torch.randn(5, 1, 24).double().requires_grad_()
    there = None
    if lacking:
        there = torch.rand(5, 9) < 0.6
        there[0] = False
        there[1:, 0] = True
    wanted = by_all(attention, asking, told, there)
    monkeypatch.setattr("grapevine.core.multihead.split_heads", None)  # no key is made
    found = attention(asking, told, Complete(), there=there)
    torch.testing.assert_close(found, wanted)
    sources = [asking, told, *attention.parameters()]
    pull = torch.randn_like(found)
    ours = torch.autograd.grad(found, sources, pull)
    for one, other in zip(ours, torch.autograd.grad(wanted, sources, pull), strict=True):
        torch.testing.assert_close(one, other)


def test_where_weights_are_dropped_or_biased_keys_are_made(attention):
    told, asking = torch.randn(2, 4, 24).double(), torch.randn(2, 1, 24).double()
    bias = torch.randn(2, 1, 1, 4).double()
    shifted = attention(asking, told, Complete(), bias=bias)
    assert not torch.allclose(shifted, attention(asking, told, Complete()))
    attention.dropout = 0.9
    torch.manual_seed(0)
    dropped = attention(asking, told, Complete())
    assert not torch.allclose(dropped, attention.eval()(asking, told, Complete()))
