"""Popularity: what most people took, for everyone alike."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float32

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import DataError
from grapevine.models.base import Fitted
from grapevine.structs.batch import Batch

MS_PER_DAY = 86_400_000


@dataclass(frozen=True, kw_only=True)
class Popularity(Fitted):
    """How many training events of the target behaviour each item has.

    Attributes:
        counts: `(items,)` events within the window.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Which events count."""

        days: float | None = None
        """Only events of the last so many days before training ends; all if not given."""

        def __post_init__(self) -> None:
            if self.days is not None:
                hint = "leave it out to count all events"
                check_bounds(self, "popularity", "days", above=0, hint=hint)

        def fit(self, train: Dataset, *, seed: int = 0) -> "Popularity":
            """Count.

            Raises:
                DataError: a window was asked for, and the times are not true times.
            """
            events = train.target_interactions
            if self.days is not None and len(events):
                if not train.schema.timed:
                    raise DataError(
                        f"{train.name}: recent popularity needs times, and these are "
                        f"`{train.schema.clock}`",
                        hint="leave out model.days",
                    )
                events = events.where(events.times > events.times.max() - self.days * MS_PER_DAY)
            return Popularity(config=self, counts=events.counts().astype(np.float32))

    counts: Float32[np.ndarray, " items"]
    paper: ClassVar[str] = ""
    listens: ClassVar[bool] = False

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """The counts, the same for every question: one row, shown as many."""
        return np.broadcast_to(self.counts, (len(batch), len(self.counts)))
