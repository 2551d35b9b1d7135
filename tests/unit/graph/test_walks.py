import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import get_num_threads, set_num_threads

from grapevine.graph.walks import LANES, adjacency, random_walks


def drawn(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.2, 4, (11, 7)) * (rng.random((11, 7)) < 0.4)


@pytest.mark.parametrize("weighted", [False, True])
@given(seed=st.integers(0, 10**6))
def test_walks_go_along_edges_alone(made, weighted, seed):
    matrix = drawn(seed)
    starts = np.arange(11, dtype=np.int32)
    walks = random_walks(made(matrix, weighted=weighted), starts, 6, seed)
    np.testing.assert_array_equal(walks[:, 0], starts)
    stuck = ~matrix.any(1)
    assert (walks[stuck, 1:] == -1).all()
    items, contexts = walks[~stuck, ::2], walks[~stuck, 1::2]
    assert (matrix[items[:, :-1], contexts] > 0).all()
    assert (matrix[items[:, 1:], contexts] > 0).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_every_edge_is_taken_in_proportion_to_its_weight(made, weighted):
    matrix = np.array([[1, 2, 0, 5], [0, 1, 1, 0], [3, 0, 0.5, 1]])
    walks = random_walks(made(matrix, weighted=weighted), np.zeros(4000, np.int32), 10, 7)
    if not weighted:
        matrix = (matrix > 0).astype(float)
    for chances, nodes, ends in (
        (matrix, walks[:, :-1:2].ravel(), walks[:, 1::2].ravel()),
        (matrix.T, walks[:, 1::2].ravel(), walks[:, 2::2].ravel()),
    ):
        counts = np.zeros(chances.shape)
        np.add.at(counts, (nodes, ends), 1)
        wanted = counts.sum(1, keepdims=True) * chances / chances.sum(1, keepdims=True)
        square = (counts - wanted)[chances > 0] ** 2 / wanted[chances > 0]
        # At most 5 degrees of freedom: 20.5 is the 0.1 % point.
        assert square.sum() < 20.5
        assert (counts[chances == 0] == 0).all()


def test_steps_do_not_lean_on_each_other(made):
    # From one item, both places of a hop come from one draw: they must be independent all the same.
    walks = random_walks(made(np.ones((8, 8))), np.zeros(20_000, np.int32), 2, 3)
    for first, second in ((1, 2), (1, 3), (2, 3), (2, 4)):
        counts = np.zeros((8, 8))
        np.add.at(counts, (walks[:, first], walks[:, second]), 1)
        # 49 degrees of freedom of 64 cells, chi-square's 0.1 % point for 63.
        assert ((counts - 312.5) ** 2 / 312.5).sum() < 103.4


def test_a_walk_is_the_same_whichever_others_are_taken(made):
    graph = made(drawn(2))
    starts = np.random.default_rng(0).integers(0, 11, 3 * LANES + 5).astype(np.int32)
    whole = random_walks(graph, starts, 5, 1)
    assert (whole != random_walks(graph, starts, 5, 2)).any()
    for size in (1, 7, LANES + 1):
        parts = [
            random_walks(graph, starts[first : first + size], 5, 1, first=first)
            for first in range(0, len(starts), size)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.usefixtures("all_threads")
def test_a_walk_is_the_same_on_any_number_of_threads(made):
    graph, starts = made(drawn(2)), np.zeros(3 * LANES, np.int32)
    threads = get_num_threads()
    whole = random_walks(graph, starts, 5, 1)
    set_num_threads(1)
    try:
        np.testing.assert_array_equal(random_walks(graph, starts, 5, 1), whole)
    finally:
        set_num_threads(threads)


def test_spans_hold_start_and_length(made):
    spans = adjacency(made(np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]]))).item_spans
    np.testing.assert_array_equal(spans >> np.uint64(32), [0, 2, 2])
    np.testing.assert_array_equal(spans & np.uint64(2**32 - 1), [2, 0, 1])


def test_walks_are_written_where_they_are_to_be(made):
    graph, starts = made(drawn(1)), np.arange(5, dtype=np.int32)
    out = np.empty((5, 9), np.int32)
    assert random_walks(graph, starts, 4, 7, out=out) is out
    np.testing.assert_array_equal(out, random_walks(graph, starts, 4, 7))
    for wrong in (out[:, :-1], out.astype(np.int64)):
        with pytest.raises(ValueError, match=r"int32 of \(5, 9\)"):
            random_walks(graph, starts, 4, 7, out=wrong)
