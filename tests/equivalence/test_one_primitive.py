"""LightGCN, causal attention and table pooling are one call, each equal to a trusted result."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from grapevine.core.listen import listen
from grapevine.core.neighbourhoods import Adjacency, Table, bipartite, causal, complete
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


def lightgcn():
    """Symmetric weights, fixed; the paper's matrix form is the trusted result."""
    graph, x = bipartite(torch.tensor([0, 0, 1]), torch.tensor([0, 2, 2]), 2, 3), torch.randn(5, 4)
    dense = torch.zeros(5, 5).index_put_((graph.receivers, graph.senders), torch.ones(6))
    scale = dense.sum(1).clamp_min(1).rsqrt()
    fixed = Adjacency.of(graph, symmetric_normalised)
    return (fixed, x, "importance"), (scale[:, None] * dense * scale) @ x


def causal_attention():
    """Softmax of products, each place hearing those before it; torch's is the trusted result."""
    q, k, v = torch.randn(3, 7, 2, 4).unbind()
    heads_first = (t.transpose(0, 1) for t in (q, k, v))
    trusted = scaled_dot_product_attention(*heads_first, is_causal=True).transpose(0, 1)
    return (causal(7), v, dot_product(q, k)), trusted


def table_pooling():
    """Shares of visits, a few neighbours each; a mean of rows is the trusted result."""
    nodes, share = torch.randint(0, 6, (6, 3)), torch.rand(6, 3).softmax(1)
    x = torch.randn(6, 4)
    return (Table(nodes, share), x, "importance"), torch.einsum("mt,mtd->md", share, x[nodes])


@pytest.mark.parametrize("row", [lightgcn, causal_attention, table_pooling])
def test_rows_of_the_table_are_the_same_call(row):
    call, trusted = row()
    torch.testing.assert_close(listen(*call), trusted)


def test_attention_by_hand():
    eye = torch.eye(2)[:, None]
    full = listen(complete(2), eye, dot_product(eye, eye))[0, 0]
    torch.testing.assert_close(full, torch.tensor([0.669762, 0.330238]), atol=1e-6, rtol=0)
    assert listen(causal(2), eye, dot_product(eye, eye))[0, 0].tolist() == [1.0, 0.0]


def test_nothing_is_heard_from_later_places():
    x = torch.randn(6, 2, 3, requires_grad=True)
    out = listen(causal(6), x, dot_product(x, x))
    for place in range(6):
        reached = torch.autograd.grad(out[place].sum(), x, retain_graph=True)[0]
        assert reached[: place + 1].flatten(1).any(1).all()
        assert not reached[place + 1 :].any()


def test_what_stands_in_padding_changes_nothing():
    table = Table(torch.tensor([[1, -1], [0, 1], [-1, -1]]), torch.rand(3, 2))
    x = torch.randn(4, 3)
    padded = x.clone()
    padded[2:] = 1e9  # rows that no one names
    loud = Table(table.nodes, table.weights.masked_fill(table.nodes < 0, torch.inf))
    for merge in ("importance", "mean", "sum", "max"):
        torch.testing.assert_close(listen(loud, padded, merge), listen(table, x, merge))


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
