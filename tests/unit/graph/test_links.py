import numpy as np
import pytest
from scipy.stats import chisquare

from grapevine.graph.links import Links
from grapevine.structs import Jagged

# Node 2 leads to four others, node 3 to one, node 0 to nobody.
WEIGHTS = np.array([1, 2, 3, 4, 5], np.float32)
LINKS = Links(Jagged.from_lists([[], [], [4, 5, 6, 7], [1], [], [], [], []]), WEIGHTS)
SHARES = np.array([1, 2, 3, 4]) / 10
KEY = np.uint64(11)


def rows(*wanted):
    return np.array(wanted, np.int64)


def test_weighted_draws_are_in_proportion_to_the_weights():
    drawn = LINKS.draw(rows(2), 100_000, key=KEY)[0]
    counts = np.bincount(drawn, minlength=8)[4:]
    assert chisquare(counts, 100_000 * SHARES).pvalue > 0.01


def test_without_weights_all_are_as_likely():
    drawn = Links(LINKS.ends).draw(rows(2), 100_000, key=KEY)[0]
    assert chisquare(np.bincount(drawn, minlength=8)[4:]).pvalue > 0.01


def test_one_after_another_the_draws_are_independent():
    drawn = LINKS.draw(rows(2), 100_000, key=KEY)[0] - 4
    pairs = np.bincount(4 * drawn[:-1:2] + drawn[1::2], minlength=16)
    assert chisquare(pairs, 50_000 * np.outer(SHARES, SHARES).ravel()).pvalue > 0.01


@pytest.mark.parametrize("how", ["weighted", "uniform", "top"])
def test_a_node_draws_alike_wherever_it_is_asked_for(how):
    alone = LINKS.draw(rows(2), 3, how, key=KEY)
    among = LINKS.draw(rows(3, 2, -1, 0, 2), 3, how, key=KEY)
    np.testing.assert_array_equal(among[[1, 4]], np.repeat(alone, 2, 0))
    assert (among[2:4] == -1).all()
    assert set(among[0]) <= {1, -1}


def test_threads_change_nothing(all_threads):
    import numba

    wanted = np.tile(rows(2, 3, 0), 1000)
    many = LINKS.draw(wanted, 5, key=KEY)
    numba.set_num_threads(1)
    np.testing.assert_array_equal(LINKS.draw(wanted, 5, key=KEY), many)


def test_the_heaviest_come_first_and_ties_go_to_the_lower_row():
    assert LINKS.draw(rows(2, 3), 2, "top", key=KEY).tolist() == [[7, 6], [1, -1]]
    tied = Links(Jagged.from_lists([[9, 3, 5]]), np.array([1, 2, 2], np.float32))
    assert tied.draw(rows(0), 4, "top", key=KEY).tolist() == [[3, 5, 9, -1]]
    assert Links(tied.ends).draw(rows(0), 2, "top", key=KEY).tolist() == [[3, 5]]


def test_uniform_draws_take_each_once_where_there_are_as_many():
    for key in range(20):
        assert len({*LINKS.draw(rows(2), 4, "uniform", key=np.uint64(key))[0].tolist()}) == 4


def test_all_neighbours_stand_as_they_are():
    assert LINKS.all_of(rows(3, 2, -1)).tolist() == [[1, -1, -1, -1], [4, 5, 6, 7], [-1] * 4]
    assert LINKS.all_of(rows(0)).shape == (1, 0)


def test_pairs_in_any_order_are_put_together():
    order = np.array([4, 0, 3, 1, 2])
    senders = np.array([2, 2, 2, 2, 3])[order]
    made = Links.from_pairs(senders, LINKS.ends.values[order].astype(np.int64), 8, WEIGHTS[order])
    assert made.in_order.ends[2].tolist() == [7, 6, 5, 4]
    np.testing.assert_array_equal(made.ends.offsets, LINKS.ends.offsets)


def test_what_cannot_be_is_refused():
    for how in ("weighted", "uniform", "top"):
        with pytest.raises(ValueError, match=r"rows must lie in \[-1, 8\): got -2 .. 8"):
            LINKS.draw(rows(8, -2), 1, how, key=KEY)
    with pytest.raises(ValueError, match="weights must be positive"):
        Links(LINKS.ends, np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="4 weights for 5 edges"):
        Links(LINKS.ends, WEIGHTS[:4])
