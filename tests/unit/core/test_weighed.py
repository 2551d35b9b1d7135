"""Attention in bfloat16 against torch's own in float64, and what no rounding excuses."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from grapevine.core.attention import attend
from grapevine.core.kernels import weighed as kernel
from grapevine.core.kernels.dropout import dropout
from grapevine.core.kernels.weighed import LONGEST, SHORTEST, serves, weighed
from grapevine.core.patterns import Causal, Complete

# B = 3 sequences, H = 2 heads, K = 16, L places
ROUNDING = 2.0**-7


def drawn(length, keys=None, seed=0):
    torch.manual_seed(seed)
    sizes = (length, keys or length, keys or length)
    return [torch.randn(3, 2, size, 16).bfloat16().requires_grad_() for size in sizes]


def heard(q, k, v, mask, scale):
    """The same by torch, of the same rounded numbers."""
    exact = [one.detach().double().requires_grad_() for one in (q, k, v)]
    return scaled_dot_product_attention(*exact, attn_mask=mask, scale=scale), exact


@pytest.mark.parametrize("length", [1, 31, 32, 33, 77, 200])
@pytest.mark.parametrize("causal", [True, False])
def test_it_is_softmax_attention_and_so_are_its_gradients(length, causal):
    q, k, v = drawn(length)
    mask = torch.ones(length, length, dtype=torch.bool)
    mask = mask.tril() if causal else mask
    wanted, exact = heard(q, k, v, mask, 0.3)
    found = weighed(q, k, v, causal=causal, scale=0.3)
    pull = torch.randn(found.shape).bfloat16()
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), wanted, atol=2 * ROUNDING, rtol=2 * ROUNDING)
    ours = torch.autograd.grad(found, (q, k, v), pull)
    theirs = torch.autograd.grad(wanted, exact, pull.double())
    for one, other in zip(ours, theirs, strict=True):
        off = (one.double() - other).norm() / other.norm().clamp_min(1e-3)
        assert off < ROUNDING


@pytest.mark.parametrize("length", [1, 33, 64])
@pytest.mark.parametrize("causal", [True, False])
def test_shares_are_left_out_as_dropout_leaves_them_out(length, causal, monkeypatch):
    monkeypatch.setattr(kernel, "AT_ONCE", 4 * length * length)  # in two parts
    q, k, v = drawn(length)
    mask = torch.ones(length, length, dtype=torch.bool)
    mask = mask.tril() if causal else mask
    exact = [one.detach().double().requires_grad_() for one in (q, k, v)]
    products = exact[0] @ exact[1].transpose(-1, -2) * 0.3
    shares = products.masked_fill(~mask, float("-inf")).softmax(-1)
    times = dropout(torch.ones(shares.shape), 0.3, 5)
    assert 0 in times or length == 1
    wanted = (shares * times) @ exact[2]
    found = weighed(q, k, v, causal=causal, scale=0.3, dropout=0.3, key=5)
    pull = torch.randn(found.shape).bfloat16()
    torch.testing.assert_close(found.double(), wanted, atol=3 * ROUNDING, rtol=3 * ROUNDING)
    ours = torch.autograd.grad(found, (q, k, v), pull)
    theirs = torch.autograd.grad(wanted, exact, pull.double())
    for one, other in zip(ours, theirs, strict=True):
        off = (one.double() - other).norm() / other.norm().clamp_min(1e-3)
        assert off < 1.5 * ROUNDING


def test_draws_are_new_each_time_and_named_by_the_generator_of_torch():
    q, k, v = (one.detach() for one in drawn(40))
    first, second = (attend(q, k, v, Causal(), dropout=0.5) for _ in range(2))
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    again = attend(q, k, v, Causal(), dropout=0.5)
    torch.manual_seed(3)
    assert torch.equal(attend(q, k, v, Causal(), dropout=0.5), again)


def test_keys_that_are_not_there_are_not_heard():
    q, k, v = drawn(40)
    there = torch.rand(3, 40) < 0.5
    there[1] = False  # nobody to hear
    found = weighed(q, k, v, there=there, scale=0.25)
    wanted, _ = heard(q, k, v, there[:, None, None], 0.25)
    assert (found[1] == 0).all()
    torch.testing.assert_close(
        found[[0, 2]].double(), wanted[[0, 2]], atol=2 * ROUNDING, rtol=2 * ROUNDING
    )
    by_k, by_v = torch.autograd.grad(found.float().square().sum(), (k, v))
    missing = ~there[:, None, :, None].expand_as(by_k)
    assert (by_k[missing] == 0).all()
    assert (by_v[missing] == 0).all()


def test_what_comes_later_changes_no_bit_of_what_came_before():
    q, k, v = drawn(70)
    before = weighed(q, k, v, causal=True, scale=0.25)
    with torch.no_grad():
        k[:, :, 50:] = 1e4
        v[:, :, 50:] = -1e4
    after = weighed(q, k, v, causal=True, scale=0.25)
    assert torch.equal(before[:, :, :50], after[:, :, :50])
    assert not torch.equal(before[:, :, 50:], after[:, :, 50:])
    (by_v,) = torch.autograd.grad(after[:, :, :50].float().sum(), (v,))
    assert (by_v[:, :, 50:] == 0).all()


def test_products_that_are_far_apart_stay_finite():
    q, k, v = drawn(64)
    with torch.no_grad():
        q *= 1e3
    found = weighed(q, k, v, causal=True, scale=1.0)
    assert torch.isfinite(found).all()
    assert all(torch.isfinite(one).all() for one in torch.autograd.grad(found.sum(), (q, k, v)))


def test_a_few_sequences_at_a_time_are_all_of_them(monkeypatch):
    q, k, v = drawn(64)
    found = weighed(q, k, v, causal=True, scale=0.25)
    pull = torch.randn(found.shape).bfloat16()
    whole = torch.autograd.grad(found, (q, k, v), pull)
    monkeypatch.setattr("grapevine.core.kernels.weighed.AT_ONCE", 64 * 64 * 4)
    again = weighed(q, k, v, causal=True, scale=0.25)
    assert torch.equal(found, again)
    for one, other in zip(whole, torch.autograd.grad(again, (q, k, v), pull), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("pattern", [Causal(), Complete()])
def test_attend_takes_it_where_it_serves(pattern, monkeypatch):
    asked = []

    def told(*args, **options):
        asked.append(options)
        return weighed(*args, **options)

    monkeypatch.setattr("grapevine.core.routes.dense.weighed", told)
    q, k, v = drawn(48)
    attend(q, k, v, pattern)
    attend(q, k, v, pattern, dropout=0.3)
    assert [one["dropout"] for one in asked] == [0.0, 0.3]
    for lengths in (SHORTEST - 1, LONGEST + 1):
        attend(*drawn(lengths), pattern)
    attend(*(one.float() for one in (q, k, v)), pattern)
    attend(q, k, v, pattern, bias=torch.zeros(1, 1, 48, 48).bfloat16())
    assert len(asked) == 2
    assert not serves(q.float(), k.float())


def test_one_query_hears_all_keys_of_the_causal_pattern():
    q, k, v = drawn(1, keys=48)
    torch.testing.assert_close(
        attend(q, k, v, Causal()).float(), attend(q, k, v, Complete()).float()
    )
