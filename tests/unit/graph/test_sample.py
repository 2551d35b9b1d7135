import numpy as np
from scipy.stats import chisquare

from grapevine.graph.sample import sample
from grapevine.structs import Jagged

LISTS = Jagged.from_lists([[], [7], [1, 2, 3], list(range(10, 20))])


def drawn(width, draws, lists=LISTS):
    return np.stack([sample(lists, width, np.uint64(key)) for key in range(draws)])


def test_only_neighbours_are_drawn_and_nobody_for_who_has_none():
    for row, found in enumerate(drawn(4, 30).transpose(1, 0, 2)):
        assert set(found.ravel()) == (set(LISTS[row].tolist()) or {-1})


def test_each_once_where_there_are_as_many():
    assert all(len(set(row)) == 3 for row in drawn(3, 50)[:, 2])
    assert all(len(set(row)) == 8 for row in drawn(8, 50)[:, 3])


def test_every_neighbour_is_as_likely():
    for row, width in ((2, 5), (3, 4), (3, 9)):
        counts = np.unique(drawn(width, 2000)[:, row], return_counts=True)[1]
        assert chisquare(counts).pvalue > 1e-4


def test_what_is_drawn_for_a_node_does_not_depend_on_the_others():
    alone = Jagged.from_lists([[], [], [], list(range(10, 20))])
    np.testing.assert_array_equal(drawn(4, 9)[:, 3], drawn(4, 9, alone)[:, 3])
    assert len({row.tobytes() for row in drawn(4, 9)[:, 3]}) > 1
