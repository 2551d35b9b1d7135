"""What somebody has begun and not finished: the chance that a click becomes a purchase."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Int64

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.models.base import Fitted
from grapevine.models.histories import Behaviours, training_events
from grapevine.structs.batch import Batch
from grapevine.structs.rising import places

MOST = 62
"""Behaviours that fit into a number, a bit each."""


@dataclass(frozen=True, kw_only=True)
class Funnel(Fitted):
    """The counted chance of the target, by what else a user has done with an item.

    Who clicked and carted an item bought it so often, whoever they are. It learns nothing else of
    anybody, and where answers are among what was clicked before it is the first thing to beat.

    Attributes:
        done: `(patterns,)` what pairs of users and items have behind them, a bit for each behaviour
            but the target, rising; the first is nothing.
        chance: `(patterns,)` how many of them had the target too.
        counts: `(items,)` how many users took each item.
        target: `(1,)` the place of the target.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """How much an item's own popularity says."""

        popularity: float = 0.2
        """Power of an item's popularity among those that somebody has begun with."""
        smoothing: float = 1.0
        """Purchases added to each item, and pairs added to each pattern at the mean rate."""
        behaviours: Behaviours = "all"
        """Which events count; with the target's alone nothing is begun, and it is popularity."""

        def __post_init__(self) -> None:
            check_bounds(self, "funnel", "popularity", least=0)
            check_bounds(self, "funnel", "smoothing", above=0)

        def fit(self, train: Dataset, *, seed: int = 0) -> "Funnel":
            """Count; nothing is drawn.

            Raises:
                ConfigError: there are more behaviours than bits.
            """
            events, _ = training_events(train, self.behaviours)
            target = train.schema.target_row
            if len(train.schema.behaviours) > MOST:
                raise ConfigError(f"funnel tells at most {MOST} behaviours apart")
            keys = events.users * events.num_items + events.items
            pairs, place = np.unique(keys, return_inverse=True)
            done, taken = np.zeros(len(pairs), np.int64), np.zeros(len(pairs), bool)
            for row in range(len(train.schema.behaviours)):
                here = place[events.behaviours == row]
                if row == target:
                    taken[here] = True
                else:
                    done[here] |= 1 << row
            patterns, which = np.unique(np.append(done, 0), return_inverse=True)
            total = np.bincount(which[:-1], minlength=len(patterns)).astype(np.float64)
            total[0] += events.num_users * events.num_items - len(pairs)
            bought = np.bincount(which[:-1][taken], minlength=len(patterns))
            mean = taken.sum() / max(total.sum(), 1)
            return Funnel(
                config=self,
                done=patterns,
                chance=((bought + mean * self.smoothing) / (total + self.smoothing)).astype(
                    np.float32
                ),
                counts=np.bincount(
                    pairs[taken] % max(events.num_items, 1), minlength=events.num_items
                ),
                target=np.array([target]),
            )

    done: Int64[np.ndarray, " patterns"]
    chance: Float32[np.ndarray, " patterns"]
    counts: Int64[np.ndarray, " items"]
    target: Int64[np.ndarray, " one"]
    paper: ClassVar[str] = ""

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """The chance of each item for each question, as far as what was done with it tells."""
        items = len(self.counts)
        mean = max(self.counts.mean(), 1e-9)
        out = np.tile((self.chance[0] * self.counts / mean).astype(np.float32), (len(batch), 1))
        counts = (batch.items >= 0) & (batch.behaviours != self.target[0])
        counts &= self.config.behaviours == "all"
        query = np.repeat(np.arange(len(batch)), np.diff(batch.offsets))[counts]
        pairs, place = np.unique(
            query * items + batch.items[counts].astype(np.int64), return_inverse=True
        )
        done = np.zeros(len(pairs), np.int64)
        np.bitwise_or.at(done, place, np.int64(1) << batch.behaviours[counts].astype(np.int64))
        row = places(self.done, done)
        # What nobody in training had behind them counts as what they had, on average.
        usual = self.chance[1:].mean() if len(self.chance) > 1 else self.chance[0]
        chance = np.where(row >= 0, self.chance[row], usual)
        more = self.config.smoothing
        shares = ((self.counts + more) / (mean + more))[pairs % items]
        begun = (chance * shares**self.config.popularity).astype(np.float32)
        out.reshape(-1)[pairs] = np.maximum(begun, out.reshape(-1)[pairs])
        return out
