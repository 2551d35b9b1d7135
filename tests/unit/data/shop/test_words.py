import numpy as np

from grapevine.data.shop import words
from grapevine.data.shop import world as w
from grapevine.data.shop.shoppers import Shoppers
from grapevine.data.shop.world import World


def test_ids_sort_in_the_order_of_their_rows():
    for size in (3, 2_000, 1_234_567_890):
        ids = words.ids("u", range(max(size - 3, 0), size), size)
        assert ids.is_sorted()
        assert words.rows(ids).tolist() == list(range(max(size - 3, 0), size))
    # One shop's IDs have one length, or "u10" would stand before "u9".
    assert {len(one) for one in words.ids("u", range(5), 10_000_000)} == {8}


def test_titles_by_hand():
    world = World.draw(0, 60).take(np.array([0, 0, 0]))
    codes = {
        "category": ["shirt", "coat", "dress"], "material": ["linen", "wool", "silk"],
        "colour": ["navy", "olive", "rose"], "brand": ["Ardenby", "Corvane", "Tarnley"],
        "pattern": ["stripes", "plain", "checks"], "shape": ["regular", "loose", "slim"],
    }  # fmt: skip
    known = {
        "category": w.CATEGORIES, "material": w.MATERIALS, "colour": w.COLOURS,
        "brand": w.BRANDS, "pattern": w.PATTERNS, "shape": w.SHAPES,
    }  # fmt: skip
    for column, names in codes.items():
        getattr(world, column)[:] = [known[column].index(name) for name in names]
    assert words.titles(world).to_list() == [
        "Striped linen shirt, navy, Ardenby",
        "Loose wool coat, olive, Corvane",
        "Slim checked silk dress, rose, Tarnley",
    ]


def test_tables_have_a_line_for_each_row():
    world, shoppers = World.draw(0, 60), Shoppers.draw(0, 0).take(slice(0, 5))
    items = words.item_table(world)
    assert items["item_id"].is_sorted()
    assert items["colour"].to_list() == [w.COLOURS[code] for code in world.colour]
    assert items.null_count().sum_horizontal()[0] == 0
    users = words.user_table(shoppers, words.ids("u", range(5), 5))
    assert users["age"].to_list() == shoppers.age.tolist()
