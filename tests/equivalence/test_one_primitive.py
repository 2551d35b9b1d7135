"""LightGCN and causal attention are the same call, and each equals a trusted result."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from grapevine.core.neighbourhoods import bipartite, causal, complete
from grapevine.core.propagate import dot_product, propagate, symmetric_normalised
from grapevine.structs.graph import Graph


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def test_lightgcn_is_propagation_with_symmetric_weights():
    rated = (torch.rand(5, 7) < 0.4).double()
    rated[0, 0] = rated[4, 6] = 1
    users, items = rated.nonzero().unbind(1)
    x = torch.randn(12, 3)
    out = propagate(bipartite(users, items, 5, 7), x, symmetric_normalised)
    # The paper's matrix form (eq. 7): D^-1/2 A D^-1/2 E.
    adjacency = torch.zeros(12, 12)
    adjacency[:5, 5:], adjacency[5:, :5] = rated, rated.T
    scale = adjacency.sum(1).clamp_min(1).rsqrt()
    torch.testing.assert_close(out, (scale[:, None] * adjacency * scale) @ x)


@pytest.mark.parametrize(("graph", "is_causal"), [(causal(9), True), (complete(9), False)])
def test_attention_is_propagation_with_dot_product_weights(graph, is_causal):
    q, k, v = torch.randn(3, 9, 2, 8).requires_grad_().unbind()
    ours = propagate(graph, v, dot_product(q, k))
    heads_first = (t.transpose(0, 1) for t in (q, k, v))
    trusted = scaled_dot_product_attention(*heads_first, is_causal=is_causal).transpose(0, 1)
    torch.testing.assert_close(ours, trusted)
    for mine, theirs in zip(
        torch.autograd.grad(ours.square().sum(), (q, k, v), retain_graph=True),
        torch.autograd.grad(trusted.square().sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("weigh", [symmetric_normalised, None], ids=["lightgcn", "attention"])
def test_relabelling_nodes_relabels_the_output(weigh):
    graph = Graph(torch.tensor([0, 1, 2, 3, 0]), torch.tensor([1, 2, 3, 0, 2]), 4)
    order = torch.tensor([2, 0, 3, 1])
    place = order.argsort()
    moved = Graph(place[graph.senders], place[graph.receivers], 4)
    x = torch.randn(4, 2, 3)
    before = propagate(graph, x, weigh or dot_product(x, x))
    after = propagate(moved, x[order], weigh or dot_product(x[order], x[order]))
    torch.testing.assert_close(after, before[order])


def test_a_node_that_hears_nobody_holds_zero():
    graph = Graph(torch.tensor([0]), torch.tensor([1]), 3)
    x = torch.ones(3, 1, 2)
    for weigh in (symmetric_normalised, dot_product(x, x)):
        out = propagate(graph, x, weigh)
        assert out[1].abs().sum() > 0
        assert out[[0, 2]].abs().sum() == 0
