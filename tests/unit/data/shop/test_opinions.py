import numpy as np
import pytest

from grapevine.data.shop import opinions as o
from grapevine.data.shop import visits as v
from grapevine.data.shop.shoppers import Shoppers
from grapevine.data.shop.truth import share_of_year
from grapevine.data.shop.world import World


@pytest.fixture(scope="module")
def bought():
    """Purchases, what their buyers thought of each aspect, and what they said."""
    world, shoppers = World.draw(0, 1_000), Shoppers.draw(0, 0)
    visits = v.behave(world, v.shelves(world), shoppers, seed=0, block=0, clicks=40)
    visits = visits.take(visits.behaviour == v.BUY)
    liking = o.likings(world, shoppers, visits.user, visits.item, share_of_year(visits.time))
    return visits, liking


def aspect_of(phrase):
    """Which aspect and side a phrase speaks of."""
    found = [side for side, phrases in o.PHRASES.items() if phrase in phrases]
    assert len(found) == 1
    return found[0]


def read(review):
    """The aspects and sides that a review speaks of, from its words alone."""
    text = review.rstrip(".").lower()
    for phrases in o.PHRASES.values():
        for phrase in phrases:
            for joint in (", and ", ", but "):
                if text.startswith(phrase + joint):
                    return aspect_of(phrase), aspect_of(text[len(phrase + joint) :])
    raise AssertionError(review)


def test_reviews_read_well():
    said = o.reviews()
    assert len(said) == len(set(said)) == 32 * 32
    style, price = o.ASPECTS.index("style"), o.ASPECTS.index("price")
    pleased, not_pleased = style * 8 + 4, price * 8
    assert said[pleased * 32 + not_pleased] == "Just my style, but too expensive."
    assert said[not_pleased * 32 + price * 8 + 3] == "Too expensive, and it costs too much."


def test_ratings_are_one_to_five_for_purchases_alone(bought):
    visits, _ = bought
    rated = visits.rating[~np.isnan(visits.rating)]
    assert set(rated.tolist()) == {1, 2, 3, 4, 5}
    size = len(visits.rating)
    assert abs(len(rated) / size - o.RATED) < 4 * np.sqrt(o.RATED * (1 - o.RATED) / size)
    assert np.isnan(visits.rating[visits.review >= 0]).sum() == 0


def test_every_aspect_drives_the_rating_by_its_weight(bought):
    visits, liking = bought
    rated = ~np.isnan(visits.rating)
    columns = np.column_stack([liking[rated], np.ones(rated.sum())])
    found = np.linalg.lstsq(columns, visits.rating[rated], rcond=None)[0][:-1]
    # Stars end at one and five, which takes a little off every weight.
    assert (found > 0.7 * o.WEIGHTS).all()
    assert (found < 1.02 * o.WEIGHTS).all()


def test_the_words_follow_the_aspects_that_drove_the_rating(bought):
    visits, liking = bought
    written = np.flatnonzero(visits.review >= 0)[:3_000]
    pull = o.WEIGHTS * liking[written]
    right_aspect, right_side = [], []
    for row, code in enumerate(visits.review[written]):
        said = read(o.reviews()[code])
        assert said[0][0] != said[1][0]
        strongest = o.ASPECTS[np.abs(pull[row]).argmax()]
        right_aspect.append(strongest in {said[0][0], said[1][0]})
        right_side += [(pull[row, o.ASPECTS.index(name)] > 0) == side for name, side in said]
    # Two of four aspects by chance would be right half the time.
    assert np.mean(right_aspect) > 0.85
    assert np.mean(right_side) > 0.85


def test_words_tell_the_rating(bought):
    visits, _ = bought
    written = visits.review >= 0
    first, second = np.divmod(visits.review[written], 32)
    pleased = first // 4 % 2 + second // 4 % 2
    means = [visits.rating[written][pleased == value].mean() for value in range(3)]
    assert means[0] + 1 < means[1] < means[2] - 0.7
