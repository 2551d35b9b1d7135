import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.index.exact import FEW, empty, exact, exact_of_few, merged
from grapevine.random import stream
from grapevine.structs import Ranking


def sorted_by_hand(queries, vectors, k, allow=None):
    scores = queries @ vectors.T
    if allow is not None:
        scores[:, ~allow] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found = np.take_along_axis(scores, order, axis=1)
    return np.where(found > -np.inf, order, -1)


@given(st.integers(1, 2 * FEW), st.integers(1, 60), st.integers(1, 70), st.booleans())
def test_few_queries_and_many_filtered_or_not_give_what_sorting_gives(asked, rows, k, filtered):
    draw = stream(asked, "exact", rows, k)
    # Whole numbers, so that products are exact; and far enough apart that none are equal.
    vectors = draw.permutation(rows)[:, None].astype(np.float32) + np.float32(1)
    queries = draw.integers(1, 9, (asked, 1)).astype(np.float32)
    allow = draw.random(rows) < 0.5 if filtered else None
    found = exact(queries, vectors, k, allow=allow)
    width = min(k, rows)
    assert found.items[:, :width].tolist() == sorted_by_hand(queries, vectors, k, allow).tolist()
    assert (found.items[:, width:] == -1).all()
    assert (found.scores[found.items < 0] == -np.inf).all()


@pytest.mark.parametrize("asked", [2, 200])
def test_the_answer_does_not_depend_on_the_number_of_threads(clustered, asked):
    one, two = (exact(clustered[:asked], clustered, 10, threads=n) for n in (1, 2))
    assert (one.items == two.items).all()
    assert (one.scores == two.scores).all()


def test_the_rows_of_a_few_are_named_as_among_all(clustered, queries):
    rows = np.array([7, 1900, 3999])
    allow = np.zeros(len(clustered), bool)
    allow[rows] = True
    found = exact_of_few(queries, clustered, rows, 5)
    assert (found.items == exact(queries, clustered, 5, allow=allow).items).all()
    assert (found.items[:, 3:] == -1).all()


def test_nothing_to_search_and_nobody_asking(clustered):
    assert exact(clustered[:3], clustered[:0], 2).items.tolist() == [[-1, -1]] * 3
    assert exact_of_few(clustered[:1], clustered, np.array([], np.int64), 1).items.tolist() == [
        [-1]
    ]
    assert len(exact(clustered[:0], clustered, 2)) == 0


def test_merging_prefers_the_first_among_equals():
    def listed(items, scores):
        return Ranking(np.array([items], np.int32), np.array([scores], np.float32))

    both = merged(listed([4, 2], [3, 1]), listed([9, 8], [3, 2]), 3)
    assert both.items.tolist() == [[4, 9, 8]]
    assert merged(empty(1, 2), listed([5, -1], [1, -np.inf]), 2).items.tolist() == [[5, -1]]
