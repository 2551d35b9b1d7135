import numpy as np
import pytest
import torch

from grapevine.core.typed import HGT, RGCN
from grapevine.testing.attributed import attributed
from grapevine.views.around import around, stale
from grapevine.views.typed import TypedView

VIEW = TypedView.of(attributed(60, 30, taken=6).train)
GRAPH = VIEW.snapshot(before=None)
LINKS = [*VIEW.links(GRAPH).values()]
ASKED = np.array([40, 3, VIEW.offsets[1] + 7, 3])


def layers(kind, view=VIEW):
    """Two layers, as a function of what nodes hold and of the graph."""
    torch.manual_seed(0)
    graph = view.snapshot(before=None)
    types = [(one.source, one.target) for one in graph.relations]
    if kind == "r-gcn":
        one, two = (RGCN(8, 8, len(types)) for _ in range(2))
    else:
        one, two = (HGT(8, types, graph.num_types, heads=2) for _ in range(2))

    @torch.no_grad()
    def network(held, graph):
        seen = edges(graph) if kind == "r-gcn" else graph
        return two(one(held, seen).relu(), seen)

    return network


def edges(graph):
    return [one.edges for one in graph.relations]


def pairs(batch, place):
    """The edges of a relation by the rows of the whole graph."""
    one = batch.graph.relations[place].edges
    return {*zip(batch.nodes[one.senders].tolist(), batch.nodes[one.receivers].tolist())}


@pytest.mark.parametrize("kind", ["r-gcn", "hgt"])
def test_with_all_neighbours_the_asked_nodes_hear_what_they_hear_in_the_whole(kind):
    network, held = layers(kind), torch.randn(GRAPH.num_nodes, 8)
    batch = around(LINKS, VIEW.offsets, ASKED, rounds=2, width=None)
    found = network(held[batch.nodes], batch.graph)[batch.asked]
    torch.testing.assert_close(found, network(held, GRAPH)[ASKED])
    # One round too few is not enough.
    batch = around(LINKS, VIEW.offsets, ASKED, rounds=1, width=None)
    found = network(held[batch.nodes], batch.graph)[batch.asked]
    assert (found - network(held, GRAPH)[ASKED]).abs().max() > 1e-3


def test_a_few_neighbours_are_a_part_of_all_and_no_more_than_asked_for():
    batch = around(LINKS, VIEW.offsets, ASKED, rounds=2, width=3)
    np.testing.assert_array_equal(batch.nodes[batch.asked], ASKED)
    assert len(batch.nodes) < GRAPH.num_nodes
    for place, one in enumerate(GRAPH.relations):
        whole = {*zip(one.edges.senders.tolist(), one.edges.receivers.tolist())}
        assert pairs(batch, place) <= whole
        heard = np.bincount(batch.graph.relations[place].edges.receivers, minlength=1)
        assert heard.max() <= 3
    # A user hears three items by its events, and its own age and town.
    user = [len([end for _, end in pairs(batch, place) if end == 3]) for place in range(10)]
    assert user == [0, 3, 0, 1, 0, 1, 0, 0, 0, 0]


def test_a_node_hears_the_same_whoever_is_asked_beside_it():
    one = around(LINKS, VIEW.offsets, np.array([3]), rounds=1, width=2, seed=5)
    two = around(LINKS, VIEW.offsets, np.array([1, 3, 30]), rounds=1, width=2, seed=5)
    for place in range(len(LINKS)):
        assert pairs(one, place) == {pair for pair in pairs(two, place) if pair[1] == 3}
    other = around(LINKS, VIEW.offsets, np.array([3]), rounds=1, width=2, seed=6)
    assert any(pairs(one, place) != pairs(other, place) for place in range(len(LINKS)))


@pytest.mark.parametrize("only", [None, [0]])
def test_hidden_pairs_are_those_that_a_snapshot_without_them_has_not(only):
    users, items = VIEW.events.users[:40:3], VIEW.events.items[:40:3].astype(np.int64)
    hidden = np.stack([users, items + VIEW.offsets[1]], 1)
    without = VIEW.without(GRAPH, users, items)
    asked = np.unique(hidden)
    found = around(
        LINKS, VIEW.offsets, asked, rounds=2, width=None, hidden=hidden, hidden_from=only
    )
    left = [*VIEW.links(without).values()]
    wanted = around(left, VIEW.offsets, asked, rounds=2, width=None)
    np.testing.assert_array_equal(found.nodes, wanted.nodes)
    for place in range(len(LINKS)):
        assert pairs(found, place) == pairs(wanted, place)
    kept = around(LINKS, VIEW.offsets, asked, rounds=2, width=None, hidden=hidden, hidden_from=[2])
    assert pairs(kept, 0) > pairs(found, 0)


def test_no_round_is_the_asked_nodes_alone():
    batch = around(LINKS, VIEW.offsets, ASKED, rounds=0)
    assert batch.nodes.tolist() == sorted({*ASKED.tolist()})
    assert sum(len(one.edges.senders) for one in batch.graph.relations) == 0


@pytest.mark.parametrize("kind", ["r-gcn", "hgt"])
def test_after_new_events_only_stale_vectors_are_computed_anew(kind):
    # Without attributes: a town that all share would make everybody stale.
    view = TypedView.of(attributed(200, 150, taken=3).train, use=())
    network, held = layers(kind, view), torch.randn(view.offsets[-1], 8)
    times = np.sort(view.events.times)
    since, before = int(times[-6]), int(times[-1]) + 1
    old, new = (view.snapshot(before=time) for time in (since, before))
    links = [*view.links(new).values()]
    rows = stale(links, view.changed(since=since, before=before), rounds=2)
    assert 12 <= len(rows) < view.offsets[-1] / 2
    batch = around(links, view.offsets, rows, rounds=2, width=None)
    vectors = network(held, old)
    vectors[rows] = network(held[batch.nodes], batch.graph)[batch.asked]
    torch.testing.assert_close(vectors, network(held, new))
    # One round less misses some that have changed.
    few = stale(links, view.changed(since=since, before=before), rounds=1)
    others = np.setdiff1d(rows, few)
    assert (network(held, old)[others] - network(held, new)[others]).abs().max() > 1e-3
