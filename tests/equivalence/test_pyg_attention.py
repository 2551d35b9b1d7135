"""PyTorch Geometric's attention, typed and isomorphism layers, with the same weights: the same."""

import warnings

import pytest
import torch

from grapevine.core.additive import GAT, GATv2
from grapevine.core.edges import Edges
from grapevine.core.graph_transformer import GraphAttention
from grapevine.core.isomorphism import GIN
from grapevine.core.neighbourhoods import Adjacency
from grapevine.core.typed import HGT, RGCN
from grapevine.structs.graph import Graph
from grapevine.structs.typed_graph import Relation, TypedGraph

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
    from torch_geometric.nn import (
        GATConv,
        GATv2Conv,
        GINConv,
        HGTConv,
        RGCNConv,
        TransformerConv,
    )


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def some_graph():
    """Directed, one edge twice, and the last two nodes hear nobody."""
    senders, receivers = torch.randint(0, 12, (40,)), torch.randint(0, 10, (40,))
    return Graph(
        torch.cat([senders, senders[:1]]), torch.cat([receivers, receivers[:1]]), num_nodes=12
    )


def theirs_of(graph):
    return torch.stack([graph.senders, graph.receivers])


def carry(layer, values):
    """Weights from one to the other; every one of ours must be named."""
    mine = dict(layer.named_parameters())
    assert set(values) == set(mine)
    for name, value in values.items():
        mine[name].data.copy_(value.detach().reshape(mine[name].shape))


def same(ours, theirs, given, pairs):
    """Outputs, and the gradients of what is given and of each pair of weights."""
    torch.testing.assert_close(ours, theirs)
    pull = torch.randn_like(ours)
    mine = torch.autograd.grad((ours * pull).sum(), [*given, *(one for one, _ in pairs)])
    other = torch.autograd.grad((theirs * pull).sum(), [*given, *(two for _, two in pairs)])
    for one, two in zip(mine, other, strict=True):
        torch.testing.assert_close(one, two.reshape(one.shape))


def pairs_of(layer, values):
    return [(one, values[name]) for name, one in layer.named_parameters()]


FORMS = pytest.mark.parametrize(
    "form",
    [lambda graph: graph, Adjacency.of, lambda graph: Edges.of(graph, 12)],
    ids=["graph", "adjacency", "edges"],
)
JOINED = pytest.mark.parametrize("joined", [True, False])


@FORMS
@JOINED
def test_gat(joined, form):
    graph, h = some_graph(), torch.randn(12, 5, requires_grad=True)
    trusted = GATConv(5, 4, heads=3, concat=joined, add_self_loops=False)
    trusted.bias.data.normal_()
    layer = GAT(5, 4, heads=3, joined=joined)
    weights = {
        "say.weight": trusted.lin.weight,
        "asks_HK": trusted.att_dst,
        "says_HK": trusted.att_src,
        "bias": trusted.bias,
    }
    carry(layer, weights)
    same(layer(h, form(graph)), trusted(h, theirs_of(graph)), [h], pairs_of(layer, weights))


@FORMS
@JOINED
def test_gatv2(joined, form):
    graph, h = some_graph(), torch.randn(12, 5, requires_grad=True)
    trusted = GATv2Conv(5, 4, heads=3, concat=joined, add_self_loops=False)
    trusted.bias.data.normal_()
    layer = GATv2(5, 4, heads=3, joined=joined)
    weights = {
        "ask.weight": trusted.lin_r.weight,
        "ask.bias": trusted.lin_r.bias,
        "say.weight": trusted.lin_l.weight,
        "say.bias": trusted.lin_l.bias,
        "score_HK": trusted.att,
        "bias": trusted.bias,
    }
    carry(layer, weights)
    same(layer(h, form(graph)), trusted(h, theirs_of(graph)), [h], pairs_of(layer, weights))


@FORMS
@JOINED
@pytest.mark.parametrize("own", [True, False])
def test_transformer_conv(joined, own, form):
    graph, h = some_graph(), torch.randn(12, 5, requires_grad=True)
    trusted = TransformerConv(5, 4, heads=3, concat=joined, root_weight=own)
    layer = GraphAttention(5, 4, heads=3, joined=joined, own=own)
    weights = {
        f"{mine}.{part}": getattr(getattr(trusted, f"lin_{theirs}"), part)
        for mine, theirs in (("query", "query"), ("key", "key"), ("value", "value"))
        for part in ("weight", "bias")
    }
    if own:
        weights |= {"own.weight": trusted.lin_skip.weight, "own.bias": trusted.lin_skip.bias}
    carry(layer, weights)
    same(layer(h, form(graph)), trusted(h, theirs_of(graph)), [h], pairs_of(layer, weights))


@pytest.mark.parametrize(
    "kind", [{}, {"bases": 2}, {"blocks": 2}], ids=["whole", "bases", "blocks"]
)
def test_rgcn(kind):
    graphs, h = [some_graph() for _ in range(3)], torch.randn(12, 6, requires_grad=True)
    theirs = {f"num_{name}": number for name, number in kind.items()}
    trusted = RGCNConv(6, 4, num_relations=3, **theirs)
    trusted.bias.data.normal_()
    layer = RGCN(6, 4, 3, **kind)
    weights = {"weight": trusted.weight, "own": trusted.root, "bias": trusted.bias}
    if "bases" in kind:
        weights["factors_RB"] = trusted.comp
    carry(layer, weights)
    ends = torch.cat([theirs_of(graph) for graph in graphs], 1)
    kinds = torch.arange(3).repeat_interleave(41)
    trusted_out = trusted(h, ends, kinds)
    for form in (lambda graph: graph, Adjacency.of):
        ours = layer(h, [form(graph) for graph in graphs])
        torch.testing.assert_close(ours, trusted_out)
    same(ours, trusted_out, [h], pairs_of(layer, weights))


def test_gin():
    graph, h = some_graph(), torch.randn(12, 5, requires_grad=True)
    make = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 3))
    trusted, layer = GINConv(make, eps=0.3, train_eps=True), GIN(make, learnt=True)
    layer.more.data.copy_(trusted.eps.data[0])
    for form in (graph, Adjacency.of(graph)):
        pairs = [(layer.more, trusted.eps)]
        same(layer(h, form), trusted(h, theirs_of(graph)), [h], pairs)


def test_hgt():
    def between(source, target, num):
        offsets = (0, 6, 11)
        ends = [torch.randint(offsets[t], offsets[t + 1], (num,)) for t in (source, target)]
        return Relation(source, target, Graph(*ends, num_nodes=11))

    graph = TypedGraph((0, 6, 11), (between(0, 1, 9), between(1, 0, 4), between(0, 0, 7)))
    names = ("user", "item")
    edge_types = [("user", "took", "item"), ("item", "by", "user"), ("user", "knows", "user")]
    trusted = HGTConv(8, 8, (list(names), edge_types), heads=2)
    layer = HGT(8, [(0, 1), (1, 0), (0, 0)], 2, heads=2)
    offsets, h = (0, 6, 11), torch.randn(11, 8, requires_grad=True)
    trusted.skip["user"].data.fill_(0.3)
    for kind, name in enumerate(names):
        layer.gate_T.data[kind] = trusted.skip[name].item()
        # Theirs are keys, queries and values; ours are queries, keys and values.
        for part in ("weight", "bias"):
            k, q, v = getattr(trusted.kqv_lin.lins[name], part).detach().chunk(3)
            getattr(layer.say[kind], part).data.copy_(torch.cat([q, k, v]))
        layer.out[kind].load_state_dict(trusted.out_lin.lins[name].state_dict())
    for place, edge_type in enumerate(edge_types):
        theirs = trusted.edge_types_map[edge_type]
        rows = [theirs + 3 * head for head in range(2)]
        layer.key_RHKK.data[place] = trusted.k_rel.weight[rows]
        layer.value_RHKK.data[place] = trusted.v_rel.weight[rows]
        prior = torch.randn(1, 2)
        trusted.p_rel["__".join(edge_type)].data.copy_(prior)
        layer.prior_RH.data[place] = prior[0]
    parts = {name: h[offsets[kind] : offsets[kind + 1]] for kind, name in enumerate(names)}
    ends = {}
    for edge_type, one in zip(edge_types, graph.relations):
        starts = torch.tensor([[offsets[one.source]], [offsets[one.target]]])
        ends[edge_type] = theirs_of(one.edges) - starts
    theirs_out = trusted(parts, ends)
    theirs_out = torch.cat([theirs_out[name] for name in names])
    ours, trusted_gates = layer(h, graph), [trusted.skip[name] for name in names]
    torch.testing.assert_close(ours, theirs_out)
    pull = torch.randn_like(ours)
    mine = torch.autograd.grad(
        (ours * pull).sum(),
        [h, layer.out[0].weight, layer.value_RHKK, layer.prior_RH, layer.gate_T],
    )
    first = trusted.out_lin.lins["user"].weight
    prior = [trusted.p_rel["__".join(edge_type)] for edge_type in edge_types]
    other = torch.autograd.grad(
        (theirs_out * pull).sum(), [h, first, trusted.v_rel.weight, *prior, *trusted_gates]
    )
    value = [
        other[2][[trusted.edge_types_map[one] + 3 * head for head in range(2)]]
        for one in edge_types
    ]
    wanted = [*other[:2], torch.stack(value), torch.cat(other[3:6]), torch.cat(other[6:])]
    for one, two in zip(mine, wanted, strict=True):
        torch.testing.assert_close(one, two)
