import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grapevine.core.all_pairs import all_pairs


def by_hand(x, items, rows, taken, positive, negative):
    scores = x @ items.T
    weights = torch.as_tensor(negative, dtype=x.dtype).expand(len(items)).expand(len(x), -1).clone()
    wanted = torch.zeros_like(scores)
    weights[rows, taken], wanted[rows, taken] = positive, 1.0
    return (weights * (wanted - scores) ** 2).sum()


@given(seed=st.integers(0, 2**31), share=st.floats(0, 1), each=st.booleans())
def test_it_is_the_sum_over_all_pairs_and_so_are_its_gradients(seed, share, each):
    draw = torch.Generator().manual_seed(seed)
    x, items = (torch.randn(n, 5, dtype=torch.float64, generator=draw) for n in (7, 11))
    rows, taken = (torch.rand(7, 11, generator=draw) < share).nonzero().T
    negative = torch.rand(11, dtype=torch.float64, generator=draw) if each else 0.1
    ends = x.requires_grad_(), items.requires_grad_()
    found = all_pairs(x, items, rows, taken, positive=1.5, negative=negative)
    wanted = by_hand(x, items, rows, taken, 1.5, negative)
    both = [[lost, *torch.autograd.grad(lost, ends)] for lost in (found, wanted)]
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


def test_nothing_is_lost_where_nothing_is_wrong():
    eye = torch.eye(3)
    there = torch.arange(3)
    assert all_pairs(eye, eye, there, there, negative=0.3) == pytest.approx(0, abs=1e-6)
