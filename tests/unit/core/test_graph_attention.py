import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from grapevine.core.additive import GAT, GATv2
from grapevine.core.bag import Bag, dropped, project
from grapevine.core.blocks import Block, Layer
from grapevine.core.edges import Edges
from grapevine.core.graph_convolution import GraphConvolution, RandomPropagation
from grapevine.core.graph_transformer import GraphAttention, GraphTransformer
from grapevine.core.isomorphism import GIN
from grapevine.core.neighbourhoods import Adjacency, complete, with_self_loops
from grapevine.core.propagate import symmetric_normalised
from grapevine.core.typed import HGT, RGCN
from grapevine.structs.graph import Graph
from grapevine.structs.typed_graph import Relation, TypedGraph

PATH = Graph(torch.tensor([0, 1, 1, 2]), torch.tensor([1, 0, 2, 1]), 3)  # 1 - 2 - 3
HELD = [[1.0], [2.0], [4.0]]


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def by_hand(says):
    layer = GAT(1, 1)
    for parameter, value in ((layer.say.weight, 1.0), (layer.asks_HK, 0.0), (layer.says_HK, says)):
        torch.nn.init.constant_(parameter, value)
    return layer(torch.tensor(HELD), with_self_loops(PATH))[:, 0]


def test_gat_by_hand():
    wanted = torch.tensor([5 / 3, 37 / 11, 18 / 5])
    torch.testing.assert_close(by_hand(math.log(2)), wanted)


def test_gat_with_equal_scores_is_the_mean():
    mean = Layer(1, 1, merge="mean", own=False, active=False)
    torch.nn.init.constant_(mean.mix.weight, 1.0)
    torch.nn.init.zeros_(mean.mix.bias)
    torch.testing.assert_close(by_hand(0.0), mean(torch.tensor(HELD), with_self_loops(PATH))[:, 0])


LAYERS = {
    "gat": lambda: GAT(4, 2, heads=2),
    "gat-mean": lambda: GAT(4, 3, heads=2, joined=False),
    "gatv2": lambda: GATv2(4, 2, heads=2),
    "gatv2-mean": lambda: GATv2(4, 3, heads=2, joined=False),
    "attention": lambda: GraphAttention(4, 2, heads=2),
    "attention-alone": lambda: GraphAttention(4, 3, heads=2, joined=False, own=False),
    "transformer": lambda: GraphTransformer(4, heads=2, norm="layer"),
    "transformer-batch": lambda: GraphTransformer(4, heads=2),
    "gcn": lambda: GraphConvolution(4, 3, own=False),
    "mean": lambda: GraphConvolution(4, 3, merge="mean", own=True),
    "gin": lambda: GIN(torch.nn.Linear(4, 3), learnt=True),
    "grand": lambda: RandomPropagation(4, 5, 3, hops=2).eval(),
    "pre-norm": lambda: Block(GAT(4, 2, heads=2), 4, norm="layer", first=True, residual=True),
}
each = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def some_graph():
    """Node 4 hears nobody, node 5 hears one node twice."""
    senders = torch.tensor([0, 1, 2, 3, 0, 2, 2])
    receivers = torch.tensor([1, 0, 1, 2, 3, 5, 5])
    return Graph(senders, receivers, 6)


@each
def test_relabelling_nodes_relabels_the_output(make):
    layer, h, graph = make(), torch.randn(6, 4), some_graph()
    order = torch.randperm(6)
    place = order.argsort()
    moved = Graph(place[graph.senders], place[graph.receivers], 6)
    before, after = layer(h, Adjacency.of(graph)), layer(h[order], Adjacency.of(moved))
    torch.testing.assert_close(after, before[order])
    torch.testing.assert_close(after.sum(0), before.sum(0))
    torch.testing.assert_close(after.amax(0), before.amax(0))
    # With a place in a sequence added to each node, the order is seen.
    places = torch.arange(6.0)[:, None]
    assert not torch.allclose(
        layer(h[order] + places, Adjacency.of(moved)), layer(h + places, graph)[order]
    )


@each
def test_the_gradient_is_that_of_the_numbers(make):
    layer, graph = make(), Adjacency.of(some_graph())
    assert torch.autograd.gradcheck(
        lambda h: layer(h, graph), torch.randn(6, 4, requires_grad=True)
    )


@each
def test_what_a_node_does_not_hear_does_not_reach_it(make):
    layer, graph, h = make().eval(), some_graph(), torch.randn(6, 4, requires_grad=True)
    hears = torch.eye(6)
    hears[graph.receivers, graph.senders] = 1
    rounds = layer.hops if isinstance(layer, RandomPropagation) else 1
    allowed = hears.matrix_power(rounds) > 0
    out = layer(h, Adjacency.of(graph))
    pull = torch.randn_like(out)
    for node in range(6):
        lost = (out[node] * pull[node]).sum()
        reached = torch.autograd.grad(lost, h, retain_graph=True)[0].any(1)
        assert not (reached & ~allowed[node]).any()


@pytest.mark.parametrize("make", [LAYERS["gat"], LAYERS["gatv2"], LAYERS["attention"]])
def test_attention_is_told_to_those_who_ask(make):
    layer, h, graph = make(), torch.randn(6, 4), Edges.of(with_self_loops(some_graph()), 6)
    shares = layer.shares(h, graph)
    total = torch.zeros(6, 2).index_add(0, torch.as_tensor(graph.receivers), shares)
    torch.testing.assert_close(total, torch.ones(6, 2))
    # An edge that stands twice has its share twice: node 5 hears node 2 twice and itself.
    of_five = shares[torch.as_tensor(graph.receivers) == 5]
    torch.testing.assert_close(of_five[0], of_five[1])


@pytest.mark.parametrize("make", [LAYERS["gat"], LAYERS["gatv2"], LAYERS["attention"]])
def test_one_who_hears_nobody_holds_its_own_and_the_bias(make):
    layer, h = make(), torch.randn(6, 4)
    alone = layer.own(h[4]) if isinstance(layer, GraphAttention) else layer.bias
    torch.testing.assert_close(layer(h, some_graph())[4], alone)


def test_dot_products_on_the_complete_graph_are_a_transformer():
    layer, h = GraphAttention(6, 3, heads=2, own=False), torch.randn(7, 6, requires_grad=True)
    q, k, v = (
        linear(h).view(7, 2, 3).transpose(0, 1) for linear in (layer.query, layer.key, layer.value)
    )
    trusted = scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1)
    ours = layer(h, complete(7))
    torch.testing.assert_close(ours, trusted)
    given = [h, *layer.parameters()]
    for one, two in zip(
        torch.autograd.grad(ours.square().sum(), given),
        torch.autograd.grad(trusted.square().sum(), given),
        strict=True,
    ):
        torch.testing.assert_close(one, two, atol=1e-10, rtol=1e-10)


def test_a_graph_transformer_on_the_complete_graph_is_torchs_encoder_layer():
    trusted = torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
    layer, h = GraphTransformer(8, heads=2, norm="layer"), torch.randn(9, 8, requires_grad=True)
    packed = trusted.self_attn.in_proj_weight.chunk(3), trusted.self_attn.in_proj_bias.chunk(3)
    attend = layer.attend
    for linear, weight, bias in zip((attend.query, attend.key, attend.value), *packed):
        linear.load_state_dict({"weight": weight, "bias": torch.randn_like(bias)})
    trusted.self_attn.in_proj_bias.data = torch.cat(
        [attend.query.bias, attend.key.bias, attend.value.bias]
    ).detach()
    for mine, theirs in (
        (layer.out, trusted.self_attn.out_proj),
        (layer.inner, trusted.linear1),
        (layer.outer, trusted.linear2),
        (layer.first, trusted.norm1),
        (layer.last, trusted.norm2),
    ):
        mine.load_state_dict(theirs.state_dict())
    ours, other = layer(h, complete(9)), trusted(h)
    torch.testing.assert_close(ours, other, atol=1e-10, rtol=1e-10)
    pull = torch.randn_like(ours)
    given, theirs = [h, layer.inner.weight], [h, trusted.linear1.weight]
    for one, two in zip(
        torch.autograd.grad((ours * pull).sum(), given),
        torch.autograd.grad((other * pull).sum(), theirs),
        strict=True,
    ):
        torch.testing.assert_close(one, two, atol=1e-10, rtol=1e-10)


def test_gat_on_the_complete_graph_is_dense_attention_of_its_scores():
    """GAT's score is no dot product: the same softmax, on a matrix of `LeakyReLU(a_i + b_j)`."""
    layer, h = GAT(5, 3, heads=2), torch.randn(6, 5, requires_grad=True)
    said = layer.say(h).view(6, 2, 3).transpose(0, 1)  # heads first
    asks, says = ((said * part[:, None]).sum(-1) for part in (layer.asks_HK, layer.says_HK))
    scores = torch.nn.functional.leaky_relu(asks[:, :, None] + says[:, None], 0.2)
    none = torch.zeros(2, 6, 1)
    trusted = scaled_dot_product_attention(none, none, said, attn_mask=scores)
    trusted = trusted.transpose(0, 1).flatten(1)
    ours = layer(h, complete(6))
    torch.testing.assert_close(ours, trusted)
    one, two = (torch.autograd.grad(out.square().sum(), h)[0] for out in (ours, trusted))
    torch.testing.assert_close(one, two)


def test_gcn_is_attention_with_weights_that_stay():
    graph, h = some_graph(), torch.randn(6, 4)
    looped = with_self_loops(graph)
    layer = GraphConvolution(4, 3, own=False)
    dense = torch.zeros(6, 6).index_put_(
        (looped.receivers, looped.senders), torch.ones(len(looped.senders)), accumulate=True
    )
    scaled = dense.sum(1).rsqrt()[:, None] * dense * dense.sum(0).rsqrt()
    ours = layer(h, Adjacency.of(looped, symmetric_normalised))
    torch.testing.assert_close(ours, scaled @ h @ layer.say.weight.T + layer.bias)


def dictionary(size):
    """Queries and keys in pairs: each query node must find the key that has its number.

    All queries hear all keys (Brody, Alon, Yahav, 2022, section 5.1).
    """
    words, values = torch.eye(size), torch.eye(size)[torch.randperm(size)]
    h = torch.cat([torch.cat([words, torch.zeros(size, size)], 1), torch.cat([words, values], 1)])
    queries, keys = torch.meshgrid(torch.arange(size), torch.arange(size) + size, indexing="ij")
    graph = Edges.of(Graph(keys.reshape(-1), queries.reshape(-1), 2 * size), 2 * size)
    return h, graph, values.argmax(1)


def looked_up(make, size, steps=150):
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(1)
    h, graph, wanted = dictionary(size)
    layer, read = make(2 * size), torch.nn.Linear(32, size)
    adam = torch.optim.Adam([*layer.parameters(), *read.parameters()], lr=0.01)
    for _ in range(steps):
        logits = read(layer(h, graph)[:size])
        adam.zero_grad()
        torch.nn.functional.cross_entropy(logits, wanted).backward()
        adam.step()
    return (read(layer(h, graph)[:size]).argmax(1) == wanted).double().mean().item()


def test_gatv2_looks_up_a_dictionary_and_gat_cannot():
    assert looked_up(lambda width: GATv2(width, 32), 20) == 1.0
    assert looked_up(lambda width: GAT(width, 32), 20) < 0.7


def test_a_bag_is_its_matrix():
    dense = torch.randn(5, 7) * (torch.rand(5, 7) < 0.4)
    rows, columns = dense.nonzero().unbind(1)
    bag = Bag(Edges.from_pairs(columns.numpy(), rows.numpy(), 5, 7), dense[rows, columns])
    linear = torch.nn.Linear(7, 3)
    assert (len(bag), bag.width) == (5, 7)
    torch.testing.assert_close(project(linear, bag), linear(dense))
    one, two = (
        torch.autograd.grad(project(linear, x).square().sum(), linear.weight)[0]
        for x in (bag, dense)
    )
    torch.testing.assert_close(one, two)
    torch.testing.assert_close(dropped(bag, 0.6, False).values, bag.values)
    thinned = dropped(bag, 0.5, True).values
    assert ((thinned == 0) | (thinned == 2 * bag.values)).all()
    for make in (LAYERS["gat"], LAYERS["gatv2"], LAYERS["attention"], LAYERS["gcn"]):
        layer, small = make(), dense[:, :4]
        rows, columns = small.nonzero().unbind(1)
        bag = Bag(Edges.from_pairs(columns.numpy(), rows.numpy(), 5, 4), small[rows, columns])
        torch.testing.assert_close(layer(bag, complete(5)), layer(small, complete(5)))


def test_a_sum_tells_what_a_mean_cannot():
    """Two neighbours alike, or four: GIN sees how many there are."""
    h = torch.ones(8, 1)
    graph = Graph(torch.tensor([1, 2, 4, 5, 6, 7]), torch.tensor([0, 0, 3, 3, 3, 3]), 8)
    same = torch.nn.Identity()
    assert GIN(same)(h, graph)[[0, 3], 0].tolist() == [3.0, 5.0]
    mean = GraphConvolution(1, 1, merge="mean", own=False)(h, graph)
    assert mean[0] == mean[3]


def test_random_propagation_spreads_after_the_first_matrix_as_well_as_before():
    layer = RandomPropagation(4, 5, 3, hops=3).eval()
    graph, h = Adjacency.of(with_self_loops(some_graph()), symmetric_normalised), torch.randn(6, 4)
    dense = torch.zeros(6, 6)
    edges = graph.edges(6)
    dense.index_put_((edges.receivers, edges.senders), edges.weights, accumulate=True)
    power, spread = torch.eye(6), torch.zeros(6, 4)
    for _ in range(4):
        spread, power = spread + power @ h * 0.5 / 4, dense @ power
    wanted = layer.last(torch.relu(layer.first(spread) + layer.bias))
    torch.testing.assert_close(layer(h, graph), wanted)


def test_rgcn_of_one_relation_is_the_mean_beside_its_own():
    graph, h = some_graph(), torch.randn(6, 4)
    typed, plain = RGCN(4, 3, 1), GraphConvolution(4, 3, merge="mean", own=True)
    plain.load_state_dict(
        {"say.weight": typed.weight[0].T, "own.weight": typed.own.T, "bias": typed.bias}
    )
    torch.testing.assert_close(typed(h, [graph]), plain(h, graph))


def test_relations_and_their_weights_may_change_places():
    graphs, h = [some_graph(), PATH_OF_SIX], torch.randn(6, 4)
    one, two = RGCN(4, 3, 2, bases=2), RGCN(4, 3, 2, bases=2)
    state = one.state_dict()
    two.load_state_dict({**state, "factors_RB": state["factors_RB"].flip(0)})
    torch.testing.assert_close(one(h, graphs), two(h, graphs[::-1]))


PATH_OF_SIX = Graph(torch.arange(5), torch.arange(1, 6), 6)


def test_hgt_of_one_type_is_attention_by_dot_products():
    h, graph = torch.randn(6, 4), some_graph()
    typed, plain = HGT(4, [(0, 0)], 1, heads=2), GraphAttention(4, 2, heads=2, own=False)
    for matrices in (typed.key_RHKK, typed.value_RHKK):
        matrices.data.copy_(torch.eye(2).expand(1, 2, 2, 2))
    for place, linear in enumerate((plain.query, plain.key, plain.value)):
        linear.weight.data = typed.say[0].weight[4 * place : 4 * place + 4].detach()
        linear.bias.data = typed.say[0].bias[4 * place : 4 * place + 4].detach()
    out = typed(h, TypedGraph((0, 6), (Relation(0, 0, graph),)))
    heard = torch.nn.functional.gelu(plain(h, graph))
    gate = typed.gate_T.sigmoid()
    torch.testing.assert_close(out, gate * typed.out[0](heard) + (1 - gate) * h)


def test_hgts_softmax_is_over_all_relations_together():
    edges = [
        Graph(torch.tensor([0]), torch.tensor([2]), 3),
        Graph(torch.tensor([1]), torch.tensor([2]), 3),
    ]
    both = TypedGraph((0, 2, 3), tuple(Relation(0, 1, one) for one in edges))
    merged = Graph(torch.tensor([0, 1]), torch.tensor([2, 2]), 3)
    single = TypedGraph((0, 2, 3), (Relation(0, 1, merged),))
    two, one = HGT(4, [(0, 1)] * 2, 2), HGT(4, [(0, 1)], 2)
    for name in ("key_RHKK", "value_RHKK"):
        getattr(two, name).data.copy_(getattr(one, name).data.expand(2, -1, -1, -1))
    one.load_state_dict(
        {
            **two.state_dict(),
            **{name: getattr(two, name)[:1] for name in ("key_RHKK", "value_RHKK", "prior_RH")},
        }
    )
    h = torch.randn(3, 4)
    torch.testing.assert_close(two(h, both), one(h, single))


def test_typed_graphs_check_themselves_and_layers_what_they_are_given():
    graph = Graph(torch.tensor([0]), torch.tensor([2]), 3)
    with pytest.raises(ValueError, match="not of type 1"):
        TypedGraph((0, 2, 3), (Relation(1, 1, graph),))
    typed = TypedGraph((0, 2, 3), (Relation(0, 1, graph),))
    with pytest.raises(ValueError, match="made for relations of types"):
        HGT(4, [(1, 0)], 2)(torch.randn(3, 4), typed)
    with pytest.raises(ValueError, match="made for 2 relations: got 1"):
        RGCN(4, 3, 2)(torch.randn(3, 4), [graph])
    for wrong in ({"bases": 2, "blocks": 2}, {"blocks": 3}):
        with pytest.raises(ValueError, match=r"either bases or blocks|cannot share"):
            RGCN(4, 4, 2, **wrong)
