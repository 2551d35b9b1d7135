"""A world in which who people are decides what they like, down to those who took nothing yet."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float64, Int64

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.random import stream
from grapevine.structs.jagged import Jagged, offsets_of

BANDS, TOWNS, BRANDS, TIERS = 5, 4, 8, 4
"""Bands of age, towns, brands and tiers of price that taste tells apart."""


@dataclass(frozen=True, kw_only=True)
class Attributed:
    """What training may see of such a world, and what it may not.

    Attributes:
        train: events, users with `age` and `location`, items with `brand` and `price`.
        cold: rows of the users without an event.
        answers: items that each of these would have taken.
        taste: `(users, items)` log of how likely each item is, up to a constant of the user.
    """

    train: Dataset
    cold: Int64[np.ndarray, " cold"]
    answers: Jagged
    taste: Float64[np.ndarray, "users items"]


def attributed(
    num_users: int = 300,
    num_items: int = 120,
    *,
    taken: int = 10,
    cold: float = 0.25,
    strength: float = 2.0,
    seed: int = 0,
) -> Attributed:
    """Users who take items by (age band, town) x (brand, price tier).

    Every pair of band and town has a liking for each pair of brand and tier, drawn once; an item is
    taken by a softmax over these. Nothing else tells users or items apart, so what the attributes
    do not say cannot be learnt.

    Args:
        num_users: those without an event included.
        num_items: likewise.
        taken: items of each user.
        cold: share of the users whose items training does not see.
        strength: deviation of the likings; 0 for no taste at all.
        seed: names the draws.
    """
    draw = stream(seed, "attributed")
    age, town = draw.integers(20, 20 + 10 * BANDS, num_users), draw.integers(TOWNS, size=num_users)
    brand, tier = draw.integers(BRANDS, size=num_items), draw.integers(TIERS, size=num_items)
    # Tiers do not overlap: prices of one lie within a tenth of its centre.
    price = 10.0 * 2.0**tier * draw.uniform(0.9, 1.1, num_items)
    likings = draw.normal(0, strength, (BANDS, TOWNS, BRANDS, TIERS)) / np.sqrt(2)
    likings += draw.normal(0, strength, (BANDS, 1, BRANDS, 1)) / np.sqrt(2)
    taste = likings[(age // 10 - 2)[:, None], town[:, None], brand, tier]
    # The largest sums with Gumbel noise are a softmax drawn without replacement.
    noisy = taste + draw.gumbel(size=taste.shape)
    items = np.argsort(-noisy, axis=1)[:, :taken]
    hidden = np.sort(draw.permutation(num_users)[: round(cold * num_users)])
    lengths = np.full(num_users, taken)
    lengths[hidden] = 0
    seen = np.delete(items, hidden, axis=0).ravel().astype(np.int32)
    users, shelf = Vocabulary.of(range(num_users)), Vocabulary.of(range(num_items))
    train = Dataset(
        schema=Schema(
            name="attributed",
            users={"age": "number", "location": "category"},
            items={"brand": "category", "price": "number"},
        ),
        users=users,
        items=shelf,
        interactions=Interactions(
            offsets=offsets_of(lengths),
            items=seen,
            behaviours=np.zeros(len(seen), np.uint8),
            times=draw.integers(1, 1000, (num_users - len(hidden), taken)).cumsum(axis=1).ravel(),
            num_items=num_items,
        ),
        item_table=pl.DataFrame(
            {"item_id": shelf.ids, "brand": [f"brand {n}" for n in brand], "price": price}
        ),
        user_table=pl.DataFrame(
            {"user_id": users.ids, "age": age, "location": [f"town {n}" for n in town]}
        ),
    )
    return Attributed(
        train=train, cold=hidden, answers=Jagged.from_lists(list(items[hidden])), taste=taste
    )
