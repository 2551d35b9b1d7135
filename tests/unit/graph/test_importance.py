import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from grapevine.graph.importance import cache_depth, importance, reached
from grapevine.structs import Jagged

STAR = Jagged.from_lists([[1, 2, 3, 4], [], [], [], []])
REVERSED = Jagged.from_lists([[], [0], [0], [0], [0]])


def lists_of(matrix):
    return Jagged.from_lists([np.flatnonzero(row) for row in matrix])


def test_a_star_whose_centre_nobody_reaches():
    found = importance(STAR, REVERSED)
    assert (found[0] == 0).all()
    assert np.isinf(found[1:]).all()
    assert cache_depth(found, (0.2, 0.2)).tolist() == [0, 2, 2, 2, 2]


def test_the_reversed_star_whose_centre_all_reach():
    found = importance(REVERSED, STAR)
    assert np.isinf(found[0]).all()
    assert (found[1:] == 0).all()


def test_a_hub_that_leads_on_to_one_by_hand():
    # 0, 1, 2 -> 3 -> 4: three within one hop and within two reach node 3, four reach node 4.
    ends = Jagged.from_lists([[3], [3], [3], [4], []])
    starts = Jagged.from_lists([[], [], [], [0, 1, 2], [3]])
    found = importance(ends, starts)
    np.testing.assert_array_equal(found[3], [3, 3])
    np.testing.assert_array_equal(reached(starts)[4], [1, 4])
    assert cache_depth(found, (3.5, 3.0))[3] == 2
    assert cache_depth(found, (3.0, 3.5))[3] == 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 3))
def test_reach_is_that_of_powers_of_the_matrix(seed, nodes, hops):
    matrix = np.random.default_rng(seed).random((nodes, nodes)) < 0.25
    near = csr_matrix(matrix + np.eye(nodes, dtype=int))
    within = np.eye(nodes, dtype=int)
    for hop, found in enumerate(reached(lists_of(matrix), hops).T):
        within = ((within @ near) > 0).astype(int)
        np.testing.assert_array_equal(found, within.sum(1) - 1, err_msg=f"hop {hop + 1}")


@given(st.integers(0, 2**32 - 1), st.floats(0, 3), st.floats(0, 3))
def test_a_higher_threshold_never_keeps_more(seed, low, more):
    matrix = np.random.default_rng(seed).random((15, 15)) < 0.15
    found = importance(lists_of(matrix), lists_of(matrix.T))
    before = cache_depth(found, (low, low))
    assert (cache_depth(found, (low + more, low)) <= before).all()
    assert (cache_depth(found, (low, low + more)) <= before).all()
    assert (cache_depth(found, (low + more, low + more)) <= before).all()


def test_a_threshold_for_each_number_of_hops():
    with pytest.raises(ValueError, match="1 thresholds for 2 hops"):
        cache_depth(importance(STAR, REVERSED), (0.2,))
