import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import get_num_threads, set_num_threads

from grapevine.graph.neighbourhoods import importance_table
from grapevine.graph.pagerank import exact_table, overlap
from grapevine.structs import Bipartite, Jagged, NeighbourTable

CHAIN = Bipartite(Jagged.from_lists([[0], [0, 1], [1], []]), Jagged.from_lists([[0, 1], [1, 2]]))


def drawn(seed: int, items: int = 150, contexts: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.2, 4, (items, contexts)) * (rng.random((items, contexts)) < 0.05)


def dense(table: NeighbourTable, items: int) -> np.ndarray:
    out = np.zeros((len(table), items + 1))
    out[np.arange(len(table))[:, None], table.nodes] = table.weights
    return out[:, :-1]


def same(one: NeighbourTable, other: NeighbourTable) -> None:
    np.testing.assert_array_equal(one.nodes, other.nodes)
    np.testing.assert_array_equal(one.weights, other.weights)


def visited(matrix: np.ndarray, length: int, restart: float) -> np.ndarray:
    """The chance of each visit to each item, over walks of so many double hops, worked out."""
    there = matrix / np.maximum(matrix.sum(1, keepdims=True), 1e-30)
    hop = there @ (matrix.T / np.maximum(matrix.T.sum(1, keepdims=True), 1e-30))
    at, start, total = np.eye(len(matrix)), np.eye(len(matrix)), np.zeros_like(hop)
    for step in range(length):
        at = (restart * start + (1 - restart) * at if step else start) @ hop
        total += at
    np.fill_diagonal(total, 0)
    return total / np.maximum(total.sum(1, keepdims=True), 1e-30)


def test_the_worked_chain():
    table = importance_table(CHAIN, width=3, walks=500, length=200)
    np.testing.assert_array_equal(table.nodes[0], [1, 2, -1])
    np.testing.assert_allclose(table.weights[0], [6 / 7, 1 / 7, 0], atol=0.01)
    np.testing.assert_array_equal(table.nodes[3], [-1, -1, -1])
    np.testing.assert_array_equal(table.weights[3], [0, 0, 0])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("restart", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("length", [1, 6])
def test_shares_tend_to_the_chances_of_a_visit(made, weighted, restart, length):
    matrix = drawn(1, items=10, contexts=8) + np.eye(10, 8) + np.eye(10, 8, -1)
    graph = made(matrix, weighted=weighted)
    table = importance_table(graph, width=9, walks=20_000, length=length, restart=restart)
    wanted = visited(matrix if weighted else (matrix > 0).astype(float), length, restart)
    np.testing.assert_allclose(dense(table, 10), wanted, atol=0.02)


def test_always_starting_over_sees_no_further_than_one_double_hop():
    table = importance_table(CHAIN, width=2, walks=2000, length=8, restart=1.0)
    assert table.nodes[0].tolist() == [1, -1]


@given(seed=st.integers(0, 10**6))
def test_a_row_is_in_order_and_sums_to_one(made, seed):
    graph = made(drawn(seed))
    table = importance_table(graph, width=5, walks=20, length=3, seed=seed)
    assert not (table.nodes == np.arange(150)[:, None]).any()
    filled = table.nodes >= 0
    np.testing.assert_array_equal(filled, table.weights > 0)
    np.testing.assert_allclose(table.weights.sum(1), filled.any(1), atol=1e-6)
    falls = np.diff(table.weights, axis=1) < 0
    rises = (np.diff(table.weights, axis=1) == 0) & (np.diff(table.nodes, axis=1) > 0)
    assert (falls | rises | ~filled[:, 1:]).all()


@pytest.mark.parametrize("walks", [1, 50, 300])
@pytest.mark.parametrize("parts", [1, 3, 7])
def test_a_table_is_the_same_in_any_number_of_parts(made, walks, parts):
    graph = made(drawn(4), weighted=True)
    options = {"width": 6, "walks": walks, "length": 3, "seed": 11}
    whole = importance_table(graph, **options)
    tables = [
        importance_table(graph, rows=rows, **options)
        for rows in np.array_split(np.arange(graph.num_items), parts)
    ]
    nodes = np.concatenate([table.nodes for table in tables])
    same(NeighbourTable(nodes, np.concatenate([table.weights for table in tables])), whole)


@pytest.mark.usefixtures("all_threads")
def test_a_table_is_the_same_on_any_number_of_threads(made):
    graph = made(drawn(4))
    threads = get_num_threads()
    whole = importance_table(graph, seed=2)
    set_num_threads(1)
    try:
        same(importance_table(graph, seed=2), whole)
    finally:
        set_num_threads(threads)
    assert (importance_table(graph, seed=3).weights != whole.weights).any()


def test_more_walks_come_nearer_to_pagerank(made):
    graph = made(drawn(9), weighted=True)
    truth = exact_table(graph, np.arange(150), width=10)
    near = [
        overlap(importance_table(graph, width=10, walks=walks, length=length), truth)
        for walks, length in ((5, 4), (50, 4), (500, 40))
    ]
    assert near == sorted(near)
    assert near[-1] > 0.9


def test_hubs_are_capped_if_asked(made):
    matrix = np.ones((40, 1))
    table = importance_table(made(matrix), width=39, walks=500, most_degree=5)
    met = np.unique(table.nodes[table.nodes >= 0])
    assert len(met) == 5


@pytest.mark.parametrize(
    "options", [{"width": 0}, {"walks": 0}, {"length": 0}, {"restart": 1.1}, {"restart": -0.1}]
)
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ValueError, match="must"):
        importance_table(CHAIN, **options)
