import numpy as np
import pytest

from grapevine.data.shop import world as w
from grapevine.data.shop.world import World


@pytest.fixture(scope="module")
def world():
    return World.draw(0, 1_000)


def test_every_category_has_its_share_of_the_items(world):
    share = np.bincount(world.category, minlength=len(w.CATEGORIES)) / len(world)
    np.testing.assert_allclose(share, w.COMMON / w.COMMON.sum(), atol=1e-3)
    assert np.bincount(World.draw(0, 50).category, minlength=len(w.CATEGORIES)).min() > 0


def test_popularity_is_a_power_law(world):
    falling = np.sort(world.popularity)[::-1]
    np.testing.assert_allclose(falling, np.arange(1.0, 1_001) ** -w.POWER, rtol=1e-5)


def test_shares_sum_to_one_for_each_taste_and_category(world):
    for category in range(len(w.CATEGORIES)):
        here = world.shares[:, world.category == category].sum(1)
        np.testing.assert_allclose(here, 1, rtol=1e-4)


def test_prices_say_how_dear_an_item_is(world):
    usual = w.USUAL_PRICE[world.category]
    np.testing.assert_allclose(world.price, usual * np.exp(world.dearness), rtol=1e-4)
    assert (world.price > 0).all()


def test_materials_fit_the_category(world):
    for category, material in zip(world.category, world.material):
        assert material in w.WORN_IN[w.CATEGORIES[category]]


def test_harmony_by_hand():
    def goes(one, other):
        return bool(
            w.harmonious(*(np.array([w.COLOURS.index(name)], np.uint8) for name in (one, other)))
        )

    assert goes("navy", "navy")
    assert goes("black", "mustard")  # a neutral goes with anything
    assert goes("navy", "sky")  # 225 and 205 degrees are neighbours
    assert goes("teal", "red")  # 180 and 5 are opposites
    assert goes("red", "rose")  # 5 and 345 are 20 apart, across the top of the wheel
    assert not goes("olive", "mustard")  # 45 apart: neither
    assert (w.harmony() == w.harmony().T).all()


def test_what_follows_is_an_order_and_sums_to_one():
    follow = w.following()
    np.testing.assert_allclose(follow.sum(1), 1, rtol=1e-6)
    tee, trousers = w.CATEGORIES.index("tee"), w.CATEGORIES.index("trousers")
    assert follow[tee, trousers] > 20 * follow[trousers, tee]


def test_seasons_peak_where_they_should():
    coat, shorts = (w.season()[w.CATEGORIES.index(name)] for name in ("coat", "shorts"))
    assert abs(int(coat.argmax()) - 49) <= 1
    assert abs(int(shorts.argmax()) - 27) <= 1
    assert w.season().max() <= 1
    assert w.season().min() > 0


def test_a_world_comes_back_from_its_file(world, tmp_path):
    world.save(tmp_path / "world.safetensors")
    back = World.load(tmp_path / "world.safetensors")
    np.testing.assert_array_equal(back.affinity, world.affinity)
    assert len(back) == len(world)


def test_another_seed_is_another_world(world):
    assert (World.draw(1, 1_000).affinity != world.affinity).all()
    np.testing.assert_array_equal(World.draw(0, 1_000).affinity, world.affinity)
