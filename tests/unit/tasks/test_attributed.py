"""What typed graphs are for: users of whom nothing but their attributes is known; and no leaks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from grapevine.core.losses import bpr
from grapevine.core.typed import HGT, RGCN
from grapevine.random import stream
from grapevine.tasks.descent import descend
from grapevine.tasks.links import auc
from grapevine.testing.attributed import attributed
from grapevine.views.typed import TypedView


class Typed(nn.Module):
    """Two typed layers over states of all nodes; those of users and items start from nothing."""

    def __init__(self, graph, layer, width=16):
        super().__init__()
        states = torch.randn(graph.num_nodes, width)
        if graph.num_types > 2:
            states[: graph.offsets[2]] = 0
        self.states, self.layer = nn.Parameter(states), layer
        if layer == "r-gcn":
            layers = [RGCN(width, width, len(graph.relations)) for _ in range(2)]
        else:
            types = [(one.source, one.target) for one in graph.relations]
            layers = [HGT(width, types, graph.num_types, heads=2) for _ in range(2)]
        self.layers = nn.ModuleList(layers)

    def forward(self, graph):
        """Vectors of users and of items."""
        edges = [one.edges for one in graph.relations]
        one, two = self.layers
        if self.layer == "r-gcn":
            held = two(one(self.states, edges).relu(), edges)
        else:
            held = two(one(self.states, graph), graph)
        return held[: graph.offsets[1]], held[graph.offsets[1] : graph.offsets[2]]


def hidden(view, graph, users, items, ways):
    """The graph without these pairs both ways, or with their edges from items to users left."""
    without = view.without(graph, users, items)
    if ways == 2:
        return without
    return (
        graph
        if ways == 0
        else replace(graph, relations=(without.relations[0], *graph.relations[1:]))
    )


def trained(view, layer, *, ways=2, held=(), steps=40):
    """Scores of all users and items, learnt by BPR; the pairs of a step are not in its graph.

    The events `held` are not learnt from; in what ways these and the step's are hidden is `ways`.
    """
    torch.manual_seed(0)
    events, turn = view.events, 0
    known = np.setdiff1d(np.arange(len(events)), held)
    users, items = events.users, events.items.astype(np.int64)
    graph = view.snapshot(before=None)
    network = Typed(graph, layer)

    def seen(asked):
        away = np.concatenate([asked, np.array(held, np.int64)])
        return hidden(view, graph, users[away], items[away], ways)

    def loss():
        nonlocal turn
        turn += 1
        draw = stream(0, "pairs", turn)
        asked = known[draw.integers(len(known), size=400)]
        of_users, of_items = network(seen(asked))
        wrong = draw.integers(events.num_items, size=(len(asked), 4))
        own = of_users[users[asked]]
        positive = (own * of_items[items[asked]]).sum(1)
        return bpr(positive, (own[:, None] * of_items[wrong]).sum(2))

    descend(network, loss, lambda: (0.0,), epochs=steps, learning_rate=0.02)
    with torch.no_grad():
        of_users, of_items = network(seen(known[:0]))
    return (of_users @ of_items.T).numpy()


def cold_auc(world, scores):
    """How often an item that a cold user would take stands above one that it would not."""
    found = []
    for user, answers in zip(world.cold, world.answers):
        positive = np.isin(np.arange(scores.shape[1]), answers)
        found.append(auc(scores[user], positive))
    return np.mean(found)


def test_the_world_is_what_it_says():
    world = attributed(60, 40, taken=5, cold=0.5, seed=3)
    train = world.train
    taken = np.diff(train.interactions.offsets)
    assert len(world.cold) == 30
    assert taken[world.cold].sum() == 0
    assert (np.delete(taken, world.cold) == 5).all()
    assert (world.answers.lengths == 5).all()
    for history in (*world.answers, *np.split(train.interactions.items, 30)):
        assert len({*history.tolist()}) == 5
    # Who is alike in age and town has the same taste, and only who is.
    people = train.user_table
    who = list(zip((people["age"] // 10).to_list(), people["location"].to_list()))
    alike = [[one == two for two in who] for one in who]
    same = (world.taste[:, None] == world.taste).all(2)
    np.testing.assert_array_equal(same, alike)


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["r-gcn", "hgt"])
def test_attributes_tell_what_cold_users_like_and_ids_do_not(layer):
    world = attributed(200, 80)
    told = trained(TypedView.of(world.train), layer)
    alone = trained(TypedView.of(world.train, use=()), "r-gcn")
    popular = np.tile(world.train.interactions.counts(), (len(world.taste), 1))
    assert cold_auc(world, told) > cold_auc(world, alone) + 0.1
    assert cold_auc(world, told) > cold_auc(world, popular) + 0.05
    assert cold_auc(world, told) < cold_auc(world, world.taste) < 0.9


def shuffled_auc(ways):
    """On pairs that chance alone put together, and that are held out: 0.5 is the truth."""
    world = attributed(strength=0, cold=0)
    view, events = TypedView.of(world.train, use=()), world.train.interactions
    held = np.random.default_rng(1).permutation(len(events))[:600]
    scores = trained(view, "r-gcn", ways=ways, held=held)
    taken = np.zeros(scores.shape, bool)
    taken[events.users, events.items] = True
    yes = scores[events.users[held], events.items[held]]
    no = scores[~taken]
    return auc(np.concatenate([yes, no]), np.arange(len(yes) + len(no)) < len(yes))


@pytest.mark.slow
def test_answers_hidden_both_ways_leak_nothing_and_reverses_do():
    assert abs(shuffled_auc(ways=2) - 0.5) < 0.04
    assert shuffled_auc(ways=1) > 0.57
    assert shuffled_auc(ways=0) > 0.57
