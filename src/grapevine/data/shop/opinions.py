"""Ratings, and short reviews whose words name the aspects that drove the rating."""

from functools import cache

import numpy as np
from jaxtyping import Float32, Int32, Int64

from grapevine.data.shop.shoppers import Shoppers
from grapevine.data.shop.world import World

ASPECTS = ("style", "price", "quality", "comfort")
WEIGHTS = np.array([0.6, 0.45, 0.5, 0.45])
"""How much each aspect moves the rating, in stars per unit of liking."""
MEAN, SPREAD = 3.4, 0.3
"""Stars where every aspect is as usual, and the part that no aspect explains."""
USUAL_TASTE, TASTE_SPREAD = 1.2, 1.3
"""Taste for what people buy: its mean and spread, from which liking of the style is counted."""
RATED, REVIEWED = 0.6, 0.7
"""Chance that a purchase is rated, and that a rating comes with a review."""

PHRASES = {
    ("style", True): (
        "just my style",
        "the look is exactly me",
        "such a stylish piece",
        "the design is lovely",
    ),
    ("style", False): (
        "not my style after all",
        "the look does nothing for me",
        "the style is off",
        "the design disappoints",
    ),
    ("price", True): (
        "a bargain",
        "great value for the price",
        "cheap for what it is",
        "worth every penny",
    ),
    ("price", False): (
        "too expensive",
        "overpriced",
        "poor value for the price",
        "it costs too much",
    ),
    ("quality", True): (
        "beautifully made",
        "the quality is excellent",
        "sturdy fabric, neat seams",
        "it will last for years",
    ),
    ("quality", False): (
        "badly made",
        "the quality is poor",
        "a seam came apart",
        "the fabric feels flimsy",
    ),
    ("comfort", True): (
        "so comfortable",
        "soft and easy to wear",
        "it fits like a dream",
        "comfy all day long",
    ),
    ("comfort", False): (
        "uncomfortable",
        "it pinches and itches",
        "the fit is awkward",
        "stiff and hard to wear",
    ),
}
"""What is said of each aspect by one who is pleased, and by one who is not."""
VARIANTS = 4
_SIDES = 2 * VARIANTS * len(ASPECTS)


@cache
def reviews() -> tuple[str, ...]:
    """Every review there can be: two phrases, joined by `and` or by `but`.

    Review n says phrase n // 32, then phrase n % 32; a phrase is aspect * 8 + pleased * 4 +
    variant.
    """
    said = [
        (phrase, pleased)
        for aspect in ASPECTS
        for pleased in (False, True)
        for phrase in PHRASES[aspect, pleased]
    ]
    return tuple(
        f"{first.capitalize()}, {'and' if pleased == also else 'but'} {second}."
        for first, pleased in said
        for second, also in said
    )


def draw(
    rng: np.random.Generator,
    world: World,
    shoppers: Shoppers,
    users: Int64[np.ndarray, " purchases"],
    items: Int32[np.ndarray, " purchases"],
    share: Float32[np.ndarray, " purchases"],
) -> tuple[Float32[np.ndarray, " purchases"], Int32[np.ndarray, " purchases"]]:
    """A rating (NaN if there is none) and a review (-1 if there is none) for each purchase."""
    size = len(items)
    pull = WEIGHTS * (likings(world, shoppers, users, items, share) + rng.normal(0, 0.4, (size, 4)))
    stars = np.clip(np.rint(MEAN + pull.sum(1) + rng.normal(0, SPREAD, size)), 1, 5)
    rated = rng.random(size) < RATED
    written = rated & (rng.random(size) < REVIEWED)
    two = np.argsort(-np.abs(pull), axis=1, kind="stable")[:, :2]
    pleased = np.take_along_axis(pull, two, 1) > 0
    phrase = two * 2 * VARIANTS + pleased * VARIANTS + rng.integers(VARIANTS, size=(size, 2))
    review = phrase[:, 0] * _SIDES + phrase[:, 1]
    return (
        np.where(rated, stars, np.nan).astype(np.float32),
        np.where(written, review, -1).astype(np.int32),
    )


def likings(
    world: World,
    shoppers: Shoppers,
    users: Int64[np.ndarray, " purchases"],
    items: Int32[np.ndarray, " purchases"],
    share: Float32[np.ndarray, " purchases"],
) -> Float32[np.ndarray, "purchases aspects"]:
    """How much each user likes each aspect of an item; 0 is as usual, 1 clearly more."""
    mix = shoppers.before[users] * (1 - share[:, None]) + shoppers.after[users] * share[:, None]
    return np.stack(
        [
            ((mix * world.affinity[items]).sum(1) - USUAL_TASTE) / TASTE_SPREAD,
            np.clip(2 * (shoppers.budget[users] - world.dearness[items]), -2, 2),
            world.quality[items],
            world.comfort[items],
        ],
        axis=1,
    )
