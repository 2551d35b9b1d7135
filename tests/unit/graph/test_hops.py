import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapevine.graph.cooccurrence import distinct, transposed
from grapevine.graph.hops import add_two_hops
from grapevine.structs.jagged import Jagged


def dense(lists, num_items):
    out = np.zeros((len(lists), num_items))
    for row, items in enumerate(lists):
        out[row, items] = 1
    return out


def hops(lists, histories, sources, users, targets, out):
    num_items = len(sources)
    lists = distinct(Jagged.from_lists(lists), num_items)
    holders = transposed(lists, num_items)
    weights = (np.asarray(part, np.float32) for part in (sources, users, targets))
    add_two_hops(Jagged.from_lists(histories), holders, lists, *weights, out)
    return out


@settings(max_examples=20)
@given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 70), st.integers(0, 2**32 - 1))
def test_equals_the_product_of_the_dense_matrices(num_items, num_users, queries, seed):
    rng = np.random.default_rng(seed)
    lists = [rng.permutation(num_items)[: rng.integers(0, num_items + 1)] for _ in range(num_users)]
    asked = [rng.permutation(num_items)[: rng.integers(0, num_items + 1)] for _ in range(queries)]
    s, t = rng.random((2, num_items)).astype(np.float32)
    w = rng.random(num_users).astype(np.float32)
    before = rng.random((queries, num_items)).astype(np.float32)
    x = dense(lists, num_items)
    wanted = before + dense(asked, num_items) @ np.diag(s) @ x.T @ np.diag(w) @ x @ np.diag(t)
    np.testing.assert_allclose(hops(lists, asked, s, w, t, before), wanted, rtol=1e-5, atol=1e-5)


def test_an_item_of_no_weight_says_nothing_and_a_negative_one_is_refused():
    lists, ones = [[0, 1], [1, 2]], np.ones(3)
    zeros = np.zeros((1, 3), np.float32)
    out = hops(lists, [[0, 1]], [0.0, 1.0, 1.0], [1.0, 1.0], ones, zeros)
    np.testing.assert_array_equal(out, [[1, 2, 1]])
    with pytest.raises(ValueError, match=r"must not be negative: got -1\.0"):
        hops(lists, [[0, 1]], [-1.0, 1.0, 1.0], [1.0, 1.0], ones, zeros)


def test_a_row_does_not_depend_on_its_batch():
    rng = np.random.default_rng(1)
    lists = [rng.permutation(50)[: rng.integers(2, 30)] for _ in range(40)]
    s, t = rng.random((2, 50))
    w = rng.random(40)
    whole = hops(lists, lists, s, w, t, np.zeros((40, 50), np.float32))
    for user in range(40):
        alone = hops(lists, lists[user : user + 1], s, w, t, np.zeros((1, 50), np.float32))
        np.testing.assert_array_equal(alone[0], whole[user])
