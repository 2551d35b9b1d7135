import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grapevine.graph.levels import levels, strangers
from grapevine.structs.jagged import Jagged


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(0, 4), st.integers(0, 3))
def test_levels_are_what_sets_would_give(seed, nodes, width, depth):
    rng = np.random.default_rng(seed)
    neighbours = rng.integers(-1, nodes, (nodes, width)).astype(np.int32)
    asked = rng.integers(0, nodes, rng.integers(0, 6))

    met = levels(asked, neighbours, depth)

    wanted = [set(asked.tolist())]
    for _ in range(depth):
        heard = neighbours[sorted(wanted[-1])].ravel()
        wanted.append(wanted[-1] | set(heard[heard >= 0].tolist()))
    assert [set(met.nodes[:size].tolist()) for size in met.sizes] == wanted[::-1]
    assert len(set(met.nodes.tolist())) == len(met.nodes)
    np.testing.assert_array_equal(met.nodes[met.asked], asked)
    assert len(met.places) == (met.sizes[1] if depth else 0)
    there = met.places >= 0
    in_graph = neighbours[met.nodes[: len(met.places)]]
    np.testing.assert_array_equal(there, in_graph >= 0)
    np.testing.assert_array_equal(met.nodes[met.places[there]], in_graph[there])


def test_a_level_hears_only_the_one_below():
    # 0 hears 1, 1 hears 2, 2 hears 3: two rounds for 0 need 0, 1 and 2 alone.
    neighbours = np.array([[1], [2], [3], [0]], np.int32)
    met = levels(np.array([0]), neighbours, 2)
    assert met.nodes.tolist() == [0, 1, 2]
    assert met.sizes == (3, 2, 1)
    assert met.places.tolist() == [[1], [2]]


def test_strangers_are_not_in_the_list():
    known = Jagged.from_lists([[1, 5], [], [0, 2, 9]])
    keep = strangers(known, np.array([2, 0, 1, 2]), np.array([9, 3, 5]))
    assert keep.tolist() == [
        [False, True, True],
        [True, True, False],
        [True, True, True],
        [False, True, True],
    ]
