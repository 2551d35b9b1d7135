"""The chances that are written down, beside what shoppers did."""

import numpy as np
import pytest
from scipy import stats

from grapevine.data.shop import truth
from grapevine.data.shop import visits as v
from grapevine.data.shop.shoppers import BLOCK, Shoppers
from grapevine.data.shop.world import START_MS, YEAR_MS, World
from grapevine.errors import DataError
from grapevine.graph.browse import CARTED, Walkers, browse, walk_keys

CLONES, STEPS = 60_000, 4


@pytest.fixture(scope="module")
def world():
    return World.draw(0, 120)


@pytest.fixture(scope="module")
def person():
    return Shoppers.draw(0, 0).take(slice(17, 18))


@pytest.fixture(scope="module")
def walks(world, person):
    """The same person sets out so many times, at the same hour."""

    def rows(chances):
        return np.tile(np.cumsum(chances, axis=1).astype(np.float32), (CLONES, 1))

    walkers = Walkers(
        key=walk_keys(np.uint64(1), 0, CLONES),
        before=rows(person.before),
        after=rows(person.after),
        wants=rows(person.wants),
        budget=np.repeat(person.budget, CLONES),
        care=np.repeat(person.care, CLONES),
        sessions=np.arange(CLONES + 1),
        steps=np.arange(0, CLONES * STEPS + 1, STEPS),
        share=np.full(CLONES, 0.4, np.float32),
    )
    items, outcomes = browse(v.shelves(world), walkers, v.RULES)
    return items.reshape(-1, STEPS), outcomes.reshape(-1, STEPS)


def agrees(drawn, chance):
    counts = np.bincount(drawn, minlength=len(chance))
    expected = chance * len(drawn)
    assert not counts[chance == 0].any()
    rare = expected < 5  # one class, as the chi-square wants
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    filled = expected > 0
    return stats.chisquare(counts[filled], expected[filled]).pvalue > 1e-4


def chances(world, person, last):
    share = np.full(1, 0.4, np.float32)
    return truth.click_chances(world, person, share, np.array([last]))[0]


def test_rows_sum_to_one(world):
    shoppers = Shoppers.draw(0, 0)
    rng = np.random.default_rng(0)
    share = rng.random(BLOCK).astype(np.float32)
    last = rng.integers(-1, len(world), BLOCK)
    for rows in (
        truth.click_chances(world, shoppers, share, last),
        truth.usual_click_chances(world, shoppers, share),
    ):
        assert rows.min() >= 0
        np.testing.assert_allclose(rows.sum(1), 1)


def test_the_first_click_has_the_chance_that_is_written_down(world, person, walks):
    assert agrees(walks[0][:, 0], chances(world, person, -1))


def test_the_next_click_has_the_chance_that_is_written_down(world, person, walks):
    items, outcomes = walks
    common = np.bincount(items[:, 0]).argsort()[::-1][:5]
    for last in common:
        after = (items[:, 0] == last) & (outcomes[:, 0] & CARTED == 0)
        assert agrees(items[after, 1], chances(world, person, last))
        assert not agrees(items[after, 1], chances(world, person, -1))


def test_the_usual_click_is_close_to_the_average_one(world, person, walks):
    # Sessions of four, against geometric ones of the same mean: close is all that is claimed.
    found = np.bincount(walks[0].ravel(), minlength=len(world)) / walks[0].size
    usual = truth.usual_click_chances(world, person, np.full(1, 0.4, np.float32))[0]
    first = chances(world, person, -1)
    assert np.abs(found - usual).sum() / 2 < 0.12
    assert np.abs(found - usual).sum() < np.abs(found - first).sum()


def test_share_of_the_year():
    times = np.array([START_MS, START_MS + YEAR_MS // 4, START_MS - 1, START_MS + 2 * YEAR_MS, 0])
    assert truth.share_of_year(times).tolist() == [0, 0.25, 1, 1, 1]


def test_only_a_shop_has_a_truth(tmp_path):
    with pytest.raises(DataError, match="not a shop") as raised:
        truth.load(tmp_path)
    assert "make-shop" in str(raised.value)
    with pytest.raises(DataError, match="no folder"):
        truth.load(None)


def test_the_truth_comes_back_in_order(tmp_path, world):
    shoppers = Shoppers.draw(0, 0)
    truth.save_items(tmp_path, world)
    truth.save_users(tmp_path, shoppers.take(slice(0, 700)), part=0)
    truth.save_users(tmp_path, shoppers.take(slice(700, BLOCK)), part=1)
    got_world, got = truth.load(tmp_path)
    np.testing.assert_array_equal(got_world.affinity, world.affinity)
    np.testing.assert_array_equal(got.before, shoppers.before)
