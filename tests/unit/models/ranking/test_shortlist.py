import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grapevine.models.ranking.shortlist import Shortlist

ITEMS = 7
SCORES = st.sampled_from([0.0, 1.0, 2.0, -np.inf])


@settings(max_examples=60, deadline=None)
@given(
    scores=arrays(np.float32, (3, ITEMS), elements=SCORES),
    order=st.permutations(range(ITEMS)),
    able=st.integers(0, ITEMS),
    most=st.integers(1, ITEMS + 2),
)
def test_it_is_the_start_of_a_sort_by_score_and_then_by_order(scores, order, able, most):
    order = np.array(order[:able], np.int64)
    found = Shortlist.of(scores, order, most)
    for row in range(3):
        ranked = sorted(order.tolist(), key=lambda item: -scores[row, item])  # stable
        wanted = [item for item in ranked if scores[row, item] > -np.inf][:most]
        there = found.items[row] >= 0
        assert found.items[row][there].tolist() == wanted
        np.testing.assert_array_equal(found.scores[row][there], scores[row, wanted])
        assert not found.scores[row][~there].any()


def test_places_are_where_items_stand():
    found = Shortlist.of(np.array([[3, 1, 2], [0, 0, 5]], np.float32), np.arange(3), 2)
    assert found.items.tolist() == [[0, 2], [2, 0]]
    assert found.places(np.array([[2, 1, 0, -1], [2, 1, 0, -1]])).tolist() == [
        [1, -1, 0, -1],
        [0, -1, 1, -1],
    ]


def test_what_is_told_of_a_candidate_by_hand():
    found = Shortlist(np.array([[4, 7]]), np.array([[3, 4]], np.float32))
    size = np.sqrt((9 + 16) / 2)
    assert found.size == pytest.approx(size)
    told = found.told(found.places(np.array([[7, 5]])), 4)
    rank = 1 - np.log(2) / np.log(5)
    np.testing.assert_allclose(told[0], [[1, 4 / size, np.log(5), rank], [0] * 4], rtol=1e-6)


def test_nothing_that_may_be_shown_is_an_empty_list():
    found = Shortlist.of(np.ones((2, 3), np.float32), np.empty(0, np.int64), 5)
    assert found.items.shape == (2, 0)
    assert found.places(np.zeros((2, 4), np.int64)).tolist() == [[-1] * 4] * 2
    assert not found.told(found.places(np.zeros((2, 4), np.int64)), 5).any()
