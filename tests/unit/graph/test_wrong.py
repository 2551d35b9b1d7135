import numpy as np
import pytest
from scipy.stats import chisquare

from grapevine.graph.wrong import Negatives, in_batch
from grapevine.structs import Jagged

OFFSETS = (0, 3, 8)
COUNTS = np.array([9, 9, 9, 0, 1, 16, 81, 256])


def test_a_power_of_the_counts_and_only_the_type():
    drawn = Negatives.of_type(COUNTS, OFFSETS, 1).draw(np.arange(50_000), 1, seed=1)[:, 0]
    met = np.bincount(drawn, minlength=8)
    assert met[:4].sum() == 0
    expected = np.array([1, 8, 27, 64]) / 100
    assert chisquare(met[4:], 50_000 * expected).pvalue > 0.01


def test_power_zero_is_uniform_and_takes_the_unmet():
    drawn = Negatives.of_type(COUNTS, OFFSETS, 1, power=0).draw(np.arange(20_000), 2, seed=1)
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert chisquare(np.bincount(drawn.ravel(), minlength=8)[3:]).pvalue > 0.01


def test_never_a_positive_and_nobody_where_there_is_none_left():
    known = Jagged.from_lists([[0, 4, 7], [3, 4, 5, 6, 7], []])
    pool = Negatives.of_type(COUNTS, OFFSETS, 1, power=0)
    for step in range(30):
        drawn = pool.draw(np.arange(3), 4, seed=2, step=step, known=known)
        assert {*drawn[0].tolist()} == {3, 5, 6, -1}
        assert (drawn[1] == -1).all()
        assert len({*drawn[2].tolist()} & {3, 4, 5, 6, 7}) == 4


def test_a_query_draws_alike_in_any_block_and_anew_in_each_step():
    pool = Negatives.of_type(COUNTS, OFFSETS, 1)
    whole = pool.draw(np.arange(100), 3, seed=4)
    np.testing.assert_array_equal(pool.draw(np.arange(40, 60), 3, seed=4), whole[40:60])
    assert (pool.draw(np.arange(100), 3, seed=4, step=1) != whole).any()
    with pytest.raises(ValueError, match="got 1 lists to leave out for 2 queries"):
        pool.draw(np.arange(2), 1, seed=0, known=Jagged.empty(1))


def test_answers_of_a_batch_are_each_others_negatives():
    positives = np.array([5, 3, 5, 7])
    known = Jagged.from_lists([[5, 7], [3], [5], []])
    nodes, keep = in_batch(positives, known)
    assert nodes.tolist() == [3, 5, 7]
    assert keep.tolist() == [
        [True, False, False],
        [False, True, True],
        [True, False, True],
        [True, True, False],
    ]
