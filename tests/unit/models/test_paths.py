import numpy as np

from grapevine.models.paths import Path, path, together
from grapevine.structs import Jagged, NeighbourTable

TABLE = NeighbourTable(
    np.array([[1, 2], [3, 0], [3, -1], [-1, -1]], np.int32),
    np.array([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0], [0.0, 0.0]], np.float32),
)


def test_a_neighbour_is_reached_straight():
    assert path(TABLE, 0, 2) == Path(0.25)


def test_the_strongest_of_two_ways_is_told_with_its_middle():
    # 0 -> 1 -> 3 carries 0.75 x 0.5, 0 -> 2 -> 3 carries 0.25 x 1
    assert path(TABLE, 0, 3) == Path(0.375, via=1)


def test_where_no_walk_leads_nothing_is_claimed():
    assert path(TABLE, 2, 0) == Path(0.0)
    assert path(TABLE, 3, 0) == Path(0.0)


def test_shared_neighbours_are_counted_once_each():
    takers = Jagged.from_lists([[0, 2, 5], [2, 5, 7], []])
    assert together(takers, 0, 1) == 2
    assert together(takers, 0, 2) == 0
