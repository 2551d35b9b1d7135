from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine.core.bag import Bag, project
from grapevine.tasks.inputs import (
    bag_of,
    edges_of,
    features_of,
    induced,
    largest_component,
    several,
    with_split,
)

from .conftest import labelled


def edges(graph):
    rows = np.repeat(np.arange(graph.num_nodes), np.diff(graph.offsets))
    return set(zip(rows.tolist(), graph.neighbours.tolist()))


def test_edges_go_both_ways(communities):
    graph = edges_of(communities)
    pairs = set(zip(graph.senders.tolist(), graph.receivers.tolist()))
    assert pairs == edges(communities)
    assert pairs == {(b, a) for a, b in pairs}


def test_features_are_shares_or_as_they_are():
    graph = labelled([[1], [0]], [0, 1], [2, 0])
    bag = bag_of(graph)
    assert (len(bag), bag.width, bag.values.tolist()) == (2, 3, [1.0, 1.0])
    double = graph.feature_values * 2
    object.__setattr__(graph, "feature_values", double)
    assert bag_of(graph).values.tolist() == [1.0, 1.0]
    assert bag_of(graph, shares=False).values.tolist() == [2.0, 2.0]


def test_some_nodes_keep_what_is_between_them(communities):
    keep = np.arange(120) % 3 > 0
    rows = np.flatnonzero(keep)
    part = induced(communities, keep)
    wanted = {(a, b) for a, b in edges(communities) if keep[a] and keep[b]}
    assert {(int(rows[a]), int(rows[b])) for a, b in edges(part)} == wanted
    np.testing.assert_array_equal(part.labels, communities.labels[rows])
    np.testing.assert_array_equal(part.feature_columns, communities.feature_columns[rows])


def test_the_largest_component_is_found():
    graph = labelled([[1], [0], [3], [2, 4], [3]], [0, 0, 1, 1, 1], [0, 1, 2, 3, 4])
    part = largest_component(graph)
    assert part.feature_columns.tolist() == [2, 3, 4]
    assert edges(part) == {(0, 1), (1, 0), (1, 2), (2, 1)}


def test_a_split_has_as_many_of_each_class(communities):
    split = with_split(communities, train=5, validation=7, seed=3)
    for label in range(3):
        mine = communities.labels == label
        assert [part[mine].sum() for part in (split.train, split.validation, split.test)] == [
            5,
            7,
            28,
        ]
    assert (split.train ^ split.validation ^ split.test).all()
    other = with_split(communities, train=5, validation=7, seed=4)
    assert (split.train != other.train).any()
    with pytest.raises(ValueError, match="too few to split"):
        with_split(communities, train=30, validation=30)


def test_several_graphs_keep_their_edges_in_any_order(rings_and_stars):
    part = several(rings_and_stars, np.array([7, 2]))
    assert part.labels.tolist() == [1, 0]
    assert np.diff(part.graph_offsets).tolist() == [7, 7]
    star = {(0, other) for other in range(1, 7)}
    ring = {(7 + at, 7 + (at + 1) % 7) for at in range(7)}
    assert edges(part) == {*star, *ring, *((b, a) for a, b in star | ring)}
    assert torch.equal(edges_of(part).receivers, edges_of(part).receivers.sort().values)


def test_many_features_are_a_table_and_few_a_bag():
    small = labelled([[1], [0], [1]], [0, 1, 1], [2, 0, 2])
    wide = replace(small, num_features=100)
    expected = [[0, 0, 1], [1, 0, 0], [0, 0, 1]]

    table, bag = features_of(small), features_of(wide)

    assert isinstance(table, torch.Tensor)
    assert table.tolist() == expected
    assert isinstance(bag, Bag)
    assert bag.width == 100
    linear = torch.nn.Linear(100, 4)
    part = torch.nn.Linear(3, 4)
    part.load_state_dict({"weight": linear.weight[:, :3], "bias": linear.bias})
    torch.testing.assert_close(project(part, table), project(linear, bag))
