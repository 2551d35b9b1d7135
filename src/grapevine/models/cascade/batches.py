"""The steps of an epoch: pairs of every behaviour that is asked for, each pair once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64

from grapevine.models.tables import SMALL, STEPS, Pairs
from grapevine.random import stream
from grapevine.structs.rising import holds

if TYPE_CHECKING:  # which has these steps, too
    from grapevine.models.cascade.typed import Heard

MOST = 16
"""Pairs of another behaviour in a step, for each that the target may have there."""
USERS, FEW = 16, 64
"""An epoch of fewer steps of users than this has fewer users in each, down to so few."""
ROUNDS = 100
"""How often an item that was taken is drawn again; then it stands, as where a user took all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What one behaviour is asked for in a step.

    Attributes:
        users: `(B,)` rows.
        items: `(B,)` the item that was taken.
        negatives: `(B, S)` items that were not; of no width where none are drawn.
    """

    users: Int64[np.ndarray, " pairs"]
    items: Int64[np.ndarray, " pairs"]
    negatives: Int64[np.ndarray, "pairs negatives"]


@dataclass(frozen=True, slots=True)
class Step:
    """A mini-batch.

    Attributes:
        asked: by the place of the behaviour.
        users: the users of the step, where the step is of users; else none.
        heard: the typed graph without what is asked for, where one is heard.
    """

    asked: Mapping[int, Asked]
    users: Int64[np.ndarray, " users"]
    heard: "Heard | None" = None


class ByPairs:
    """So many pairs of the last behaviour in a step, and those of the others dealt out evenly.

    Attributes:
        examples: pairs of an epoch.
    """

    def __init__(
        self,
        pairs: Mapping[int, Pairs],
        taken: Mapping[int, Int64[np.ndarray, " taken"]],
        names: Mapping[int, str],
        *,
        size: int,
        negatives: int,
        seed: int,
        epoch: int,
        heard: "Heard | None" = None,
    ) -> None:
        """Put the pairs of each behaviour into an order of the epoch's own.

        Args:
            pairs: of each behaviour that is asked for.
            taken: `user * I + item` of what is no negative of it, rising.
            names: of the behaviours: what is drawn for one depends on no other.
            size: pairs of the last behaviour in a step, at most; fewer where an epoch would have
                few steps, or where there are far more pairs of another behaviour.
            negatives: items drawn for each pair, S.
            seed: of the order and the draws.
            epoch: counted from 0.
            heard: by each step.
        """
        self.pairs, self.taken, self.names, self.heard = pairs, taken, names, heard
        self.seed, self.epoch, self.negatives = seed, epoch, negatives
        self.examples = sum(len(one.users) for one in pairs.values())
        counts = [len(one.users) for one in pairs.values()]
        last = len(pairs[max(pairs)].users) or self.examples
        size = min(size, max(SMALL, last // STEPS))
        self.steps = max(-(-last // size), -(-max(counts) // (MOST * size)))
        self.orders = {
            row: stream(seed, "order", names[row], epoch).permutation(len(one.users))
            for row, one in pairs.items()
        }

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Step:
        found: dict[int, Asked] = {}
        for row, one in self.pairs.items():
            low, high = (len(one.users) * at // self.steps for at in (step, step + 1))
            here = self.orders[row][low:high]
            users, items = one.users[here], one.items[here]
            found[row] = Asked(users, items, self._drawn(row, step, users))
        return Step(found, np.empty(0, np.int64), self.heard)

    def _drawn(
        self, row: int, step: int, users: Int64[np.ndarray, " pairs"]
    ) -> Int64[np.ndarray, "pairs negatives"]:
        """Items that the users did not take."""
        if not self.negatives:
            return np.empty((len(users), 0), np.int64)
        num_items, taken = self.pairs[row].num_items, self.taken[row]
        draw = stream(self.seed, "negatives", self.names[row], self.epoch, step)
        firsts = np.repeat(users * num_items, self.negatives)
        items = draw.integers(num_items, size=len(firsts))
        again = np.arange(len(items))
        for _ in range(ROUNDS):
            again = again[holds(taken, firsts[again] + items[again])]
            if not len(again):
                break
            items[again] = draw.integers(num_items, size=len(again))
        return items.reshape(len(users), self.negatives)


class ByUsers:
    """So many users in a step, with all that each of them took.

    Attributes:
        examples: pairs of an epoch.
    """

    def __init__(self, pairs: Mapping[int, Pairs], *, size: int, seed: int, epoch: int) -> None:
        """Put the users who took anything into an order of the epoch's own.

        Args:
            pairs: of each behaviour that is asked for.
            size: users of a step, at most; fewer where an epoch would have few steps.
            seed: of the order.
            epoch: counted from 0.
        """
        self.pairs = pairs
        self.examples = sum(len(one.users) for one in pairs.values())
        there = np.unique(np.concatenate([one.users for one in pairs.values()]))
        self.size = min(size, max(FEW, len(there) // USERS))
        self.order = there[stream(seed, "order", epoch).permutation(len(there))]
        self.starts = {
            row: np.searchsorted(one.users, np.arange(one.num_users + 1))
            for row, one in pairs.items()
        }

    def __len__(self) -> int:
        return -(-len(self.order) // self.size)

    def __getitem__(self, step: int) -> Step:
        users = self.order[step * self.size : (step + 1) * self.size]
        found: dict[int, Asked] = {}
        for row, one in self.pairs.items():
            starts = self.starts[row]
            lengths = starts[users + 1] - starts[users]
            within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            items = one.items[np.repeat(starts[users], lengths) + within]
            # Here users are named by their place in the step.
            places = np.repeat(np.arange(len(users)), lengths)
            found[row] = Asked(places, items, np.empty((len(items), 0), np.int64))
        return Step(found, users)
