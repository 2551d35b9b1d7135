from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine.models.ranking.crosses import Cross, Wide
from grapevine.models.ranking.inputs import Inputs


def some(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).double()


def test_a_cross_layer_is_its_formula():
    layer = Cross(4).double()
    with torch.no_grad():
        layer.bias.copy_(some(4))
    first, x = some(3, 4), some(5, 4)[:3]
    matrix, bias = layer.whole.weight.detach().numpy(), layer.bias.detach().numpy()
    wanted = np.empty((3, 4))
    for row in range(3):
        for i in range(4):
            told = sum(matrix[i, j] * x[row, j].item() for j in range(4)) + bias[i]
            wanted[row, i] = first[row, i].item() * told + x[row, i].item()
    np.testing.assert_allclose(layer(first, x).detach().numpy(), wanted, rtol=1e-12)


@pytest.mark.parametrize("experts", [1, 3])
def test_a_cross_layer_of_low_rank_mixes_its_experts(experts):
    layer = Cross(5, rank=2, experts=experts).double()
    with torch.no_grad():
        layer.bias.copy_(some(5))
    first, x = some(5), some(6)[:5]
    down, within, up, gate, bias = (
        one.detach().numpy()
        for one in (layer.down, layer.within, layer.up, layer.gate.weight, layer.bias)
    )
    share = np.exp(gate @ x.numpy())
    wanted = x.numpy().copy()
    for k in range(experts):
        low = np.tanh(np.tanh(x.numpy() @ down[k]) @ within[k])
        wanted += share[k] / share.sum() * first.numpy() * (low @ up[k] + bias)
    np.testing.assert_allclose(layer(first, x).detach().numpy(), wanted, rtol=1e-12)


def questions():
    """Two questions about three items each; the second has a place of padding."""
    items, history = torch.tensor([[0, 1, 2], [2, 3, 4]]), torch.tensor([[5, 1], [4, 0]])
    return Inputs(
        users=torch.tensor([0, 1]),
        items=items,
        history=history,
        behaviours=torch.zeros_like(history),
        gaps=torch.zeros_like(history),
        there=torch.tensor([[True, True], [True, False]]),
        done=torch.tensor([[0, 1, 0], [0, 0, 3]]),
        numbers=torch.zeros(2, 3, 0),
    )


def features(wide, seen):
    """The same as a table: how often each weight counts for each candidate."""
    alone, pairs = wide.crosses(seen)
    table = np.zeros((*seen.items.shape, 2**wide.bits))
    for b, s in np.ndindex(*seen.items.shape):
        for place in alone[b, s]:
            table[b, s, place] += 1
        for event in range(pairs.shape[2]):
            table[b, s, pairs[b, s, event]] += seen.there[b, event].item()
    return table.reshape(-1, 2**wide.bits)


def test_the_wide_part_is_logistic_regression_on_its_crosses():
    wide, seen = Wide(bits=7, tasks=2).double(), questions()
    with torch.no_grad():
        wide.weights.copy_(some(2**7, 2))
    table = features(wide, seen)
    said = wide(seen)
    np.testing.assert_allclose(
        said.detach().numpy().reshape(-1, 2), table @ wide.weights.detach().numpy(), rtol=1e-12
    )
    # Its gradient, too: features times what was told too much.
    came = torch.tensor([[1.0, 0, 0], [0, 0, 1]]).double()
    lost = torch.nn.functional.binary_cross_entropy_with_logits(said[..., 0], came, reduction="sum")
    lost.backward()
    much = said[..., 0].detach().sigmoid().numpy().ravel() - came.numpy().ravel()
    np.testing.assert_allclose(wide.weights.grad[:, 0].numpy(), table.T @ much, atol=1e-12)


def test_crosses_tell_users_items_and_pairs_apart():
    wide, seen = Wide(bits=16, tasks=1), questions()
    alone, pairs = wide.crosses(seen)
    assert len({*alone[0, :, 0].tolist()}) == 1
    assert len({*alone[..., 1].flatten().tolist()}) == 5
    named = [*alone[0, 0].tolist(), *alone[0, 1, 1:].tolist(), *pairs[0].flatten().tolist()]
    assert len({*named}) == len(named)
    assert all(0 <= place < 2**16 for place in named)
    # Of a pair it counts which came first.
    turned = replace(seen, items=torch.tensor([[5, 1, 2], [2, 3, 4]]), history=torch.tensor(
        [[0, 1], [4, 0]]
    ))  # fmt: skip
    assert wide.crosses(turned)[1][0, 0, 0] != pairs[0, 0, 0]
