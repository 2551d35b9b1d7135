import io

import numpy as np
import pytest
from PIL import Image

from grapevine.data.shop import pictures
from grapevine.data.shop.world import CATEGORIES, COLOURS, PATTERNS, SHAPES, World


def pixels(*names, variant=0):
    return np.asarray(pictures.draw(*names, variant=variant)).astype(float)


def cloth(picture):
    """Pixels that differ from the background."""
    return picture[np.abs(picture - pictures.BACKGROUND).max(-1) > 10]


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_colour_can_be_read_from_the_picture(category):
    for place, colour in enumerate(COLOURS):
        seen = np.median(cloth(pixels(category, "regular", colour, "plain")), axis=0)
        # By direction as well as by distance: the light takes up to a tenth off.
        nearest = np.abs(pictures.RGB * 0.97 - seen).sum(1).argmin()
        assert nearest == place


@pytest.mark.parametrize("category", CATEGORIES)
def test_patterns_differ_far_more_than_variants_do(category):
    plain = pixels(category, "regular", "teal", "plain")
    light = np.abs(plain - pixels(category, "regular", "teal", "plain", variant=3)).mean()
    for pattern in PATTERNS[1:]:
        assert np.abs(plain - pixels(category, "regular", "teal", pattern)).mean() > 3 * light


def test_stripes_run_across_and_checks_both_ways():
    def variation(pattern, axis):
        inside = pixels("bag", "regular", "navy", pattern)[38:54, 20:44].mean(-1)
        return inside.mean(axis).std()

    assert variation("stripes", 1) > 5 * variation("stripes", 0)
    assert variation("checks", 1) > 5 * variation("plain", 1)
    assert variation("checks", 0) > 2 * variation("plain", 0)


@pytest.mark.parametrize("category", CATEGORIES)
def test_slim_is_narrower_than_loose(category):
    widths = [len(cloth(pixels(category, shape, "black", "plain"))) for shape in SHAPES]
    assert widths[0] < widths[1] < widths[2]


def test_garments_are_told_apart_by_their_outline():
    masks = [
        np.abs(pixels(name, "regular", "black", "plain") - pictures.BACKGROUND).max(-1) > 10
        for name in CATEGORIES
    ]
    for one in range(len(masks)):
        for other in range(one):
            overlap = (masks[one] & masks[other]).sum() / (masks[one] | masks[other]).sum()
            assert overlap < 0.93


def test_the_same_item_has_the_same_picture_alone_and_among_others():
    world = World.draw(0, 300)
    images = pictures.draw_all(world)
    assert len(images) == 300
    for row in (0, 131, 299):
        alone = pictures.draw(
            CATEGORIES[world.category[row]],
            SHAPES[world.shape[row]],
            COLOURS[world.colour[row]],
            PATTERNS[world.pattern[row]],
            variant=row,
        )
        opened = Image.open(io.BytesIO(images[row]))
        assert opened.size == (pictures.SIZE, pictures.SIZE)
        np.testing.assert_array_equal(np.asarray(opened), np.asarray(alone))
