"""What is known for certain: the chance of each click, and of what follows it."""

# Q = questions, I = items, K = tastes, C = categories

from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int64

from grapevine.data.shop.shoppers import Shoppers
from grapevine.data.shop.visits import RULES, SESSION_CLICKS
from grapevine.data.shop.world import (
    START_MS,
    WEEKS,
    YEAR_MS,
    World,
    following,
    harmony,
    season,
)
from grapevine.errors import DataError

FOLDER = "truth"


def save_items(folder: Path, world: World) -> None:
    """Write the truth about the items to a dataset folder."""
    (folder / FOLDER).mkdir(exist_ok=True)
    world.save(folder / FOLDER / "world.safetensors")


def save_users(folder: Path, shoppers: Shoppers, *, part: int) -> None:
    """Write the truth about some of the users; parts follow one another."""
    shoppers.save(folder / FOLDER / f"users-{part:05}.safetensors")


def is_known(folder: Path | None) -> bool:
    """Whether this is the folder of a shop, so that `load` can read its truth."""
    return folder is not None and (folder / "truth").is_dir()


def load(folder: Path | None) -> tuple[World, Shoppers]:
    """The truth of a shop's dataset folder.

    Raises:
        DataError: this is not a shop.
    """
    truth = None if folder is None else folder / FOLDER
    if truth is None or not (truth / "world.safetensors").is_file():
        raise DataError(
            f"`{folder}` has no truth: it is not a shop that grapevine made"
            if folder
            else "a dataset that came from no folder has no truth",
            hint="make a shop with `grapevine data make-shop`",
        )
    parts = [Shoppers.load(path) for path in sorted(truth.glob("users-*.safetensors"))]
    return World.load(truth / "world.safetensors"), Shoppers.joined(parts)


def share_of_year(time_ms: Int64[np.ndarray, "..."]) -> Float32[np.ndarray, "..."]:
    """Share of the shop's year that had passed; times outside it count as its end."""
    share = (time_ms - START_MS) / YEAR_MS
    return np.where((share >= 0) & (share <= 1), share, 1.0).astype(np.float32)


def mix_of(shoppers: Shoppers, share: Float32[np.ndarray, " Q"]) -> Float32[np.ndarray, "Q K"]:
    """Each shopper's mix of tastes at a time."""
    return shoppers.before * (1 - share[:, None]) + shoppers.after * share[:, None]


def click_chances(
    world: World,
    shoppers: Shoppers,
    share: Float32[np.ndarray, " Q"],
    last: Int64[np.ndarray, " Q"],
) -> Float64[np.ndarray, "Q I"]:
    """Chance that each item is the next click of a session; every row sums to one.

    An item that the shopper has put into the cart before is never clicked again: set its column to
    zero and scale the row.

    Args:
        world: the catalogue.
        shoppers: who asks, one a question.
        share: share of the year that had passed when the session started.
        last: the item clicked just before in this session, -1 at its start.
    """
    follow = RULES.stay * following()[world.category[last]]
    goes_on = (last >= 0)[:, None]
    category = np.where(goes_on, (1 - RULES.stay) * shoppers.wants + follow, shoppers.wants)
    fits = np.where(goes_on, harmony()[world.colour[last]], 1.0)
    return _browsed(world, shoppers, share, category, fits)


def usual_click_chances(
    world: World, shoppers: Shoppers, share: Float32[np.ndarray, " Q"]
) -> Float64[np.ndarray, "Q I"]:
    """Chance that each item is a shopper's click at some unknown step of a session.

    The category follows the stationary distribution of the proposals, and the colour before is
    any that is listed: an approximation, since what is kept also moves both. It is close: see the
    test that compares it with what shoppers did.
    """
    wants = shoppers.wants.astype(np.float64)
    first = 1 / SESSION_CLICKS
    category = wants
    for _ in range(20):
        then = (1 - RULES.stay) * wants + RULES.stay * category @ following()
        category = first * wants + (1 - first) * then
    colours = np.bincount(world.colour, minlength=len(harmony())) / len(world)
    fits = first + (1 - first) * (colours @ harmony())
    return _browsed(
        world, shoppers, share, category, np.broadcast_to(fits, (len(share), len(fits)))
    )


def _browsed(
    world: World,
    shoppers: Shoppers,
    share: Float32[np.ndarray, " Q"],
    category: np.ndarray,
    colour_fit: np.ndarray,
) -> Float64[np.ndarray, "Q I"]:
    """Proposal times fit, scaled to sum to one: the distribution that `browse` draws from."""
    week = np.minimum((share * WEEKS).astype(np.int64), WEEKS - 1)
    chance = (category.astype(np.float64) * season().T[week])[:, world.category]
    chance *= mix_of(shoppers, share) @ world.shares
    chance *= colour_fit[:, world.colour]
    excess = excess_of(shoppers, world.dearness[None])
    chance *= np.maximum(RULES.least, np.exp(-excess))
    trend, passed = world.trend[None], share[:, None]
    chance *= 1 - RULES.faded * np.where(trend > 0, trend * (1 - passed), -trend * passed)
    chance *= world.listed[None] <= passed
    return chance / chance.sum(1, keepdims=True)


def excess_of(
    shoppers: Shoppers, dearness: Float32[np.ndarray, "any I"]
) -> Float32[np.ndarray, "Q I"]:
    """By how much each item is too dear for each shopper, weighed by how much that matters."""
    return shoppers.care[:, None] * np.maximum(0, dearness - shoppers.budget[:, None])


def cart_chance(
    taste: np.ndarray, quality: np.ndarray, excess: np.ndarray
) -> Float64[np.ndarray, "..."]:
    """Chance that a click leads to the cart, whether or not by way of collecting."""
    collect, after, without, _ = (_logistic(row, taste, quality, excess) for row in RULES.funnel)
    return collect * after + (1 - collect) * without


def collect_chance(
    taste: np.ndarray, quality: np.ndarray, excess: np.ndarray
) -> Float64[np.ndarray, "..."]:
    """Chance that a click leads to collecting."""
    return _logistic(RULES.funnel[0], taste, quality, excess)


def buy_chance(
    taste: np.ndarray, quality: np.ndarray, excess: np.ndarray
) -> Float64[np.ndarray, "..."]:
    """Chance that what is in the cart is bought, at once or later."""
    return _logistic(RULES.funnel[3], taste, quality, excess)


def _logistic(
    weights: Float32[np.ndarray, " 4"], taste: np.ndarray, quality: np.ndarray, excess: np.ndarray
) -> Float64[np.ndarray, "..."]:
    w = weights.astype(np.float64)
    odds = w[0] + w[1] * taste + w[2] * quality + w[3] * excess
    return 1 / (1 + np.exp(-odds))
