import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.graph.hubs import cap
from grapevine.structs import Bipartite, Jagged


def matrices(graph: Bipartite) -> tuple[np.ndarray, np.ndarray]:
    """The weights as each direction has them."""
    of_items = np.zeros((graph.num_items, graph.num_contexts))
    of_contexts = np.zeros((graph.num_contexts, graph.num_items))
    assert graph.item_weights is not None
    assert graph.context_weights is not None
    for out, lists, weights in (
        (of_items, graph.contexts, graph.item_weights),
        (of_contexts, graph.items, graph.context_weights),
    ):
        out[np.repeat(np.arange(len(lists)), lists.lengths), lists.values] = weights
    return of_items, of_contexts.T


@given(seed=st.integers(0, 10**6), most=st.integers(1, 6))
def test_no_node_has_more_and_both_directions_agree(made, seed, most):
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(0.5, 2, (14, 9)).astype(np.float32) * (rng.random((14, 9)) < 0.6)
    capped = cap(made(matrix, weighted=True), most, seed)
    there, back = matrices(capped)
    np.testing.assert_array_equal(there, back)
    np.testing.assert_array_equal(there[there > 0], matrix[there > 0])
    assert capped.contexts.lengths.max() <= most
    assert capped.items.lengths.max() <= most


def test_a_graph_without_hubs_is_the_same_object(made):
    graph = made(np.eye(4), weighted=True)
    assert cap(graph, 1) is graph
    with pytest.raises(ValueError, match="got 0"):
        cap(graph, 0)


def test_an_edge_elsewhere_changes_nothing(made):
    matrix = np.ones((30, 3))
    before = matrices(cap(made(matrix, weighted=True), 10))[0]
    matrix[5, 2] = 0
    after = matrices(cap(made(matrix, weighted=True), 10))[0]
    np.testing.assert_array_equal(after[:, :2], before[:, :2])


def kept_of_stars(weights: np.ndarray, most: int, stars: int) -> np.ndarray:
    """How often each of a hub's items stays, over so many hubs with items of their own."""
    size = len(weights)
    items = np.arange(stars * size, dtype=np.int32)
    graph = Bipartite(
        Jagged(np.arange(stars * size + 1), np.repeat(np.arange(stars, dtype=np.int32), size)),
        Jagged(np.arange(stars + 1) * size, items),
        np.tile(weights, stars).astype(np.float32),
        np.tile(weights, stars).astype(np.float32),
    )
    capped = cap(graph, most, seed=3)
    assert (capped.items.lengths == most).all()
    return np.bincount(capped.items.values % size, minlength=size)


def test_the_sample_is_uniform_where_weights_are_alike():
    counts = kept_of_stars(np.ones(20), 5, 1000)
    # Of 20 places that sum to a constant: chi-square with 19 degrees of freedom, 0.1 % point.
    assert ((counts - 250) ** 2 / (1000 / 4 * 3 / 4)).sum() * 19 / 20 < 43.8


def test_the_first_one_kept_goes_by_weight():
    weights = np.array([1.0, 2.0, 5.0])
    wanted = 2000 * weights / weights.sum()
    # Chi-square with 2 degrees of freedom: 13.8 is the 0.1 % point.
    assert ((kept_of_stars(weights, 1, 2000) - wanted) ** 2 / wanted).sum() < 13.8
