import numpy as np
import polars as pl
import pytest

from grapevine.data.shop import links, words
from grapevine.data.shop import visits as v
from grapevine.data.shop import world as w
from grapevine.data.shop.shoppers import Shoppers
from grapevine.data.shop.world import World

ITEMS = words.ids("i", range(1_000), 1_000)


@pytest.fixture(scope="module")
def world():
    return World.draw(0, 1_000)


@pytest.fixture(scope="module")
def outfits(world):
    return links.outfits(world, 0, ITEMS)


def rows(table):
    return words.rows(table["source_id"]), words.rows(table["target_id"])


def test_outfits_are_a_top_and_a_bottom_each_pair_once(world, outfits):
    tops, bottoms = rows(outfits)
    assert np.isin(world.category[tops], w.TOPS).all()
    assert np.isin(world.category[bottoms], w.BOTTOMS).all()
    assert outfits.select("source_id", "target_id").is_unique().all()
    assert len(outfits) > 500


def test_every_outfit_keeps_the_rule_and_most_pairs_do_not(world, outfits):
    good, match = links.goes_together(world, *rows(outfits))
    assert good.all()
    np.testing.assert_allclose(outfits["weight"].to_numpy(), match, rtol=1e-5)
    rng = np.random.default_rng(0)
    tops = rng.choice(np.flatnonzero(np.isin(world.category, w.TOPS)), 2_000)
    bottoms = rng.choice(np.flatnonzero(np.isin(world.category, w.BOTTOMS)), 2_000)
    assert links.goes_together(world, tops, bottoms)[0].mean() < 0.3


def test_the_sentence_says_why(world, outfits):
    tops, bottoms = rows(outfits)
    for top, bottom, text in zip(tops, bottoms, outfits["text"]):
        assert w.CATEGORIES[world.category[top]] in text
        assert w.CATEGORIES[world.category[bottom]] in text
        assert w.COLOURS[world.colour[top]] in text
        assert w.COLOURS[world.colour[bottom]] in text
        plain = world.pattern[top] == world.pattern[bottom] == 0
        assert ("both are plain" in text) == plain
        shared = world.affinity[top] * world.affinity[bottom]
        assert text.endswith(f"the style is {w.STYLES[shared.argmax()]}.")


def test_boards_hold_what_was_collected_and_nothing_else(world):
    visits = v.behave(world, v.shelves(world), Shoppers.draw(0, 0), seed=0, block=0, clicks=10)
    users = words.ids("u", range(2_048), 2_048)
    boards = links.boards(world, visits, users, ITEMS)
    kept = visits.behaviour == v.COLLECT
    collected = {
        (users[user], ITEMS[item])
        for user, item in zip(visits.user[kept].tolist(), visits.item[kept].tolist())
    }
    owner = boards["source_id"].str.split("/").list.first()
    assert set(zip(owner, boards["target_id"])) == collected
    assert len(boards) == len(collected)
    style = boards["source_id"].str.split("/").list.last()
    assert style.to_list() == [w.STYLES[s] for s in world.style[words.rows(boards["target_id"])]]
    assert boards.group_by("source_id").agg(pl.col("text").n_unique())["text"].max() == 1
