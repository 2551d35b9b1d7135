"""All events, encoded once: the user-item graph and the set of histories, in one structure."""

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt8

from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged, gather_index


@dataclass(frozen=True, slots=True)
class Interactions:
    """Events sorted by user, then time, then arrival, as CSR arrays.

    Row u of the CSR is the history of user u and also the list of its neighbours in the
    user-item graph: two views of the same arrays, without a copy.

    Attributes:
        offsets: `(users + 1,)` the events of user u are `[offsets[u], offsets[u + 1])`.
        items: `(events,)` item rows.
        behaviours: `(events,)` place of the behaviour in the schema's list.
        times: `(events,)` milliseconds since 1970, or the order where times are unknown.
        num_items: I, the number of items; every item row is below it.
        values: `(events,)` rating, quantity or watch time where there is one, NaN elsewhere.
    """

    offsets: Int64[np.ndarray, " users_plus_one"]
    items: Int32[np.ndarray, " events"]
    behaviours: UInt8[np.ndarray, " events"]
    times: Int64[np.ndarray, " events"]
    num_items: int
    values: Float32[np.ndarray, " events"] | None = None

    def __post_init__(self) -> None:
        events = int(self.offsets[-1])
        for name in ("items", "behaviours", "times", "values"):
            column = getattr(self, name)
            if column is not None and len(column) != events:
                raise ValueError(f"{name} has {len(column)} entries for {events} events")
        if events and (self.items.min() < 0 or self.items.max() >= self.num_items):
            raise ValueError(
                f"item rows must lie in [0, {self.num_items}): "
                f"got {self.items.min()} .. {self.items.max()}"
            )

    def __len__(self) -> int:
        return len(self.items)

    @property
    def num_users(self) -> int:
        """U, the number of users, those without events included."""
        return len(self.offsets) - 1

    @property
    def users(self) -> Int64[np.ndarray, " events"]:
        """User row of each event."""
        return np.repeat(np.arange(self.num_users, dtype=np.int64), np.diff(self.offsets))

    @property
    def histories(self) -> Jagged:
        """The item rows of each user, in time order."""
        return Jagged(self.offsets, self.items)

    def counts(self) -> Int64[np.ndarray, " items"]:
        """How many events each item has."""
        return np.bincount(self.items, minlength=self.num_items)

    def where(self, keep: Bool[np.ndarray, " events"]) -> "Interactions":
        """The same users with only the events for which `keep` is true."""
        if keep.all():
            return self
        offsets = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])[self.offsets]
        columns = {
            field.name: getattr(self, field.name)[keep]
            for field in fields(self)
            if field.name in {"items", "behaviours", "times", "values"}
            and getattr(self, field.name) is not None
        }
        return replace(self, offsets=offsets, **columns)

    def once(self) -> "Interactions":
        """The same users with one event for each item of theirs: the last of how far they went."""
        pair = self.users * np.int64(max(self.num_items, 1)) + self.items
        order = np.lexsort((self.behaviours, pair))
        keep = np.zeros(len(self), np.bool_)
        keep[order[np.flatnonzero(np.diff(pair[order], append=-1))]] = True
        return self.where(keep)

    def of(self, behaviour: int) -> "Interactions":
        """Only the events of one behaviour."""
        return self.where(self.behaviours == behaviour)

    def batch(
        self,
        users: Int64[np.ndarray, " queries"],
        asked_at: Int64[np.ndarray, " queries"] | None = None,
    ) -> Batch:
        """The questions of these users with their whole histories; row -1 has none."""
        offsets, index = gather_index(self.offsets, users)
        times = self.times[index]
        if asked_at is None:
            last = np.concatenate([[np.int64(-1)], times])[offsets[1:]]
            asked_at = np.where(offsets[1:] > offsets[:-1], last + 1, 0).astype(np.int64)
        return Batch(
            users=users,
            offsets=offsets,
            items=self.items[index],
            behaviours=self.behaviours[index],
            times=times,
            asked_at=asked_at,
        )
