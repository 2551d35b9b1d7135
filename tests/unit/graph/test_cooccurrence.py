import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.graph.cooccurrence import (
    both_ways,
    distinct,
    gram,
    nearest_items,
    regression_weights,
    transposed,
)
from grapevine.structs.jagged import Jagged

NUM_ITEMS = 9
some_lists = st.lists(st.lists(st.integers(0, NUM_ITEMS - 1), max_size=12), max_size=8)


def dense(lists):
    matrix = np.zeros((len(lists), NUM_ITEMS))
    for row, values in enumerate(lists):
        matrix[row, values] = 1
    return matrix


@given(some_lists)
def test_both_ways_are_the_rows_of_a_symmetric_matrix(given_lists):
    matrix, size = dense(given_lists), len(given_lists)
    whole = np.zeros((size + NUM_ITEMS, size + NUM_ITEMS))
    whole[:size, size:], whole[size:, :size] = matrix, matrix.T
    found = both_ways(distinct(Jagged.from_lists(given_lists), NUM_ITEMS), NUM_ITEMS)
    assert [row.tolist() for row in found] == [np.flatnonzero(row).tolist() for row in whole]
    assert found.values.dtype == np.int32


@given(some_lists)
def test_distinct_and_transposed_are_the_rows_and_columns_of_one_matrix(given_lists):
    lists = Jagged.from_lists(given_lists)
    before = lists.values.copy()
    rows = distinct(lists, NUM_ITEMS)
    columns = transposed(lists, NUM_ITEMS)
    matrix = dense(given_lists)
    assert [row.tolist() for row in rows] == [np.flatnonzero(row).tolist() for row in matrix]
    assert [row.tolist() for row in columns] == [np.flatnonzero(row).tolist() for row in matrix.T]
    np.testing.assert_array_equal(lists.values, before)


@given(some_lists)
def test_gram_equals_the_dense_product(given_lists):
    matrix = dense(given_lists)
    lists = distinct(Jagged.from_lists(given_lists), NUM_ITEMS)
    np.testing.assert_array_equal(gram(lists, NUM_ITEMS), matrix.T @ matrix)


@given(some_lists, st.integers(1, NUM_ITEMS + 2))
def test_nearest_are_the_k_best_of_the_dense_cosine(given_lists, k):
    matrix = dense(given_lists)
    shared = matrix.T @ matrix
    size = np.diag(shared)
    lists = distinct(Jagged.from_lists(given_lists), NUM_ITEMS)
    near, similarity = nearest_items(lists, np.ones(len(lists)), NUM_ITEMS, k)
    for item in range(NUM_ITEMS):
        together = np.flatnonzero(shared[item])
        cosine = shared[item, together] / np.sqrt(size[item] * size[together])
        best = np.lexsort((together, -cosine))[:k]
        assert near[item].tolist() == together[best].tolist()
        told = similarity[near.offsets[item] : near.offsets[item + 1]]
        np.testing.assert_allclose(told, cosine[best], rtol=1e-6)


def test_a_list_of_weight_zero_makes_no_neighbours():
    lists = Jagged.from_lists([[0, 1], [1, 2]])
    near, _ = nearest_items(lists, np.array([0.0, 2.0]), 3, 5)
    assert [row.tolist() for row in near] == [[], [1, 2], [1, 2]]


@pytest.mark.parametrize("num_items", [1, 2, 70])
def test_regression_weights_equal_the_dense_formula(num_items):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(90, num_items))
    inverse = np.linalg.inv(x.T @ x + np.eye(num_items))
    wanted = np.eye(num_items) - inverse / np.diag(inverse)
    weights = np.tril(inverse).astype(np.float32)
    regression_weights(weights)
    np.testing.assert_allclose(weights, wanted, atol=1e-6)


@pytest.mark.usefixtures("all_threads")
def test_the_number_of_threads_changes_no_bit():
    rng = np.random.default_rng(2)
    lists = Jagged.from_lists([rng.permutation(200)[:30] for _ in range(300)])
    weights = rng.random(300)
    threads = numba.get_num_threads()
    results = []
    for count in {1, threads}:
        numba.set_num_threads(count)
        near, similarity = nearest_items(lists, weights, 200, 10)
        results.append((near.values, similarity, gram(lists, 200)))
    numba.set_num_threads(threads)
    for one, other in zip(results[0], results[-1]):
        np.testing.assert_array_equal(one, other)
