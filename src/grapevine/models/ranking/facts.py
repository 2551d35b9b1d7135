"""What training tells of items beside their vectors: how many took them, and since when."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Self

import numpy as np
from jaxtyping import Bool, Float32, Int64

from grapevine.data.dataset import Dataset
from grapevine.structs.batch import Batch

DAY = 86_400_000
NEVER = np.iinfo(np.int64).max // 2
COLUMNS = 4
"""Numbers of an item for a question."""

# U = users, I = items, R = behaviours, B = questions, S = items of each


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Counts and times of the training events, as far as a question may know them.

    What is asked of an item by a user is told without that user's own events, so that in training
    an answer does not give itself away: not by a count of one, and not by an age of nothing.

    Attributes:
        takers: `(2, I)` how many users took each item by the target, and by any behaviour.
        first: `(I,)` when it was first taken.
        first_by: `(I,)` by whom; -1 where nobody did.
        second: `(I,)` when somebody else first took it; `NEVER` if nobody did.
        span: `(2,)` times of the first and the last event of all.
        known: `(I,)` which items are known: training met them, or they are told by features.
        met: `(U,)` which users have an event.
        behaviours: `(2,)` how many there are, and the target's place.
        clock: `(2,)` whether times mean anything, and whether at least their order does.
    """

    takers: Int64[np.ndarray, "two items"]
    first: Int64[np.ndarray, " items"]
    first_by: Int64[np.ndarray, " items"]
    second: Int64[np.ndarray, " items"]
    span: Int64[np.ndarray, " two"]
    known: Bool[np.ndarray, " items"]
    met: Bool[np.ndarray, " users"]
    behaviours: Int64[np.ndarray, " two"]
    clock: Bool[np.ndarray, " two"]

    @classmethod
    def of(cls, train: Dataset, known: Bool[np.ndarray, " items"]) -> Self:
        """Those of a training set.

        Args:
            train: all its events count.
            known: which items are told by something.
        """
        events, target = train.interactions, train.schema.target_row
        items, users = events.items.astype(np.int64), events.users
        size = events.num_items
        first, first_by = np.full(size, NEVER), np.full(size, -1)
        order = np.lexsort((events.times, items))
        met, place = np.unique(items[order], return_index=True)
        first[met], first_by[met] = events.times[order[place]], users[order[place]]
        second, others = np.full(size, NEVER), users != first_by[items]
        np.minimum.at(second, items[others], events.times[others])
        times = events.times if len(events) else np.zeros(1, np.int64)
        return cls(
            takers=np.stack([_takers(users, items, events.behaviours == target, size),
                             _takers(users, items, np.ones(len(items), bool), size)]),
            first=first, first_by=first_by, second=second,
            span=np.array([times.min(), times.max()]),
            known=known, met=np.diff(events.offsets) > 0,
            behaviours=np.array([len(train.schema.behaviours), target]),
            clock=np.array([train.schema.timed, train.schema.clock != "none"]),
        )  # fmt: skip

    @property
    def timed(self) -> bool:
        """Whether times mean anything."""
        return bool(self.clock[0])

    @property
    def ordered(self) -> bool:
        """Whether the order of events does."""
        return bool(self.clock[1])

    @cached_property
    def order(self) -> Int64[np.ndarray, " known"]:
        """The known items: those that more users took by the target first, then by anything."""
        falling = np.lexsort((-self.takers[1], -self.takers[0]))
        return falling[self.known[falling]]

    def users(self, batch: Batch) -> Int64[np.ndarray, " questions"]:
        """Rows of the users; one after the last for whoever training has not met."""
        known = (batch.users >= 0) & (batch.users < len(self.met))
        known[known] = self.met[batch.users[known]]
        return np.where(known, batch.users, len(self.met))

    def asked_at(self, batch: Batch) -> Int64[np.ndarray, " questions"]:
        """When each question is asked: after training, if its clock says before it.

        The times of a history that was typed in count from nothing.
        """
        early = batch.asked_at < self.span[0]
        return np.where(early, self.span[1], batch.asked_at)

    def told(
        self,
        batch: Batch,
        items: Int64[np.ndarray, "questions items"],
        own: Bool[np.ndarray, "two questions items"],
    ) -> Float32[np.ndarray, "questions items four"]:
        """Of each item how many others took it, whether there was one before, and how long ago.

        Args:
            batch: the questions.
            items: what they are asked about.
            own: whether the user itself is among those who took it by the target, and by anything.
        """
        most = np.log1p(np.maximum(self.takers.max(1, initial=0), 1))
        stranger = self.users(batch) == len(self.met)
        count = np.maximum(self.takers[:, items] - (own & ~stranger[:, None]), 0)
        share = np.log1p(count) / most[:, None, None]
        mine = (self.first_by[items] == batch.users[:, None]) & ~stranger[:, None]
        since = np.where(mine, self.second[items], self.first[items])
        # To the day: a question knows no more than that of the others that it stands beside.
        now = (self.asked_at(batch)[:, None] - self.span[0]) // DAY
        since = (since - self.span[0]) // DAY
        there = (since <= now) & self.timed
        days = np.where(there, now - np.minimum(since, now), 0)
        return np.stack([*share, there, np.log1p(days) / 8], 2).astype(np.float32)

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _takers(
    users: Int64[np.ndarray, " events"],
    items: Int64[np.ndarray, " events"],
    keep: Bool[np.ndarray, " events"],
    size: int,
) -> Int64[np.ndarray, " items"]:
    pairs = np.unique(users[keep] * size + items[keep])
    return np.bincount(pairs % max(size, 1), minlength=size)
