from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import chisquare

from grapevine.graph.links import Links
from grapevine.graph.metapaths import Hop, fan_out, near_in_walks, walks

USERS, ITEMS = 600, 400


def links(sources, targets, types, degree, seed=0):
    """Each source leads to some targets, drawn."""
    draw = np.random.default_rng(seed)
    senders = np.repeat(np.arange(*sources), degree)
    receivers = draw.integers(*targets, len(senders))
    weights = draw.uniform(0.5, 2, len(senders)).astype(np.float32)
    return Links.from_pairs(senders, receivers, USERS + ITEMS, weights, types=types)


BUYS = links((0, USERS), (USERS, USERS + ITEMS), (0, 1), 7)
BOUGHT_BY = links((USERS, USERS + ITEMS), (0, USERS), (1, 0), 7)
ALIKE = links((USERS, USERS + ITEMS), (USERS, USERS + ITEMS), (1, 1), 8)


def test_the_example_of_aligraph_has_31232_vertices():
    starts = np.arange(512)
    levels = fan_out(starts, [Hop(BUYS, 10), Hop(ALIKE, 5, "top")], seed=3)
    assert [level.shape for level in levels] == [(512,), (512, 10), (512, 10, 5)]
    assert [int((level >= 0).sum()) for level in levels] == [512, 5120, 25_600]
    assert sum(int((level >= 0).sum()) for level in levels) == 31_232
    for user in (0, 100, 511):
        assert {*levels[1][user]} <= {*BUYS.ends[user]}
        for item, alike in zip(levels[1][user].tolist(), levels[2][user].tolist()):
            assert alike == ALIKE.in_order.ends[item][:5].tolist()


def test_a_batch_and_its_parts_draw_alike():
    hops = [Hop(BUYS, 4), Hop(BOUGHT_BY, 3, "uniform"), Hop(BUYS, 2)]
    whole = fan_out(np.arange(100), hops, seed=5)
    part = fan_out(np.arange(60, 80), hops, seed=5)
    for level, some in zip(whole, part):
        np.testing.assert_array_equal(level[60:80], some)
    other = fan_out(np.arange(100), hops, seed=6)
    assert (other[1] != whole[1]).any()


def test_nobody_has_nobody_and_all_means_all():
    few = Links.from_pairs(np.array([0, 0, 2]), np.array([1, 2, 1]), 3)
    levels = fan_out(np.array([0, 1]), [Hop(few, None), Hop(few, 2)], seed=0)
    assert levels[1].tolist() == [[1, 2], [-1, -1]]
    assert levels[2].tolist() == [[[-1, -1], [1, 1]], [[-1, -1], [-1, -1]]]


def test_a_path_that_does_not_join_is_refused():
    with pytest.raises(ValueError, match="relation 0 of the path ends at type 1"):
        fan_out(np.arange(2), [Hop(BUYS, 2), Hop(BUYS, 2)], seed=0)
    with pytest.raises(ValueError, match="relation 0 of the path ends at type 1"):
        walks([BUYS], np.arange(2), 4, 0)
    with pytest.raises(ValueError, match="one relation or more"):
        walks([], np.arange(2), 4, 0)


def test_walks_follow_the_path_and_know_only_their_own_number():
    starts = np.repeat(np.arange(40), 3)
    walked = walks([BUYS, BOUGHT_BY], starts, 7, seed=1)
    for walk in walked[::11].tolist():
        for place, (one, two) in enumerate(pairwise(walk)):
            assert two in (BUYS, BOUGHT_BY)[place % 2].ends[one]
    part = walks([BUYS, BOUGHT_BY], starts[50:], 7, seed=1, first=50)
    np.testing.assert_array_equal(walked[50:], part)
    assert len({walk.tobytes() for walk in walked}) > 115


def test_steps_of_a_walk_are_weighted_and_independent():
    # Two nodes that lead to each other's type with chances 1/4 and 3/4.
    lists = [[2, 3], [2, 3], [0, 1], [0, 1]]
    senders, receivers = np.repeat(np.arange(4), 2), np.concatenate(lists)
    weights = np.tile(np.array([1, 3], np.float32), 4)
    links = Links.from_pairs(senders, receivers, 4, weights)
    walked = walks([links], np.zeros(20_000, np.int64), 4, seed=2) % 2
    counts = np.bincount(walked[:, 1:] @ [4, 2, 1], minlength=8)
    share = np.array([0.25, 0.75])
    expected = np.einsum("i,j,k->ijk", share, share, share).ravel() * 20_000
    assert chisquare(counts, expected).pvalue > 0.01


def test_a_walk_ends_where_there_is_no_way_on():
    chain = Links.from_pairs(np.array([0, 1]), np.array([1, 2]), 4)
    assert walks([chain], np.array([0, 3]), 5, 0).tolist() == [[0, 1, 2, -1, -1], [3, *[-1] * 4]]


def test_pairs_within_a_window():
    walked = np.array([[5, 6, 5, -1]], np.int32)
    pairs = near_in_walks(walked, 2)
    assert sorted(map(tuple, pairs.tolist())) == [(5, 6), (5, 6), (6, 5), (6, 5)]
    assert near_in_walks(walked[:, :1], 2).shape == (0, 2)
    assert len(near_in_walks(np.arange(10, dtype=np.int32)[None], 5)) == 2 * (9 + 8 + 7 + 6 + 5)
