"""A crowd whose truth is known: what its people look at, and what they click of it.

The position-based model: a click at rank r is looking there, whose chance falls with the rank and
is the same for all items, times the relevance of the item to the person. The built-in shop tells
the relevance: it is a logistic curve of how much likelier the item is than any other to be the
shopper's next click.
"""

# P = policies, U = shoppers, K = places of a list, L = items asked for

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from grapevine.data.shop import truth
from grapevine.data.shop.shoppers import Shoppers
from grapevine.data.shop.world import World

FALL = 0.7
"""How fast looking falls with the rank: 1 / rank ** FALL."""

ODDS = 0.05
"""Odds of a click on an item that is looked at and is as likely as any other."""

_BLOCK = 256
"""Shoppers at once: their chances over a catalogue of 12,500 items fill 26 MB."""


def examined(k: int, fall: float = FALL) -> Float64[np.ndarray, " K"]:
    """Chance that each place of a list is looked at; the first always is."""
    return np.arange(1, k + 1) ** -fall


def relevance(
    world: World, shoppers: Shoppers, items: Int64[np.ndarray, "U L"]
) -> Float64[np.ndarray, "U L"]:
    """Chance that each shopper clicks each of some items once it is looked at; 0 for item -1.

    Args:
        world: the catalogue.
        shoppers: who looks, at the end of the shop's year.
        items: rows of the world's items, for each shopper.
    """
    found = np.empty(items.shape)
    for start in range(0, len(items), _BLOCK):
        rows = slice(start, start + _BLOCK)
        some = shoppers.take(rows)
        chance = truth.usual_click_chances(world, some, np.ones(len(some), np.float32))
        odds = ODDS * len(world) * np.take_along_axis(chance, np.maximum(items[rows], 0), 1)
        found[rows] = odds / (1 + odds)
    return np.where(items >= 0, found, 0.0)


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Shoppers before the lists of several policies.

    Attributes:
        policies: names; the first is the control.
        items: `(P, U, K)` what each would show to each shopper, -1 beyond the end of a list.
        relevance: `(P, U, K)` chance of a click on each, once it is looked at.
        visits: `(U,)` visits of each shopper in the time that counts, in the mean.
    """

    policies: Sequence[str]
    items: Int64[np.ndarray, "P U K"]
    relevance: Float64[np.ndarray, "P U K"]
    visits: Float64[np.ndarray, " U"]

    def __len__(self) -> int:
        return len(self.visits)

    @property
    def k(self) -> int:
        """Length of the lists."""
        return self.items.shape[2]

    @property
    def chance(self) -> Float64[np.ndarray, "P U K"]:
        """Of a click at each place."""
        return self.relevance * examined(self.k)

    @property
    def clicks_per_list(self) -> Float64[np.ndarray, " P"]:
        """The truth: clicks on a list of each policy, shoppers counting alike."""
        return self.chance.sum(2).mean(1)

    @property
    def clicks_per_user(self) -> Float64[np.ndarray, " P"]:
        """The truth: clicks of a user of each policy over their visits."""
        return (self.chance.sum(2) * self.visits).mean(1)

    def drawn_visits(
        self, shopper: Int64[np.ndarray, "*users"], rng: np.random.Generator
    ) -> Int64[np.ndarray, "*users"]:
        """Visits of some users: one at least, the rest Poisson."""
        return 1 + rng.poisson(self.visits[shopper] - 1)

    def drawn_clicks(
        self,
        policy: Int64[np.ndarray, "*users"],
        shopper: Int64[np.ndarray, "*users"],
        visits: Int64[np.ndarray, "*users"],
        rng: np.random.Generator,
    ) -> Int64[np.ndarray, "*users"]:
        """Clicks of users of the policies over their visits."""
        clicks = np.zeros(shopper.shape, np.int64)
        # A place at a time: all at once would fill the memory for a million users.
        for place, looked in enumerate(examined(self.k)):
            clicks += rng.binomial(visits, looked * self.relevance[policy, shopper, place])
        return clicks
