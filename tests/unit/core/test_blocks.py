import networkx
import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2

from grapevine.core.blocks import Block, Convolve, Layer, norm_of, unit_length
from grapevine.core.listen import listen
from grapevine.core.neighbourhoods import Adjacency, Table, with_self_loops
from grapevine.core.propagate import symmetric_normalised
from grapevine.structs.graph import Graph

PATH = Graph(torch.tensor([0, 1, 1, 2]), torch.tensor([1, 0, 2, 1]), 3)  # 1 - 2 - 3
HELD = [[1.0], [2.0], [4.0]]


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def plain(layer):
    """All weights one, no biases."""
    for name, parameter in layer.named_parameters():
        torch.nn.init.constant_(parameter, 1.0 if name.endswith("weight") else 0.0)
    return layer


@pytest.mark.parametrize(
    ("loops", "times", "wanted"),
    [
        (True, 1, (1.316497, 2.707908, 2.816497)),
        (True, 2, (1.763747, 2.589923, 2.513747)),
        (False, 1, (1.414214, 3.535534, 1.414214)),
    ],
)
def test_gcn_by_hand(loops, times, wanted):
    graph = with_self_loops(PATH) if loops else PATH
    neighbourhood = Adjacency.of(graph, symmetric_normalised)
    layer, h = plain(Layer(1, 1, own=False)), torch.tensor(HELD)
    for _ in range(times):
        h = layer(h, neighbourhood)
    torch.testing.assert_close(h[:, 0], torch.tensor(wanted), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("merge", "wanted"), [("mean", [3, 4.5, 6]), ("sum", [3, 7, 6]), ("max", [3, 6, 6])]
)
def test_what_is_heard_beside_what_is_held_by_hand(merge, wanted):
    assert plain(Layer(1, 1, merge=merge))(torch.tensor(HELD), PATH)[:, 0].tolist() == wanted


def test_a_convolution_by_hand():
    layer = plain(Convolve(1, 1, 2))
    layer.layer.mix.weight.data = torch.eye(2)
    h = torch.tensor([[4.0], [1.0], [2.0]])
    nodes = torch.tensor([[2, 0, -1], [-1, -1, -1]])
    weights = torch.tensor([[0.75, 0.25, 9.0], [0.0, 0.0, 0.0]])
    out = layer(h, nodes, weights, torch.tensor([1, 0]))
    # n = 0.75 x 2 + 0.25 x 4 = 2.5, then (1, 2.5) to length one; nobody heard leaves (4, 0).
    wanted = torch.tensor([[0.371391, 0.928477], [1.0, 0.0]])
    torch.testing.assert_close(out, wanted, atol=1e-6, rtol=0)


def test_a_convolution_in_two_steps_is_the_same():
    layer, h = Convolve(3, 4, 5, merge="mean"), torch.randn(6, 3)
    nodes, weights = torch.randint(-1, 6, (2, 3)), torch.rand(2, 3)
    heard = Table(nodes, weights)
    one = layer(h, nodes, weights, torch.tensor([4, 0]))
    two = layer.update(h[[4, 0]], listen(heard, layer.message(h), "mean"))
    torch.testing.assert_close(two, one)


def test_what_relu_leaves_at_zero_stays_zero_and_so_does_its_gradient():
    h = torch.tensor([[-1.0], [-2.0]], requires_grad=True)
    layer = plain(Convolve(1, 1, 2))
    out = layer(h, torch.tensor([[1]]), torch.tensor([[1.0]]), torch.tensor([0]))
    assert out.tolist() == [[0.0, 0.0]]
    assert torch.autograd.grad(out.sum(), h)[0].tolist() == [[0.0], [0.0]]


def test_norms_by_hand():
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    unit = 1.341641, 0.447214
    torch.testing.assert_close(
        norm_of("layer", 4)(x),
        torch.tensor([[-unit[0], -unit[1], unit[1], unit[0]]]),
        atol=1e-5,
        rtol=0,
    )
    torch.testing.assert_close(norm_of("l2", 4)(x), x / 30**0.5)
    assert norm_of("none", 4)(x) is x


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("residual", [True, False])
def test_the_norm_comes_before_the_layer_or_after_it(first, residual):
    layer, h = Layer(4, 4, merge="sum"), torch.randn(3, 4)
    out = Block(layer, 4, norm="layer", first=first, residual=residual)(h, PATH)
    norm = torch.nn.functional.layer_norm
    made = layer(norm(h, (4,)) if first else h, PATH) + (h if residual else 0)
    torch.testing.assert_close(out, made if first else norm(made, (4,)))


def test_a_receiver_that_is_another_row_keeps_its_own_state():
    h, table = torch.randn(5, 4), Table(torch.tensor([[0, 1]]), torch.ones(1, 2))
    block = Block(Layer(4, 4, merge="max"), 4, residual=True)
    whole = Table(torch.tensor([[0, 1]]).expand(5, 2), torch.ones(5, 2))
    torch.testing.assert_close(block(h, table, torch.tensor([3]))[0], block(h, whole)[3])


LAYERS = {
    "basic": lambda: Layer(3, 4, merge="sum"),
    "mean": lambda: Layer(3, 4, merge="mean"),
    "importance": lambda: Layer(3, 4, hidden=5),
    "gcn": lambda: Layer(3, 4, own=False),
    "sage-mean": lambda: Block(Layer(3, 4, merge="mean"), 4, norm="l2"),
    "sage-pool": lambda: Block(Layer(3, 4, hidden=5, merge="max"), 4, norm="l2"),
    "pre-norm": lambda: Block(Layer(3, 3, merge="sum"), 3, norm="layer", first=True, residual=True),
}


def some_graph():
    """Node 4 hears nobody, node 5 hears one node twice."""
    senders = torch.tensor([0, 1, 2, 3, 0, 2, 2])
    receivers = torch.tensor([1, 0, 1, 2, 3, 5, 5])
    return Graph(senders, receivers, 6, torch.rand(7))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("form", [lambda graph: graph, Adjacency.of], ids=["edges", "adjacency"])
def test_relabelling_nodes_relabels_the_output(make, form):
    layer, h, graph = make(), torch.randn(6, 3), some_graph()
    order = torch.randperm(6)
    place = order.argsort()
    moved = Graph(place[graph.senders], place[graph.receivers], 6, graph.weights)
    before, after = layer(h, form(graph)), layer(h[order], form(moved))
    torch.testing.assert_close(after, before[order])
    # The sum and the greatest over all nodes do not see the order.
    torch.testing.assert_close(after.sum(0), before.sum(0))
    torch.testing.assert_close(after.amax(0), before.amax(0))
    # With a place in a sequence added to each node, the order is seen.
    places = torch.arange(6.0)[:, None]
    assert not torch.allclose(
        layer(h[order] + places, form(moved)), layer(h + places, graph)[order]
    )


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_the_gradient_is_that_of_the_numbers(make):
    layer, graph = make(), Adjacency.of(some_graph())
    assert torch.autograd.gradcheck(
        lambda h: layer(h, graph), torch.randn(6, 3, requires_grad=True)
    )


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_what_a_node_does_not_hear_does_not_reach_it(make):
    layer, h, graph = make(), torch.randn(6, 3, requires_grad=True), some_graph()
    for node in range(6):
        reached = torch.autograd.grad(layer(h, graph)[node].square().sum(), h)[0].any(1)
        heard = set(graph.senders[graph.receivers == node].tolist()) | {node}
        assert set(reached.nonzero()[:, 0].tolist()) <= heard


def test_an_untrained_gcn_parts_the_karate_club():
    """Zachary (1977): 34 members, 78 friendships, two factions. Chance is 0.57."""
    club = networkx.karate_club_graph()
    factions = np.array([club.nodes[member]["club"] == "Officer" for member in club])
    one, other = torch.tensor(list(club.edges)).unbind(1)
    graph = Graph(torch.cat([one, other]), torch.cat([other, one]), 34)
    friends = Adjacency.of(with_self_loops(graph), symmetric_normalised)
    right = []
    for seed in range(10):
        torch.manual_seed(seed)
        h = torch.eye(34)
        for width in (34, 32, 32, 32):
            layer = Layer(width, 32, own=False, active=False)
            torch.nn.init.zeros_(layer.mix.bias)
            h = layer(h, friends)
        found = kmeans2(unit_length(h).detach().numpy(), 2, seed=seed, minit="++")[1]
        agreed = (found == factions).mean()
        right.append(max(agreed, 1 - agreed))
    assert np.mean(right) > 0.75
