"""Pairs of rows: torch's own numbers and gradients, however pairs share their rows."""

import pytest
import torch

from grapevine.core.kernels.pairs import pair_products, pair_sums


def drawn(*sizes):
    torch.manual_seed(sum(sizes[0]))
    return [torch.randn(size).requires_grad_() for size in sizes]


def compare(found, wanted, leaves):
    pull = torch.randn(wanted.shape)
    torch.testing.assert_close(found, wanted)
    ours = torch.autograd.grad(found, leaves, pull)
    theirs = torch.autograd.grad(wanted, leaves, pull)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def rows(pairs, seconds):
    """Few rows for many pairs: most stand in several, and some in none."""
    return torch.randint(0, 5, (pairs,)), torch.randint(2, 9, (pairs, seconds))


@pytest.mark.parametrize("width", [1, 16, 40])
@pytest.mark.parametrize(("pairs", "seconds"), [(0, 3), (1, 1), (65, 4), (5000, 5)])
def test_products(pairs, seconds, width):
    x, weights = drawn((10, width), (width,))
    firsts, others = rows(pairs, seconds)
    found = pair_products(x, weights, firsts, others)
    compare(found, torch.einsum("d,bd,bsd->bs", weights, x[firsts], x[others]), (x, weights))


@pytest.mark.parametrize("width", [1, 16, 40])
@pytest.mark.parametrize(("pairs", "seconds"), [(0, 3), (1, 1), (65, 4), (5000, 5)])
def test_sums(pairs, seconds, width):
    x, y = drawn((7, width), (9, width))
    firsts, others = rows(pairs, seconds)
    found = pair_sums(x, y, firsts, others)
    compare(found, torch.relu(x[firsts][:, None] + y[others]), (x, y))


def test_other_numbers_take_the_way_of_torch():
    x, weights = (one.detach().double() for one in drawn((10, 8), (8,)))
    firsts, others = rows(20, 3)
    found = pair_products(x, weights, firsts, others)
    assert found.dtype == torch.float64
    torch.testing.assert_close(
        found.float(), pair_products(x.float(), weights.float(), firsts, others)
    )


def test_tables_of_rows_may_stand_in_any_order():
    x, weights = drawn((10, 8), (8,))
    firsts, others = rows(20, 3)
    turned = others.T.contiguous().T
    compare(
        pair_products(x, weights, firsts, turned),
        torch.einsum("d,bd,bsd->bs", weights, x[firsts], x[others]),
        (x, weights),
    )
    compare(pair_sums(x, x, firsts, turned), torch.relu(x[firsts][:, None] + x[others]), (x,))


@pytest.mark.parametrize("wrong", [-1, 10])
def test_rows_that_are_not_there_are_refused(wrong):
    x, weights = drawn((10, 8), (8,))
    there, others = rows(4, 2)
    others[3, 1] = wrong
    with pytest.raises(IndexError, match="table of 10 rows"):
        pair_products(x, weights, there, others)
    with pytest.raises(IndexError, match="table of 10 rows"):
        pair_sums(x, x, there, others)
