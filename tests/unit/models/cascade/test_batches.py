from collections import Counter

import numpy as np

from grapevine.models.cascade.batches import ByPairs, ByUsers
from grapevine.models.cascade.learner import _taken
from grapevine.models.tables import Pairs
from grapevine.random import stream

NAMES = {0: "view", 1: "buy"}


def random_pairs(seed, share, users=9, items=12):
    taken = stream(seed, "pairs").random((users, items)) < share
    return Pairs(*np.nonzero(taken), users, items)


def world(seed=0):
    pairs = {0: random_pairs(seed, 0.4), 1: random_pairs(seed + 1, 0.2)}
    return pairs, _taken(pairs)


def by_pairs(pairs, taken, **more):
    given = {"size": 4, "negatives": 3, "seed": 7, "epoch": 0, **more}
    return ByPairs(pairs, taken, NAMES, **given)


def test_an_epoch_has_every_pair_of_every_behaviour_once():
    pairs, taken = world()
    for batches in (by_pairs(pairs, taken), ByUsers(pairs, size=4, seed=7, epoch=0)):
        found = {0: Counter(), 1: Counter()}
        for step in range(len(batches)):
            one = batches[step]
            for row, asked in one.asked.items():
                users = one.users[asked.users] if len(one.users) else asked.users
                found[row].update(zip(users.tolist(), asked.items.tolist(), strict=True))
        for row, one in pairs.items():
            assert found[row] == Counter(zip(one.users.tolist(), one.items.tolist(), strict=True))
        assert batches.examples == sum(len(one.users) for one in pairs.values())
    steps = [len(by_pairs(pairs, taken)[step].asked[1].users) for step in range(len(batches))]
    assert max(steps) <= 4


def test_a_small_log_has_steps_enough_and_a_large_behaviour_is_bounded():
    few = {0: random_pairs(0, 0.5, 200, 90), 1: random_pairs(1, 0.5, 200, 20)}
    assert len(by_pairs(few, _taken(few), size=10**6)) == -(-len(few[1].users) // 256)
    rare = {0: random_pairs(0, 0.9, 300, 60), 1: random_pairs(1, 0.01, 300, 60)}
    batches = by_pairs(rare, _taken(rare), size=10)
    assert max(len(batches[step].asked[0].users) for step in range(len(batches))) <= 16 * 10
    assert len(ByUsers(few, size=512, seed=0, epoch=0)) == -(-200 // 64)


def test_no_negative_was_taken_by_the_behaviour_or_by_a_later_one():
    pairs, taken = world()
    batches = by_pairs(pairs, taken, negatives=50)
    later = {0: (0, 1), 1: (1,)}
    for row, rows in later.items():
        bad = {
            (user, item)
            for other in rows
            for user, item in zip(pairs[other].users, pairs[other].items, strict=True)
        }
        met = set()
        for step in range(len(batches)):
            one = batches[step].asked[row]
            met |= {
                (u, i) for u, those in zip(one.users, one.negatives, strict=True) for i in those
            }
        assert not met & bad
        users = {*pairs[row].users}
        assert len(met) == len(users) * 12 - sum(user in users for user, _ in bad)


def test_what_is_drawn_for_a_behaviour_depends_on_no_other():
    pairs, taken = world()
    both, alone = by_pairs(pairs, taken), by_pairs({1: pairs[1]}, taken)
    for step in range(len(both)):
        for name in ("users", "items", "negatives"):
            np.testing.assert_array_equal(
                getattr(both[step].asked[1], name), getattr(alone[step].asked[1], name)
            )
    again = by_pairs(pairs, taken, epoch=1)
    assert not np.array_equal(again[0].asked[1].items, both[0].asked[1].items)


def test_a_user_who_took_everything_is_still_given_something():
    full = Pairs(np.zeros(3, np.int64), np.arange(3), 1, 3)
    batches = by_pairs({0: full}, _taken({0: full}))
    assert batches[0].asked[0].negatives.shape == (3, 3)
