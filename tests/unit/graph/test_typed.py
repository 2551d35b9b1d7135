import numpy as np
import pytest

from grapevine.graph.typed import merged
from grapevine.structs import NeighbourTable

VIEWS = NeighbourTable(
    np.array([[1, 2, 3], [0, -1, -1], [-1, -1, -1]], np.int32),
    np.array([[0.6, 0.2, 0.2], [1, 0, 0], [0, 0, 0]], np.float32),
)
BUYS = NeighbourTable(
    np.array([[2, 4], [-1, -1], [-1, -1]], np.int32),
    np.array([[0.9, 0.1], [0, 0], [0, 0]], np.float32),
)


def test_kinds_share_evenly_and_a_neighbour_of_both_stands_once():
    table = merged([VIEWS, BUYS], [2, 1])
    # Views within the quota: 0.75 and 0.25; purchases: all on item 2.
    np.testing.assert_array_equal(table.nodes, [[2, 1, -1], [0, -1, -1], [-1, -1, -1]])
    np.testing.assert_allclose(table.weights, [[0.625, 0.375, 0], [1, 0, 0], [0, 0, 0]])


def test_ties_go_to_the_lower_node():
    tie = NeighbourTable(np.array([[7]], np.int32), np.ones((1, 1), np.float32))
    other = NeighbourTable(np.array([[5]], np.int32), np.ones((1, 1), np.float32))
    assert merged([tie, other], [1, 1]).nodes.tolist() == [[5, 7]]


def test_one_table_within_its_quota_is_itself():
    np.testing.assert_array_equal(merged([VIEWS], [3]).nodes, VIEWS.nodes)
    np.testing.assert_allclose(merged([VIEWS], [3]).weights, VIEWS.weights)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="one quota for each of 2 tables"):
        merged([VIEWS, BUYS], [2])
    short = NeighbourTable(VIEWS.nodes[:1], VIEWS.weights[:1])
    with pytest.raises(ValueError, match=r"got \[3, 1\]"):
        merged([VIEWS, short], [1, 1])
