"""Walks must draw from the distribution that is written down, and from nothing else."""

import itertools

import numpy as np
import pytest
from scipy import stats

from grapevine.graph.alias import alias_tables
from grapevine.graph.browse import (
    CARTED,
    ITEM,
    Rules,
    Shelves,
    Walkers,
    browse,
    walk_keys,
)


def chances_of(table, order, starts):
    """What an alias table draws, worked out place by place."""
    chances = np.zeros(table.shape)
    for row, places in enumerate(table):
        for start, stop in itertools.pairwise(starts):
            for place in places[start:stop]:
                chances[row, place["item"]] += place["keep"] / (stop - start)
                chances[row, place["other"]] += (1 - place["keep"]) / (stop - start)
    return chances


@pytest.mark.parametrize("seed", range(5))
def test_alias_tables_hold_the_weights_exactly(seed):
    rng = np.random.default_rng(seed)
    weights = rng.pareto(0.7, (3, 40)).astype(np.float32) + 1e-6
    order = rng.permutation(40).astype(np.int32)
    starts = np.array([0, 1, 13, 40])
    wanted = np.zeros((3, 40))
    for start, stop in itertools.pairwise(starts):
        part = order[start:stop]
        wanted[:, part] = weights[:, part] / weights[:, part].sum(1, keepdims=True)
    got = chances_of(alias_tables(weights, order, starts), order, starts)
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_keys_depend_on_the_row_alone():
    seed = np.uint64(7)
    np.testing.assert_array_equal(walk_keys(seed, 0, 9)[4:], walk_keys(seed, 4, 9))
    assert len(np.unique(walk_keys(seed, 0, 10_000))) == 10_000
    assert walk_keys(seed, 0, 1)[0] != walk_keys(np.uint64(8), 0, 1)[0]


# Six items in two categories, two tastes, two colours: small enough to work out by hand.
SHARES = np.array([[0.5, 0.3, 0.2, 0.7, 0.2, 0.1], [0.1, 0.1, 0.8, 0.2, 0.2, 0.6]], np.float32)
FOLLOW = np.array([[0.2, 0.8], [0.9, 0.1]])
SEASON = np.array([[1.0, 0.5], [0.6, 1.0]], np.float32)
HARMONY = np.array([[1.0, 0.4], [0.4, 1.0]], np.float32)
RULES = Rules(
    stay=0.75,
    faded=0.6,
    least=0.1,
    at_once=0.4,
    funnel=np.array(
        [[-1, 0.5, 0.3, 0], [0, 0.4, 0, -1], [-1, 0.4, 0, -1], [0, 0.3, 0.5, -1]], "f4"
    ),
)
WANTS, BEFORE, AFTER, BUDGET, CARE, SHARE = (0.3, 0.7), (0.8, 0.2), (0.1, 0.9), 0.1, 2.0, 0.3


def small_shop():
    items = np.zeros(6, ITEM)
    items["category"] = [0, 0, 0, 1, 1, 1]
    items["colour"] = [0, 1, 0, 1, 0, 1]
    items["dearness"] = [0.0, 0.3, -0.2, 0.5, 0.1, 3.0]
    items["quality"] = [0.5, -1, 0, 1, 0.2, -0.3]
    items["trend"] = [0.5, -0.5, 0, 1, -1, 0.2]
    items["listed"] = [0, 0, 0, 0.9, 0, 0]
    starts = np.array([0, 3, 6])
    return Shelves(
        items=items,
        affinity=np.array([[1, 0], [0, 1], [1, 1], [0, 0], [2, 0], [0, 2]], np.float32),
        starts=starts,
        places=alias_tables(SHARES, np.arange(6, dtype=np.int32), starts),
        season=SEASON,
        follow=FOLLOW.cumsum(1).astype(np.float32),
        harmony=HARMONY,
    )


def walkers(count, sessions, steps):
    def rows(values):
        return np.tile(np.cumsum(values).astype(np.float32), (count, 1))

    return Walkers(
        key=walk_keys(np.uint64(3), 0, count),
        before=rows(BEFORE),
        after=rows(AFTER),
        wants=rows(WANTS),
        budget=np.full(count, BUDGET, np.float32),
        care=np.full(count, CARE, np.float32),
        sessions=np.arange(0, count * sessions + 1, sessions),
        steps=np.arange(0, count * sessions * steps + 1, steps),
        share=np.full(count * sessions, SHARE, np.float32),
    )


def chances(last):
    """The stated distribution, item by item."""
    items = small_shop().items
    out = np.zeros(6)
    for i, item in enumerate(items):
        category = WANTS[item["category"]]
        if last >= 0:
            follows = FOLLOW[items[last]["category"], item["category"]]
            category = 0.25 * category + 0.75 * follows
        mix = (1 - SHARE) * np.array(BEFORE) + SHARE * np.array(AFTER)
        out[i] = category * (mix @ SHARES[:, i]) * SEASON[item["category"], 0]
        out[i] *= max(0.1, np.exp(-CARE * max(0, item["dearness"] - BUDGET)))
        trend = item["trend"]
        out[i] *= 1 - 0.6 * (trend * (1 - SHARE) if trend > 0 else -trend * SHARE)
        out[i] *= HARMONY[items[last]["colour"], item["colour"]] if last >= 0 else 1
        out[i] *= item["listed"] <= SHARE
    return out / out.sum()


def agrees(drawn, chance):
    """Chi-square of drawn items against their chances; those of no chance must not be drawn."""
    counts = np.bincount(drawn, minlength=len(chance))
    assert not counts[chance == 0].any()
    possible = chance > 0
    expected = chance[possible] / chance[possible].sum() * len(drawn)
    return stats.chisquare(counts[possible], expected).pvalue > 1e-4


def test_the_first_step_follows_the_stated_distribution():
    items, _ = browse(small_shop(), walkers(100_000, 1, 1), RULES)
    assert agrees(items, chances(-1))


def test_the_second_step_follows_the_first():
    items, outcomes = browse(small_shop(), walkers(200_000, 1, 2), RULES)
    first, second = items.reshape(-1, 2).T
    carted = (outcomes.reshape(-1, 2)[:, 0] & CARTED) > 0
    for last in (0, 1, 2, 4, 5):
        assert agrees(second[(first == last) & ~carted], chances(last))
        # What was put into the cart is not looked at again; the rest shares its chance.
        rest = np.where(np.arange(6) == last, 0, chances(last))
        assert agrees(second[(first == last) & carted], rest)


def test_a_wrong_distribution_is_told_apart():
    items, _ = browse(small_shop(), walkers(100_000, 1, 2), RULES)
    first, second = items.reshape(-1, 2).T
    assert not agrees(second[first == 0], chances(-1))


def test_a_walk_does_not_depend_on_who_else_walks():
    shop, all_of_them = small_shop(), walkers(50, 3, 4)
    items, outcomes = browse(shop, all_of_them, RULES)
    few = walkers(20, 3, 4)._replace(key=all_of_them.key[30:])
    got_items, got_outcomes = browse(shop, few, RULES)
    np.testing.assert_array_equal(got_items, items[30 * 12 :])
    np.testing.assert_array_equal(got_outcomes, outcomes[30 * 12 :])
