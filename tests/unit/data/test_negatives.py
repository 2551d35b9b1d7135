import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from grapevine.data.negatives import sample
from grapevine.errors import DataError
from grapevine.structs.jagged import Jagged

WEIGHTS = np.array([5.0, 1.0, 0.0, 3.0, 1.0])


def nobody(queries: int) -> Jagged:
    return Jagged(np.zeros(queries + 1, np.int64), np.empty(0, np.int32))


def exclude_all(queries: int, items: list[int]) -> Jagged:
    return Jagged.from_lists([items] * queries)


def pair_chances(weights: np.ndarray) -> dict[tuple[int, int], float]:
    """Chance of each ordered pair: the first by weight, the second by weight among the rest."""
    share = weights / weights.sum()
    return {
        (i, j): share[i] * share[j] / (1 - share[i])
        for i, j in itertools.permutations(range(len(weights)), 2)
        if share[i] * share[j] > 0
    }


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["uniform", "weighted"])
def test_pairs_are_drawn_as_often_as_stated(weights):
    queries = 50_000
    drawn = sample(1, np.arange(queries), nobody(queries), 5, 2, weights)
    chances = pair_chances(np.ones(5) if weights is None else weights)
    pairs, counts = np.unique(drawn, axis=0, return_counts=True)
    met = {(int(i), int(j)): int(count) for (i, j), count in zip(pairs, counts, strict=True)}
    assert set(met) == set(chances)
    expected = [queries * chance for chance in chances.values()]
    assert chisquare([met[pair] for pair in chances], expected).pvalue > 0.001


def test_the_race_draws_as_often_as_stated():
    # All but a billionth of the weight is excluded, so that every query comes to the race.
    weights = np.array([1e9, 1e9, 1.0, 2.0, 3.0])
    queries = 20_000
    drawn = sample(2, np.arange(queries), exclude_all(queries, [0, 1]), 5, 2, weights)
    chances = pair_chances(np.array([0.0, 0.0, 1.0, 2.0, 3.0]))
    counts = [int(((drawn == pair).all(1)).sum()) for pair in chances]
    assert sum(counts) == queries
    assert chisquare(counts, [queries * chance for chance in chances.values()]).pvalue > 0.001


def test_the_excluded_leave_the_rest_in_proportion():
    queries = 30_000
    drawn = sample(3, np.arange(queries), exclude_all(queries, [0]), 5, 1, WEIGHTS)[:, 0]
    counts = np.bincount(drawn, minlength=5)
    assert counts[0] == counts[2] == 0
    assert chisquare(counts[[1, 3, 4]], queries * np.array([1, 3, 1]) / 5).pvalue > 0.001


@given(st.integers(0, 12), st.lists(st.lists(st.integers(-1, 9), max_size=12), max_size=6))
def test_different_allowed_and_as_many_as_there_are(n, excluded):
    drawn = sample(0, np.arange(len(excluded)), Jagged.from_lists(excluded), 10, n)
    for row, left_out in zip(drawn, excluded, strict=True):
        got = [item for item in row if item >= 0]
        assert len(got) == len(set(got)) == min(n, 10 - len(set(left_out) - {-1}))
        assert not set(got) & set(left_out)
        assert (row[len(got) :] == -1).all()


def test_a_query_draws_alike_in_any_block_and_order():
    keys = np.array([7, -1, 2**40, 3])
    lists = [[1, 2], [], [5], [0]]
    together = sample(4, keys, Jagged.from_lists(lists), 100, 8)
    for place in (3, 0, 2, 1):
        alone = sample(4, keys[[place]], Jagged.from_lists([lists[place]]), 100, 8)
        np.testing.assert_array_equal(alone[0], together[place])
    assert len({tuple(row) for row in together}) == 4
    assert (sample(5, keys, Jagged.from_lists(lists), 100, 8) != together).any()


def test_no_items_and_no_weight_give_none():
    assert sample(0, np.arange(2), nobody(2), 0, 3).tolist() == [[-1] * 3] * 2
    assert sample(0, np.arange(1), nobody(1), 2, 2, np.zeros(2)).tolist() == [[-1, -1]]


def test_impossible_weights_are_refused():
    for weights in (np.array([1.0, -1.0]), np.array([1.0, np.nan])):
        with pytest.raises(DataError, match="negative or not finite"):
            sample(0, np.arange(1), nobody(1), 2, 1, weights)
    with pytest.raises(ValueError, match="3 weights for 2 items"):
        sample(0, np.arange(1), nobody(1), 2, 1, np.ones(3))
    with pytest.raises(ValueError, match="1 lists to leave out for 2 queries"):
        sample(0, np.arange(2), nobody(1), 2, 1)
