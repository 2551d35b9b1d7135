import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare

from grapevine.evaluation.experiments.interleave import (
    NOBODY,
    preference,
    team_draft,
    wilson,
)


def drafted_slowly(first, second, k, coins):
    """Radlinski et al.'s algorithm, a user at a time: coins say who begins each round."""
    items, team = [], []
    while len(items) < k:
        begins = coins[len(items) // 2]
        for turn in (begins, 1 - begins):
            left = [[one for one in side if one not in items] for side in (first, second)]
            side = turn if left[turn] else 1 - turn
            if left[side] and len(items) < k:
                items.append(left[side][0])
                team.append(side)
        if not any(one not in items for one in (*first, *second)):
            break
    return items, team


class Coins(np.random.Generator):
    """A generator that throws what it was told to."""

    def __init__(self, throws):
        super().__init__(np.random.PCG64(0))
        self.throws = iter(throws)

    def integers(self, low, high, size):
        return np.full(size, next(self.throws))


@given(
    st.permutations(range(8)),
    st.permutations(range(4, 12)),
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(1, 10),
    st.lists(st.integers(0, 1), min_size=5, max_size=5),
)
def test_drafting_is_the_plain_algorithm(first, second, a, b, k, coins):
    pad = [np.array([[*one[:size], *[-1] * (8 - size)]]) for one, size in ((first, a), (second, b))]
    found = team_draft(*pad, k, Coins(coins))
    items, team = drafted_slowly(first[:a], second[:b], k, coins)
    there = found.items[0] >= 0
    assert found.items[0][there].tolist() == items
    assert found.team[0][there].tolist() == team
    assert (found.team[0][~there] == NOBODY).all()


def credits_of(quality, users=4_000, k=6, seed=0):
    """Two rankings of ten items; `quality` is how often the second has the clicked one in front."""
    rng = np.random.default_rng(seed)
    good, bad = np.arange(10), np.arange(10)[::-1]
    better = rng.random(users) < quality
    first = np.broadcast_to(bad, (users, 10))
    second = np.where(better[:, None], good, bad)
    found = team_draft(first, second, k, rng)
    looked = rng.random((users, k)) < np.arange(1, k + 1) ** -0.7
    return found.credit((found.items >= 0) & (found.items < 3) & looked)


def test_identical_lists_are_preferred_alike():
    found = preference(credits_of(0.0))
    assert found.low < 0.5 < found.high
    assert found.winner == NOBODY


def test_the_better_list_wins_the_more_the_better_it_is():
    shares = [preference(credits_of(quality)).share for quality in (0.1, 0.3, 0.6, 1.0)]
    assert shares == sorted(shares)
    assert shares[0] > 0.5
    assert preference(credits_of(1.0)).winner == 1


def test_both_teams_get_the_same_places():
    rng = np.random.default_rng(1)
    first, second = (np.stack([rng.permutation(30) for _ in range(6_000)]) for _ in range(2))
    team = team_draft(first, second, 7, rng).team
    for place in range(7):
        assert chisquare(np.bincount(team[:, place])).pvalue > 0.001


def test_the_sign_test_is_the_binomial_one():
    credit = np.repeat([3, -1, 0], [30, 12, 100])
    found = preference(credit)
    assert (found.first, found.second, found.ties) == (12, 30, 100)
    theirs = binomtest(30, 42)
    interval = theirs.proportion_ci(method="wilson")
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.to_json()["winner"] == 1
    assert preference(-credit).winner == 0


def test_nobody_prefers_anything():
    found = preference(np.zeros(5, np.int64))
    assert (found.share, found.p, found.winner) == (0.5, 1.0, NOBODY)
    assert wilson(0, 0) == (0.0, 1.0)
