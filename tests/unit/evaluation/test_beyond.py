import math

import numpy as np
import pytest
import scipy.sparse as sp

from grapevine.evaluation import beyond
from grapevine.structs import Jagged


def lists(*rows):
    return np.array(rows, np.int32)


def test_gini_by_hand():
    assert beyond.gini(np.array([1, 1, 1, 1])) == pytest.approx(0)
    assert beyond.gini(np.array([0, 0, 0, 4])) == pytest.approx(0.75)
    assert beyond.gini(np.array([1, 2, 3, 4])) == pytest.approx(0.25)


def test_coverage_and_entropy_by_hand():
    shown = beyond.exposure(lists([0, 1], [0, -1]), 4)
    assert shown.tolist() == [2, 1, 0, 0]
    assert beyond.coverage(shown) == 0.5
    assert beyond.entropy(np.array([1, 1, 1, 1])) == pytest.approx(2)
    assert beyond.entropy(np.array([0, 0, 5])) == pytest.approx(0)


def test_lorenz_runs_from_zero_to_one_below_the_diagonal():
    line = beyond.lorenz(np.array([0, 0, 0, 4]), points=5)
    assert line.tolist() == [0, 0, 0, 0, 1]
    even = beyond.lorenz(np.ones(7, np.int64))
    np.testing.assert_allclose(even, np.linspace(0, 1, 101), atol=1e-12)


def test_novelty_by_hand():
    # Of 7 users 3 took item 0 and none item 1: 4 of 8 and 1 of 8, so 1 and 3 bits.
    counts = np.array([3, 0])
    assert beyond.novelty(lists([0, 1], [0, -1], [-1, -1]), counts, 7)[:2].tolist() == [2, 1]
    assert math.isnan(beyond.novelty(lists([-1]), counts, 7)[0])


def test_popularity_of_a_list():
    assert beyond.popularity(lists([0, 2]), np.array([10, 5, 2])).tolist() == [6]


def test_the_tail_lies_behind_the_first_fifth_of_the_events():
    counts = np.array([1, 15, 4, 30, 50])
    assert beyond.head(counts).tolist() == [False, False, False, False, True]
    assert beyond.head(np.array([10] * 10)).sum() == 2
    assert beyond.tail_share(lists([4, 0], [0, 1]), counts).tolist() == [0.5, 1]


def test_serendipity_leaves_out_the_obvious():
    counts = np.array([9, 8, 1, 1])
    targets = Jagged.from_lists([[0, 2], [3]])
    # Both first lists hold two targets, but item 0 is among the two most popular.
    assert beyond.serendipity(lists([0, 2], [0, 1]), targets, counts).tolist() == [0.5, 0]
    # A place left empty is no surprise; where nothing was shown, there is nothing to say.
    found = beyond.serendipity(lists([2, -1], [-1, -1]), targets, counts)
    np.testing.assert_array_equal(found, [0.5, np.nan])
    assert np.isnan(beyond.serendipity(np.empty((2, 0), np.int32), targets, counts)).all()


def test_personalisation_by_hand():
    assert beyond.personalisation(lists([1, 2], [1, 2])) == 0
    assert beyond.personalisation(lists([1, 2], [3, 4])) == 1
    assert beyond.personalisation(lists([1, 2], [2, 3])) == pytest.approx(1 - 1 / 3)
    assert beyond.personalisation(lists([-1, -1], [-1, -1])) == 0
    assert math.isnan(beyond.personalisation(lists([1, 2])))


def test_features_of_the_catalogue(world):
    found = beyond.item_features(world.train)
    assert found is not None
    features = found.toarray()
    # Four categories, four tags of the same meaning, one tag that all items have.
    assert features.shape == (40, 9)
    assert features.sum(axis=1).tolist() == [3] * 40


def test_diversity_by_hand_and_by_pairs():
    features = sp.csr_array(np.array([[1, 0], [1, 0], [0, 1], [1, 1], [0, 0]], float))
    found = beyond.diversity(
        lists([0, 1, -1], [0, 2, -1], [0, 3, -1], [0, 4, -1], [0, -1, -1]), features
    )
    np.testing.assert_allclose(found[:4], [0, 1, 1 - 1 / math.sqrt(2), 1], atol=1e-12)
    assert math.isnan(found[4])
    rng = np.random.default_rng(0)
    dense = (rng.random((30, 6)) < 0.4).astype(float)
    rows = np.stack([rng.choice(30, 5, replace=False) for _ in range(8)]).astype(np.int32)
    found = beyond.diversity(rows, sp.csr_array(dense))
    for row, value in zip(rows, found, strict=True):
        pairs = []
        for i in range(5):
            for j in range(i):
                a, b = dense[row[i]], dense[row[j]]
                size = math.sqrt(a.sum() * b.sum())
                pairs.append(1 - (a @ b / size if size else 0))
        assert value == pytest.approx(np.mean(pairs), abs=1e-12)


def test_calibration_by_hand():
    features = sp.csr_array(np.array([[1, 0], [0, 1], [1, 1], [0, 0]], float))
    history = Jagged.from_lists([[0, 1], [0, 0], [0, 1], [2], [], [3]])
    shown = lists([1, 0], [0, 0], [0, 0], [0, 1], [0, 1], [0, 1])
    found = beyond.miscalibration(history, shown, features)
    # A list that mirrors the history is at distance 0, an item of both kinds is half of each.
    np.testing.assert_allclose(found[[0, 1, 3]], 0, atol=1e-12)
    half = 0.5 * math.log(0.5 / (0.99 + 0.005)) + 0.5 * math.log(0.5 / 0.005)
    assert found[2] == pytest.approx(half)
    assert np.isnan(found[4:]).all()
