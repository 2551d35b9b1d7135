import numpy as np
import pytest
import torch
from torch import nn

from grapevine.models.rowwise import RowAdam, sparse_tables


def trained(make, table, batches):
    table = table.clone().requires_grad_()
    optimiser = make([table])
    for rows, target in batches:
        optimiser.zero_grad()
        chosen = nn.functional.embedding(rows, table, sparse=True)
        (chosen - target).pow(2).sum().backward()
        optimiser.step()
    return table.detach()


def batches(number=25, rows=40, repeats=True):
    draw = np.random.default_rng(1)
    for _ in range(number):
        chosen = draw.choice(rows, 12, replace=repeats)
        yield torch.from_numpy(chosen), torch.from_numpy(draw.normal(size=(12, 5)))


def test_it_is_sparse_adam():
    start = torch.randn(40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # Epsilon is added before the correction there and after it here, as in Adam proper.
    options = {"lr": 0.03, "eps": 1e-30}
    ours = trained(lambda one: RowAdam(one, **options), start, batches())
    theirs = trained(lambda one: torch.optim.SparseAdam(one, **options), start, batches())
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_where_every_step_has_every_row_it_is_adam_with_its_decay():
    start = torch.randn(12, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    options = {"lr": 0.02, "weight_decay": 0.1}
    ours = trained(lambda one: RowAdam(one, **options), start, batches(20, 12, repeats=False))
    table = start.clone().requires_grad_()
    adam = torch.optim.AdamW([table], **options)
    for rows, target in batches(20, 12, repeats=False):
        adam.zero_grad()
        (table[rows] - target).pow(2).sum().backward()
        adam.step()
    torch.testing.assert_close(ours, table.detach(), rtol=1e-12, atol=1e-12)


def test_rows_that_no_batch_has_stay_as_they_are():
    start = torch.randn(60, 5, dtype=torch.float64)
    ours = trained(lambda one: RowAdam(one, lr=0.1, weight_decay=0.5), start, batches(rows=40))
    assert torch.equal(ours[40:], start[40:])
    assert (ours[:40] != start[:40]).any(1).all()


@pytest.mark.parametrize("shared", [False, True])
def test_tables_are_found_once(shared):
    first = nn.Embedding(3, 2, sparse=True)
    second = nn.EmbeddingBag(3, 2, sparse=True, mode="sum")
    if shared:
        second.weight = first.weight
    network = nn.ModuleList([first, second, nn.Embedding(3, 2), nn.Linear(2, 2)])
    assert len(sparse_tables(network)) == (1 if shared else 2)
