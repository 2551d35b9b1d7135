import numpy as np
import pytest
import torch
from torch.nn.functional import leaky_relu, normalize

from grapevine.models.cascade.config import Config
from grapevine.models.cascade.learner import graph_of
from grapevine.models.cascade.network import Network
from grapevine.models.cascade.scorer import Ends
from grapevine.models.tables import Pairs

USERS, ITEMS, WIDTH = 4, 5, 6
TAKEN = {
    "view": [(0, 0), (0, 1), (1, 1), (1, 4), (2, 2), (3, 0), (3, 3)],
    "cart": [(0, 1), (1, 4), (3, 0)],
    "buy": [(0, 1), (2, 2)],
}


def pairs_of(taken):
    users, items = np.array(taken, np.int64).T
    return Pairs(users, items, USERS, ITEMS)


def network(**options):
    config = Config(width=WIDTH, **options)
    graphs = [graph_of(pairs_of(one)) for one in TAKEN.values()]
    graphs = () if config.encoder == "ids" else graphs
    return Network(config, USERS, ITEMS, list(TAKEN), graphs, seed=3).eval()


def dense(taken):
    """The graph of users and items by the roots of both degrees."""
    out = torch.zeros(USERS + ITEMS, USERS + ITEMS)
    for user, item in taken:
        out[user, USERS + item] = out[USERS + item, user] = 1
    degrees = out.sum(1).clamp_min(1)
    return out / (degrees[:, None] * degrees).sqrt()


@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("through", ["linear", "residual"])
def test_each_block_starts_from_what_the_one_before_it_left(through, unit):
    made = network(encoder="blocks", through=through, unit=unit, depths=(1, 3, 2))
    x = made.held.weight
    wanted, total = [], 0
    for place, taken in enumerate(TAKEN.values()):
        layers, graph = [x], dense(taken)
        for _ in range((1, 3, 2)[place]):
            layers.append(graph @ layers[-1])
        heard = layers[-1] if through == "residual" else torch.stack(layers).mean(0)
        heard = normalize(heard) if unit else heard
        if through == "residual":
            x = x + heard
            wanted.append(x)
            continue
        total = total + heard
        wanted.append(total)
        if place < 2:
            sides = heard[:USERS], heard[USERS:]
            turn = made.turns[place]
            x = torch.cat([sides[0] @ turn.users.weight.T, sides[1] @ turn.items.weight.T])
    for view, one in zip(made.views(), wanted, strict=True):
        torch.testing.assert_close(view.nodes, one)


def test_each_layer_hears_all_graphs_by_their_shares():
    made = network(encoder="shares", layers=2)
    with torch.no_grad():
        made.shares[0].copy_(torch.tensor([1.0, 0.0, -1.0]))
        made.shares[1].copy_(torch.tensor([0.0, 9.0, 0.0]))
    graphs = torch.stack([dense(taken) for taken in TAKEN.values()])
    layers = [made.held.weight]
    for shares in made.shares:
        mixed = (shares.softmax(0)[:, None, None] * graphs).sum(0)
        layers.append(mixed @ layers[-1])
    for view in made.views():
        torch.testing.assert_close(view.nodes, torch.stack(layers).mean(0))
    # Of one behaviour it is LightGCN, and without layers what is held.
    alone = Network(made.config, USERS, ITEMS, ["buy"], [graph_of(pairs_of(TAKEN["buy"]))], seed=3)
    graph, x = dense(TAKEN["buy"]), alone.held.weight
    wanted = (x + graph @ x + graph @ graph @ x) / 3
    torch.testing.assert_close(alone.views()[0].nodes, wanted)
    scaled = network(encoder="shares", layers=2, unit=True)
    with torch.no_grad():
        for one, other in zip(scaled.shares, made.shares, strict=True):
            one.copy_(other)
    torch.testing.assert_close(
        scaled.views()[0].nodes, normalize(torch.stack(layers).mean(0)), rtol=1e-5, atol=1e-6
    )
    flat = network(encoder="shares", layers=0)
    torch.testing.assert_close(flat.views()[0].nodes, flat.held.weight)


def test_relations_multiply_what_is_said_and_all_behaviours_are_heard_at_once():
    made = network(encoder="relations", layers=2)
    with torch.no_grad():
        for place, one in enumerate(made.relations):
            one.copy_(torch.linspace(0.5, 1.5, WIDTH) * (place + 1))
    x, relations = made.held.weight, torch.stack([*made.relations])
    nodes, said = [x], [relations]
    for layer in made.layers:
        heard = sum(
            dense(taken) @ (x * one) for taken, one in zip(TAKEN.values(), relations, strict=True)
        )
        x = leaky_relu(heard @ layer.nodes.weight.T, 0.2)
        relations = relations @ layer.relations.weight.T
        nodes.append(x)
        said.append(relations)
    for place, view in enumerate(made.views()):
        torch.testing.assert_close(view.nodes, torch.stack(nodes).mean(0))
        torch.testing.assert_close(view.weights, torch.stack(said).mean(0)[place])


def test_weights_of_a_behaviour_are_a_map_of_those_of_the_one_before():
    made = network(transfer=True)
    with torch.no_grad():
        made.maps[0].weight.mul_(2)
        made.maps[1].bias.fill_(0.5)
    ones = torch.ones(WIDTH)
    for view, wanted in zip(made.views(), [ones, 2 * ones, 2.5 * ones], strict=True):
        torch.testing.assert_close(view.weights, wanted)
        assert view.nodes is made.views()[0].nodes or torch.equal(view.nodes, made.held.weight)


def test_with_even_weights_a_product_is_that_of_matrix_factorisation():
    made = network()
    users, items = torch.tensor([2, 0]), torch.tensor([[1, 3], [0, 4]])
    found = made.own(made.views(), 1, users, items)
    wanted = torch.einsum("bd,bsd->bs", made.held.weight[users], made.held.weight[USERS + items])
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("encoder", ["ids", "blocks", "relations", "shares"])
@pytest.mark.parametrize("kind", ["gmf", "mlp", "neumf"])
def test_a_tower_has_both_ends_side_by_side(kind, encoder):
    made = network(scorer=kind, encoder=encoder)
    users, items = torch.tensor([2, 0, 3]), torch.tensor([[1, 3], [0, 4], [4, 4]])
    views = made.views()
    view = views[1]
    # Twice: where a tower sees every item once, and where there are more of them than pairs.
    again = made.own(views, 1, users[:1], items[:1])
    found = made.own(views, 1, users, items)
    torch.testing.assert_close(again, found[:1])
    wanted = torch.zeros(3, 2)
    if kind != "mlp":
        ends = view.nodes[users], view.nodes[USERS + items]
        wanted = torch.einsum("d,bd,bsd->bs", view.weights, *ends)
    if kind != "gmf":
        deep = view.nodes if kind == "mlp" else made.deep.weight
        assert set(view.made) == {"items"}  # six for five, and three users of four
        first = deep[users][:, None].expand(3, 2, WIDTH)
        wanted = wanted + made.scorer.towers[1](torch.cat([first, deep[USERS + items]], 2))[..., 0]
    torch.testing.assert_close(found, wanted)
    pull = torch.tensor([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.2]])
    leaves = [one for one in made.parameters() if one.requires_grad]
    ours = torch.autograd.grad(found, leaves, pull, retain_graph=True, allow_unused=True)
    theirs = torch.autograd.grad(wanted, leaves, pull, retain_graph=True, allow_unused=True)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)
    # And so where all items are asked for at once.
    deep = made.deep.weight if kind == "neumf" else view.nodes
    ends = [Ends(one[users], one[USERS:]) for one in (view.nodes, deep)]
    every = made.scorer(1, ends[0], view.weights, ends[1])
    torch.testing.assert_close(every.gather(1, items), found)
