import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.errors import DataError
from grapevine.tasks import links
from grapevine.tasks.inputs import several


def test_pairs_within_a_block_are_more_likely(communities):
    held = links.hold_out(communities)
    found = links.fit(links.Config(epochs=60), communities, held)
    assert links.auc(found.score(held.test), links.truth_of(held.test)) > 0.7


def test_what_is_asked_is_not_heard(communities):
    held = links.hold_out(communities, seed=5)
    known = set(zip(held.known.senders.tolist(), held.known.receivers.tolist()))
    rows = np.repeat(np.arange(120), np.diff(communities.offsets))
    every = set(zip(rows.tolist(), communities.neighbours.tolist()))
    out = set()
    for pairs in (held.validation, held.test):
        truth = links.truth_of(pairs)
        assert truth.sum() * 2 == len(pairs)
        for (one, two), real in zip(pairs.tolist(), truth):
            assert ((one, two) in every) == real
            assert (one, two) not in known
            assert (two, one) not in known
            out |= {(one, two), (two, one)} if real else set()
    assert known | out == every
    assert len(held.train) * 2 == len(known)


def test_strangers_are_all_there_are_where_all_are_asked_for():
    pairs = np.array([[0, 1], [3, 2]])
    found = links.strangers(pairs, 4, 4, np.random.default_rng(0))
    assert sorted(map(tuple, found.tolist())) == [(0, 2), (0, 3), (1, 2), (1, 3)]
    with pytest.raises(DataError, match="no 5 pairs of 4 nodes"):
        links.strangers(pairs, 4, 5, np.random.default_rng(0))


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_auc_counts_pairs(scored):
    scores, positive = map(np.array, zip(*scored))
    if positive.all() or not positive.any():
        return
    above = (scores[positive][:, None] > scores[~positive]).mean()
    level = (scores[positive][:, None] == scores[~positive]).mean()
    assert links.auc(scores.astype(float), positive) == pytest.approx(above + level / 2)


def test_average_precision_by_hand():
    scores, positive = np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, True, False])
    assert links.average_precision(scores, positive) == pytest.approx((1 + 2 / 3) / 2)
    assert links.average_precision(np.zeros(2), np.array([True, False])) == 0.5


def test_a_graph_with_too_few_edges_says_so(rings_and_stars):
    with pytest.raises(DataError, match="too few to hold some out"):
        links.hold_out(several(rings_and_stars, np.array([1])))
