"""Rows of length one, beside torch's own."""

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from grapevine.core.kernels.unit import EPS, unit_rows


def _table(rows: int = 300, width: int = 24) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("count", [None, 1, 130, 300])
def test_is_torchs_normalize_there_and_back(count: int | None) -> None:
    ours, theirs = _table().requires_grad_(), _table().requires_grad_()
    towards = torch.randn(len(_table()) if count is None else count, 24)

    found, expected = unit_rows(ours, count), normalize(theirs[:count], dim=1)
    found.backward(towards)
    expected.backward(towards)

    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_tiny_rows_are_divided_by_the_least_length() -> None:
    start = _table(3)
    start[0] = 0
    start[1] *= EPS / 100
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()

    found, expected = unit_rows(ours), normalize(theirs, dim=1)
    found.sum().backward()
    expected.sum().backward()

    assert not found[0].any()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_what_is_no_number_stays_none() -> None:
    start = _table(3)
    start[1, 5] = torch.nan

    assert unit_rows(start).isnan().all(1).tolist() == [False, True, False]


def test_is_exported_for_any_number_of_rows() -> None:
    class Unit(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return unit_rows(x)

    rows = torch.export.Dim("rows", min=2)
    exported = torch.export.export(Unit(), (_table(3),), dynamic_shapes=({0: rows},))

    torch.testing.assert_close(exported.module()(_table(7)), unit_rows(_table(7)))


def test_other_types_take_torchs_way() -> None:
    start = _table(5).double().requires_grad_()

    assert torch.autograd.gradcheck(lambda x: unit_rows(x, 4), start)


def test_rows_and_gradients_need_not_lie_together() -> None:
    ours, theirs = _table(24, 50).requires_grad_(), _table(24, 50).requires_grad_()
    towards = torch.randn(24, 50).T

    unit_rows(ours.T).backward(towards)
    normalize(theirs.T, dim=1).backward(towards)

    torch.testing.assert_close(ours.grad, theirs.grad)
