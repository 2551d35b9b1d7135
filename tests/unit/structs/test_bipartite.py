import numpy as np
import pytest

from grapevine.structs import Bipartite, Jagged

CONTEXTS = Jagged.from_lists([[0], [0, 1], []])
ITEMS = Jagged.from_lists([[0, 1], [1]])


def test_counts_are_those_of_both_sides():
    graph = Bipartite(CONTEXTS, ITEMS)
    assert (graph.num_items, graph.num_contexts, graph.num_edges) == (3, 2, 3)


def test_both_directions_hold_the_same_edges():
    with pytest.raises(ValueError, match="got 3 and 2"):
        Bipartite(CONTEXTS, Jagged.from_lists([[0], [1]]))


def test_weights_come_in_both_directions_and_one_an_edge(unchecked):
    three = np.ones(3, np.float32)
    assert Bipartite(CONTEXTS, ITEMS, three, three).item_weights is three
    with pytest.raises(ValueError, match="both directions, or in neither"):
        Bipartite(CONTEXTS, ITEMS, three)
    with pytest.raises(ValueError, match="context_weights has 2 entries for 3 edges"):
        Bipartite(CONTEXTS, ITEMS, three, three[:2])


def test_rows_that_there_are_not_are_refused_before_compiled_code_reads_them():
    graph = Bipartite(CONTEXTS, ITEMS)
    assert graph.rows_of().tolist() == [0, 1, 2]
    assert graph.rows_of(np.array([2, 0, 2], np.int32)).tolist() == [2, 0, 2]
    assert graph.rows_of(np.empty(0, np.int64)).tolist() == []
    for bad in (3, -1):
        with pytest.raises(ValueError, match=r"item rows must lie in \[0, 3\): got"):
            graph.rows_of(np.array([0, bad]))
