"""PyTorch Geometric's layers, with the same weights, give the same numbers and gradients."""

import warnings

import pytest
import torch

from grapevine.core.blocks import Block, Layer
from grapevine.core.neighbourhoods import Adjacency, with_self_loops
from grapevine.core.propagate import symmetric_normalised
from grapevine.structs.graph import Graph

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
    from torch_geometric.nn import GCNConv, SAGEConv


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def some_graph():
    """Directed, one edge twice, and the last two nodes hear nobody."""
    senders, receivers = torch.randint(0, 12, (40,)), torch.randint(0, 10, (40,))
    again = torch.cat([senders, senders[:1]]), torch.cat([receivers, receivers[:1]])
    # Theirs takes a self-loop that is there already for the one it would add.
    keep = again[0] != again[1]
    return Graph(again[0][keep], again[1][keep], 12)


def undirected(graph):
    """Every edge both ways: on a directed graph theirs takes in-degrees on both sides."""
    ends = torch.cat([graph.senders, graph.receivers]), torch.cat([graph.receivers, graph.senders])
    return Graph(*ends, graph.num_nodes)


def theirs_of(graph):
    return torch.stack([graph.senders, graph.receivers])


def same(ours, theirs, h, pairs):
    """Outputs, and the gradients of what is held and of each pair of weights."""
    torch.testing.assert_close(ours, theirs)
    pull = torch.randn_like(ours)
    mine = torch.autograd.grad((ours * pull).sum(), [h, *(one for one, _ in pairs)])
    other = torch.autograd.grad((theirs * pull).sum(), [h, *(two for _, two in pairs)])
    torch.testing.assert_close(mine, other)


def test_gcn():
    graph, h = undirected(some_graph()), torch.randn(12, 5, requires_grad=True)
    trusted, layer = GCNConv(5, 4), Layer(5, 4, own=False, active=False)
    layer.mix.load_state_dict({"weight": trusted.lin.weight, "bias": torch.randn(4)})
    trusted.bias.data.copy_(layer.mix.bias.data)
    ours = layer(h, Adjacency.of(with_self_loops(graph), symmetric_normalised))
    pairs = [(layer.mix.weight, trusted.lin.weight), (layer.mix.bias, trusted.bias)]
    same(ours, trusted(h, theirs_of(graph)), h, pairs)


@pytest.mark.parametrize("form", [lambda graph: graph, Adjacency.of], ids=["edges", "adjacency"])
@pytest.mark.parametrize("pooled", [False, True], ids=["plain", "projected"])
@pytest.mark.parametrize("merge", ["mean", "max"])
def test_graphsage(merge, pooled, form):
    graph, h = some_graph(), torch.randn(12, 5, requires_grad=True)
    trusted = SAGEConv(5, 4, aggr=merge, normalize=True, project=pooled)
    layer = Layer(5, 4, merge=merge, hidden=5 if pooled else None, active=False)
    # Theirs holds the two halves of the matrix apart, and the bias with what is heard.
    layer.mix.weight.data = torch.cat([trusted.lin_r.weight, trusted.lin_l.weight], 1).detach()
    layer.mix.bias.data = trusted.lin_l.bias.data.clone()
    pairs = [(layer.mix.bias, trusted.lin_l.bias)]
    if pooled:
        layer.speak.load_state_dict(trusted.lin.state_dict())
        pairs += [(layer.speak.weight, trusted.lin.weight), (layer.speak.bias, trusted.lin.bias)]
    ours = Block(layer, 4, norm="l2")(h, form(graph))
    same(ours, trusted(h, theirs_of(graph)), h, pairs)
