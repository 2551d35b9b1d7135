import logging
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.graph.pagerank import exact, exact_table, overlap, ppr_table, push, ranked
from grapevine.structs import Bipartite, Jagged, NeighbourTable

# a, b, c with boards X = {a, b} and Y = {b, c}, and d on none.
CHAIN = Bipartite(Jagged.from_lists([[0], [0, 1], [1], []]), Jagged.from_lists([[0, 1], [1, 2]]))
FROM_A, FROM_B = [17 / 24, 1 / 4, 1 / 24, 0], [1 / 8, 3 / 4, 1 / 8, 0]


def drawn(seed: int, items: int = 12, contexts: int = 9, density: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 3, (items, contexts)) * (rng.random((items, contexts)) < density)


def solved(matrix: np.ndarray, restart: float) -> np.ndarray:
    """Every score at once, from the equation `S = a I + (1 - a) S P`."""
    there = matrix / np.maximum(matrix.sum(1, keepdims=True), 1e-30)
    back = matrix.T / np.maximum(matrix.T.sum(1, keepdims=True), 1e-30)
    identity = np.eye(len(matrix))
    return restart * np.linalg.inv(identity - (1 - restart) * there @ back)


def test_the_worked_chain():
    np.testing.assert_allclose(exact(CHAIN, np.array([0, 1]))[0], FROM_A, atol=1e-8)
    np.testing.assert_allclose(exact(CHAIN, np.array([0, 1]))[1], FROM_B, atol=1e-8)
    table = exact_table(CHAIN, np.array([0, 3]), width=3)
    np.testing.assert_array_equal(table.nodes, [[1, 2, -1], [-1, -1, -1]])
    np.testing.assert_allclose(table.weights[0], [6 / 7, 1 / 7, 0], atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("restart", [0.15, 0.5, 1.0])
def test_power_iteration_solves_the_equation(made, weighted, restart):
    matrix = drawn(1)
    graph = made(matrix, weighted=weighted)
    wanted = solved(matrix if weighted else (matrix > 0).astype(float), restart)
    got = exact(graph, np.arange(12), restart=restart)
    np.testing.assert_allclose(got, wanted, atol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
@given(seed=st.integers(0, 10**6), tolerance=st.sampled_from([1e-1, 1e-3, 1e-5]))
def test_push_is_as_near_as_it_says(made, weighted, seed, tolerance):
    matrix = drawn(seed)
    graph = made(matrix, weighted=weighted)
    degrees = (matrix if weighted else matrix > 0).sum(1)
    rows = np.arange(12)
    lacking = exact(graph, rows, restart=0.3) - push(graph, rows, restart=0.3, tolerance=tolerance)
    assert (lacking >= -1e-6).all()
    assert (lacking <= tolerance * degrees + 1e-6).all()


@given(seed=st.integers(0, 10**6))
def test_renaming_items_and_contexts_renames_scores(made, seed):
    matrix = drawn(seed)
    rng = np.random.default_rng(seed)
    items, contexts = rng.permutation(12), rng.permutation(9)
    before = push(made(matrix), np.arange(12))
    after = push(made(matrix[items][:, contexts]), np.arange(12))
    np.testing.assert_allclose(after, before[items][:, items], atol=1e-5)


def test_ranked_follows_the_scores_and_leaves_the_row_out(made):
    matrix = drawn(3)
    graph = made(matrix)
    rows = np.array([4, 0, 4])
    lists = ranked(graph, rows, most=5, tolerance=1e-7)
    truth = exact(graph, rows)
    for row, scores, items in zip(rows, truth, lists):
        scores[row] = -1
        np.testing.assert_allclose(scores[items], np.sort(scores)[::-1][: len(items)], atol=1e-5)
        assert row not in items
    assert lists.lengths.max() == 5
    assert ranked(CHAIN, np.array([3]), most=9).lengths.tolist() == [0]


@pytest.mark.parametrize("weighted", [False, True])
def test_a_table_of_long_lists_and_many_rounds_is_exact(made, weighted):
    graph = made(drawn(5, items=40, contexts=30, density=0.1), weighted=weighted)
    truth = exact_table(graph, np.arange(40), width=39)
    table = ppr_table(graph, width=39, shared=40, rounds=20)
    for row in range(40):
        wanted, got = np.zeros((2, 41))
        wanted[truth.nodes[row]] = truth.weights[row]
        got[table.nodes[row]] = table.weights[row]
        np.testing.assert_allclose(got[:-1], wanted[:-1], atol=1e-5)


def test_longer_lists_and_more_rounds_come_nearer(made):
    graph = made(drawn(5, items=60, contexts=40, density=0.08), weighted=True)
    truth = exact_table(graph, np.arange(60), width=6)
    options = (0, 1), (4, 1), (60, 1), (60, 3)
    near = [
        overlap(ppr_table(graph, width=6, shared=shared, rounds=rounds), truth)
        for shared, rounds in options
    ]
    assert near == sorted(near)
    assert near[-1] > 0.95


def test_a_table_leaves_its_own_row_out_and_sums_to_one(made):
    table = ppr_table(made(drawn(5)), width=6)
    assert not (table.nodes == np.arange(12)[:, None]).any()
    sums = table.weights.sum(1)
    np.testing.assert_allclose(sums[sums > 0], 1, atol=1e-6)


def test_rows_of_the_table_are_those_of_the_whole(made):
    graph = made(drawn(6, items=30))
    whole, rows = ppr_table(graph, width=4), np.array([7, 2, 29])
    part = ppr_table(graph, width=4, rows=rows)
    np.testing.assert_array_equal(part.nodes, whole.nodes[rows])
    np.testing.assert_array_equal(part.weights, whole.weights[rows])


def test_a_row_does_not_depend_on_the_others(made):
    # Many times as many rows as are worked through side by side: scratch arrays are used again.
    graph = made(drawn(7, items=150, contexts=140, density=0.02), weighted=True)
    rows = np.tile(np.arange(150), 3)
    scores, lists, table = (
        push(graph, rows), ranked(graph, rows, most=9), ppr_table(graph, width=9, rows=rows)
    )  # fmt: skip
    for row in range(0, 450, 29):
        alone = np.array([rows[row]])
        np.testing.assert_array_equal(scores[[row]], push(graph, alone))
        np.testing.assert_array_equal(lists[row], ranked(graph, alone, most=9)[0])
        np.testing.assert_array_equal(
            table.weights[[row]], ppr_table(graph, width=9, rows=alone).weights
        )


def test_contexts_do_not_depend_on_each_other_either(made):
    graph = made(drawn(5, items=90, contexts=140, density=0.02))
    table = ppr_table(graph, width=89, shared=90, rounds=20)
    assert overlap(exact_table(graph, np.arange(90), width=89), table) > 0.99
    wanted = exact_table(graph, np.arange(90), width=5).weights[:, 0]
    np.testing.assert_allclose(
        ppr_table(graph, width=5, shared=90, rounds=20).weights[:, 0], wanted, atol=1e-4
    )


def test_overlap_counts_what_is_shared():
    table = NeighbourTable(np.array([[3, 1], [2, -1], [-1, -1]], np.int32), np.zeros((3, 2), "f4"))
    truth = NeighbourTable(np.array([[1, 4], [2, -1], [-1, -1]], np.int32), np.zeros((3, 2), "f4"))
    assert overlap(table, truth) == pytest.approx(0.75)


def test_a_checked_table_says_how_near_it_is(caplog):
    with caplog.at_level(logging.INFO, "grapevine"):
        ppr_table(CHAIN, width=2, check=9)
    assert "top 2 shares 1.000 with the exact one (4 items)" in caplog.text


def test_options_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="width must be 1 or more: got 0"):
        ppr_table(CHAIN, width=0)
    with pytest.raises(ValueError, match="restart must lie in"):
        ppr_table(CHAIN, restart=0)


@pytest.mark.parametrize("options", [{"restart": 0}, {"restart": 1.1}, {"tolerance": 0}])
def test_what_would_never_come_to_rest_is_refused(options):
    some = np.array([0])
    for made_of in (exact, push, partial(ranked, most=2)):
        with pytest.raises(ValueError, match="restart must lie in"):
            made_of(CHAIN, some, **options)
        with pytest.raises(ValueError, match="item rows must lie in"):
            made_of(CHAIN, some + 4)
