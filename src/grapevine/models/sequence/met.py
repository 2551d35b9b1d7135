"""Who has met what in training, so that nobody is told off for what they did."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool, Int64

from grapevine.data.interactions import Interactions
from grapevine.structs.rising import holds

# T = positions that ask, K = items drawn for each


@dataclass(frozen=True, slots=True)
class Met:
    """Every user with every item that they met, once, as one rising number.

    Attributes:
        offsets: first event of each user.
        pairs: `user * I + item`.
        num_items: I.
    """

    offsets: Int64[np.ndarray, " ends"]
    pairs: Int64[np.ndarray, " pairs"]
    num_items: int

    @classmethod
    def of(cls, events: Interactions) -> Self:
        """Of what is learnt from."""
        pairs = np.unique(events.users * np.int64(max(events.num_items, 1)) + events.items)
        return cls(events.offsets, pairs, max(events.num_items, 1))

    def among(
        self, after: Int64[np.ndarray, " asking"], items: Int64[np.ndarray, "asking drawn"]
    ) -> Bool[np.ndarray, "asking drawn"]:
        """Which of the items their user has met.

        Args:
            after: `(T,)` the event that each position should name.
            items: `(T, K)` rows.
        """
        users = np.searchsorted(self.offsets, after, side="right") - 1
        wanted = users[:, None] * np.int64(self.num_items) + items
        return holds(self.pairs, wanted)
