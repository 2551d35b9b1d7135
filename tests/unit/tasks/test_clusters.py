import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grapevine.core.graph_convolution import GraphConvolution
from grapevine.core.neighbourhoods import Adjacency, with_self_loops
from grapevine.core.propagate import symmetric_normalised
from grapevine.structs.graph import Graph
from grapevine.tasks.clusters import agreement, k_means, modularity, spectral, states_of
from grapevine.tasks.inputs import edges_of

PARTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=25)


@given(PARTS, st.permutations(range(4)))
def test_names_of_parts_and_the_order_of_partitions_do_not_count(pairs, names):
    one, two = map(np.array, zip(*pairs))
    told = agreement(one, two)
    renamed, turned = agreement(np.array(names)[one], two), agreement(two, one)
    for name, value in told.items():
        assert renamed[name] == pytest.approx(value, abs=1e-9)
        assert turned[name] == pytest.approx(value, abs=1e-9)
        assert value <= 1 + 1e-9
    assert agreement(one, one) == pytest.approx({"nmi": 1.0, "ari": 1.0})


@given(PARTS)
def test_the_adjusted_rand_index_counts_pairs(pairs):
    one, two = map(np.array, zip(*pairs))
    rows, columns = np.triu_indices(len(one), 1)
    a, b = one[rows] == one[columns], two[rows] == two[columns]
    total = max(len(a), 1)
    chance, most = a.sum() * b.sum() / total, (a.sum() + b.sum()) / 2
    wanted = ((a & b).sum() - chance) / (most - chance) if most != chance else 1.0
    assert agreement(one, two)["ari"] == pytest.approx(wanted)


def test_agreement_by_hand():
    told = agreement(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]))
    # H = ln 2 and 0.5623; together 1.0397: 2 x (0.6931 + 0.5623 - 1.0397) / (0.6931 + 0.5623).
    assert told["nmi"] == pytest.approx(0.3437, abs=1e-4)
    assert told["ari"] == pytest.approx(0.0)


def club():
    """Zachary, 1977: 34 members, 78 friendships, two factions."""
    graph = networkx.karate_club_graph()
    one, other = torch.tensor(list(graph.edges)).unbind(1)
    factions = np.array([graph.nodes[member]["club"] == "Officer" for member in graph])
    return Graph(torch.cat([one, other]), torch.cat([other, one]), 34), factions.astype(int)


def test_modularity_is_networkxs():
    graph, factions = club()
    sets = [set(np.flatnonzero(factions == part).tolist()) for part in (0, 1)]
    wanted = networkx.community.modularity(networkx.karate_club_graph(), sets, weight=None)
    assert modularity(graph, factions) == pytest.approx(wanted)
    assert modularity(graph, np.zeros(34, np.int64)) == pytest.approx(0.0)


def test_an_untrained_gcn_parts_the_karate_club_and_so_does_its_spectrum():
    graph, factions = club()
    friends = Adjacency.of(with_self_loops(graph), symmetric_normalised)
    told = []
    for seed in range(10):
        torch.manual_seed(seed)
        h = torch.eye(34)
        for width in (34, 32, 32):
            h = GraphConvolution(width, 32, own=False)(h, friends)
        told.append(agreement(k_means(states_of(h), 2, seed=seed), factions)["ari"])
    assert np.mean(told) > 0.4  # chance is 0
    assert agreement(spectral(graph, 2), factions)["ari"] > 0.7


def test_planted_blocks_are_found_without_a_label(communities):
    graph = edges_of(communities)
    found = spectral(graph, 3)
    assert agreement(found, communities.labels)["ari"] > 0.9
    shuffled = np.random.default_rng(0).permutation(communities.labels)
    assert abs(agreement(found, shuffled)["ari"]) < 0.1
    assert modularity(graph, found) > 0.4


def test_as_many_parts_as_there_are_different_states_are_these():
    states = np.array([[0.0, 1], [2, 2], [0, 1], [5, 5]])
    part = k_means(states, 3)
    assert part[0] == part[2]
    assert len(set(part.tolist())) == 3
    assert len(set(k_means(states, 5).tolist())) == 3


def test_the_same_seed_gives_the_same_parts():
    states = np.random.default_rng(0).normal(size=(60, 4))
    np.testing.assert_array_equal(k_means(states, 5, seed=1), k_means(states, 5, seed=1))
