"""First-order Markov chain: what usually comes right after."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Int32, Int64

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.errors import DataError
from grapevine.graph.listen import listen_sparse
from grapevine.models.base import Fitted
from grapevine.models.histories import Behaviours, asked_history, training_events
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged, offsets_of


@dataclass(frozen=True, kw_only=True)
class Markov(Fitted):
    """`P(next = j | last = i)` by counting, plus a little popularity so that all items rank.

    Attributes:
        offsets: `(items + 1,)` what follows item i is `[offsets[i], offsets[i + 1])`.
        next: `(edges,)` item rows.
        chance: `(edges,)` share of the steps from i that led there.
        popularity: `(items,)` share of all events.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """How far to look back."""

        last: int = 1
        """How many of the latest events are listened to; 1 is the chain itself."""
        decay: float = 0.5
        """Weight of each event relative to the one after it, where `last` is more than 1."""
        backoff: float = 1e-3
        """Weight of popularity: decides among items that no step has led to."""
        behaviours: Behaviours = "target"
        """Which events count, in training and in the history."""

        def __post_init__(self) -> None:
            check_bounds(self, "markov", "last", least=1)
            check_bounds(self, "markov", "decay", above=0, most=1)
            check_bounds(self, "markov", "backoff", least=0)

        def fit(self, train: Dataset, *, seed: int = 0) -> "Markov":
            """Count the steps; nothing is drawn.

            Raises:
                DataError: the order of the events is not known.
            """
            if train.schema.clock == "none":
                raise DataError(
                    f"{train.name}: a Markov chain needs the order of events, and there is none",
                    hint="`item-knn` counts the same pairs without the order",
                )
            events, behaviour = training_events(train, self.behaviours)
            offsets, following, chance = _steps(events)
            counts = events.counts()
            return Markov(
                config=self,
                offsets=offsets,
                next=following,
                chance=chance,
                popularity=(counts / max(counts.sum(), 1)).astype(np.float32),
                behaviour=behaviour,
            )

    offsets: Int64[np.ndarray, " items_plus_one"]
    next: Int32[np.ndarray, " edges"]
    chance: Float32[np.ndarray, " edges"]
    popularity: Float32[np.ndarray, " items"]
    behaviour: Int64[np.ndarray, " one"]
    paper: ClassVar[str] = (
        "Rendle, Freudenthaler, Schmidt-Thieme: Factorizing personalized Markov chains for "
        "next-basket recommendation (section 4.1, the chain before it is factorised). WWW 2010. "
        "doi:10.1145/1772690.1772773"
    )

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Chance of each item after the latest events of each history."""
        latest, back = _latest(asked_history(batch, self.behaviour), self.config.last)
        weights = (self.config.decay**back).astype(np.float32)
        scores = listen_sparse(
            latest.offsets, latest.values, weights, self.offsets, self.next, self.chance
        )
        scores += np.float32(self.config.backoff) * self.popularity
        return scores


def _steps(
    events: Interactions,
) -> tuple[
    Int64[np.ndarray, " items_plus_one"], Int32[np.ndarray, " edges"], Float32[np.ndarray, " edges"]
]:
    """How often each item came right after each other, as shares of its row, in CSR."""
    same_user = np.ones(max(len(events) - 1, 0), bool)
    boundaries = events.offsets[1:-1]
    # A boundary at the very start or end parts no two events.
    same_user[boundaries[(boundaries > 0) & (boundaries < len(events))] - 1] = False
    before, after = events.items[:-1][same_user], events.items[1:][same_user]
    # A step as one number, so that equal steps are counted by sorting.
    step, count = np.unique(before * np.int64(events.num_items) + after, return_counts=True)
    origin = step // events.num_items
    leaving = np.bincount(before, minlength=events.num_items)
    return (
        offsets_of(np.bincount(origin, minlength=events.num_items)),
        (step % events.num_items).astype(np.int32),
        (count / leaving[origin]).astype(np.float32),
    )


def _latest(history: Jagged, last: int) -> tuple[Jagged, Int64[np.ndarray, " kept"]]:
    """The last so many values of each list, and how many steps each is from the end."""
    ends = np.repeat(history.offsets[1:], history.lengths)
    back = ends - 1 - np.arange(len(history.values))
    keep = back < last
    return history.where(keep), back[keep]
