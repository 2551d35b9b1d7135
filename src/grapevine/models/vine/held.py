"""What chances are calibrated by: what became of users from whom no chance was learnt."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from grapevine.data.interactions import Interactions
from grapevine.structs.batch import Batch

MOST = 400
"""Users who are asked about, at most."""

# Q = questions, C = candidates of each


@dataclass(frozen=True, slots=True)
class Held:
    """Histories up to a moment, and how far their users went with some items from then on.

    Attributes:
        batch: the Q histories.
        items: `(Q, C)` what was met afterwards, then items drawn.
        reached: `(Q, C)` the last behaviour in the funnel; -1 for none.
        weights: `(Q, C)` of how many items each is one; 0 where there is nothing.
    """

    batch: Batch
    items: Int64[np.ndarray, "questions candidates"]
    reached: Int64[np.ndarray, "questions candidates"]
    weights: Float64[np.ndarray, "questions candidates"]

    @classmethod
    def of(
        cls,
        events: Interactions,
        reached: Int64[np.ndarray, " events"],
        users: Int64[np.ndarray, " some"],
        known: Int64[np.ndarray, " known"],
        draw: np.random.Generator,
        *,
        drawn: int = 60,
    ) -> "Held":
        """Each of these users at a moment drawn; of many users, some.

        Args:
            events: of every behaviour.
            reached: how far it went from each event on: see `labels.furthest`.
            users: rows; who has fewer than two events is left out.
            known: items that could be taken.
            draw: of users, moments and items.
            drawn: items beside those that were met.
        """
        lengths = np.diff(events.offsets)
        able = users[lengths[users] > 1]
        able = np.sort(draw.permutation(able)[:MOST])
        cuts = events.offsets[able] + draw.integers(1, lengths[able])
        lists = [
            np.unique(events.items[cut:stop], return_index=True)
            for cut, stop in zip(cuts, events.offsets[able + 1])
        ]
        most = max((len(items) for items, _ in lists), default=0)
        items = np.zeros((len(able), most + drawn), np.int64)
        far = np.full(items.shape, -1)
        weights = np.zeros(items.shape)
        for row, (met, first) in enumerate(lists):
            items[row, : len(met)], weights[row, : len(met)] = met, 1
            # What is still to come of an item stands at its first event from then on.
            far[row, : len(met)] = reached[cuts[row] + first]
            others = draw.choice(known, size=drawn)
            new = ~np.isin(others, met)
            items[row, most:] = others
            weights[row, most:] = new * max(len(known) - len(met), 0) / max(new.sum(), 1)
        history = events.where(_before(events, able, cuts))
        return cls(history.batch(able, events.times[cuts]), items, far, weights)

    def __len__(self) -> int:
        return len(self.items)


def _before(
    events: Interactions, users: Int64[np.ndarray, " some"], cuts: Int64[np.ndarray, " some"]
) -> np.ndarray:
    """Which events lie before the cuts of these users; all of the others."""
    stop = events.offsets[1:].copy()
    stop[users] = cuts
    return np.arange(len(events)) < np.repeat(stop, np.diff(events.offsets))
