"""A block of questions: who asks, and what each has done so far."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64, UInt8

from grapevine.structs.jagged import Jagged


@dataclass(frozen=True, slots=True)
class Batch:
    """A block of questions: who asks, and what each has done so far.

    A known user, a stranger with a history typed in, and "what goes with this item" are the same
    question: the stranger's user row is -1, and the item is a history of length one.

    Attributes:
        users: `(queries,)` user rows; -1 is a user the model was not trained on.
        offsets: `(queries + 1,)` the history of query q is `[offsets[q], offsets[q + 1])`.
        items: `(events,)` item rows in time order; -1 is an item outside the vocabulary.
        behaviours: `(events,)` row of each event's behaviour in the schema's list.
        times: `(events,)` milliseconds since 1970, or the order where times are unknown.
        asked_at: `(queries,)` when each question is asked, in the unit of `times`.
    """

    users: Int64[np.ndarray, " queries"]
    offsets: Int64[np.ndarray, " queries_plus_one"]
    items: Int32[np.ndarray, " events"]
    behaviours: UInt8[np.ndarray, " events"]
    times: Int64[np.ndarray, " events"]
    asked_at: Int64[np.ndarray, " queries"]

    def __post_init__(self) -> None:
        if not len(self.items) == len(self.behaviours) == len(self.times) == self.offsets[-1]:
            raise ValueError(
                f"the history's columns must pair up: got {len(self.items)} items, "
                f"{len(self.behaviours)} behaviours, {len(self.times)} times and offsets up to "
                f"{self.offsets[-1]}"
            )
        if not len(self.users) == len(self.asked_at) == len(self.offsets) - 1:
            raise ValueError(
                f"got {len(self.users)} users, {len(self.asked_at)} times of asking and "
                f"{len(self.offsets) - 1} histories"
            )

    def __len__(self) -> int:
        return len(self.users)

    @property
    def history(self) -> Jagged:
        """The item rows alone."""
        return Jagged(self.offsets, self.items)

    def seen(self, behaviour: int | None = None) -> Jagged:
        """Known item rows of each history, in order, with only one behaviour if asked."""
        keep = self.items >= 0
        if behaviour is not None:
            keep &= self.behaviours == behaviour
        return self.history if keep.all() else self.history.where(keep)

    def slice(self, start: int, stop: int) -> "Batch":
        """Questions start to stop; the histories are views, not copies."""
        low, high = self.offsets[start], self.offsets[stop]
        return Batch(
            users=self.users[start:stop],
            offsets=self.offsets[start : stop + 1] - low,
            items=self.items[low:high],
            behaviours=self.behaviours[low:high],
            times=self.times[low:high],
            asked_at=self.asked_at[start:stop],
        )

    @classmethod
    def of_histories(cls, histories: Jagged, *, behaviour: int = 0) -> "Batch":
        """Strangers with nothing but a list of items each, one event a second."""
        total, queries = len(histories.values), len(histories)
        within = np.arange(total) - np.repeat(histories.offsets[:-1], histories.lengths)
        return cls(
            users=np.full(queries, -1, np.int64),
            offsets=histories.offsets,
            items=histories.values.astype(np.int32, copy=False),
            behaviours=np.full(total, behaviour, np.uint8),
            times=within.astype(np.int64) * 1000,
            asked_at=histories.lengths * 1000,
        )
