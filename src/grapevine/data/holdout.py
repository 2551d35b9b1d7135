"""Questions with known answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int64

from grapevine.data.interactions import Interactions
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


@dataclass(frozen=True, slots=True)
class Holdout:
    """Questions with known answers: who is asked, what may be looked at, what came next.

    Attributes:
        name: "validation" or "test".
        users: `(queries,)` user rows of the training vocabulary; -1 is a user met only here.
        targets: item rows of the training vocabulary, in time order, one list a query; -1 is an
            item that training could not know, which counts as missed.
        history: what may be looked at, by user row.
        asked_at: `(queries,)` time of each query's first target.
        target: place of the behaviour that is asked for.
        unmet: whether only items are asked for that the user has met by no behaviour, and lists
            leave out whatever was met; else what was done with the target behaviour.
        by: how the split was made, in a word: "leave-last-out", "time", "cold-items", "published".
        left_out: what could have been asked and was not, by reason: `repeats` of what the user
            has already, `duplicates` within a query.
        trained_on: fingerprint of the training set of the same split; empty if unknown.
        asked_as: `(queries,)` who each is to a model that was trained on something else, -1 for a
            stranger, where `users` are rows of `history` alone; the same as `users` if not given.
    """

    name: str
    users: Int64[np.ndarray, " queries"]
    targets: Jagged
    history: Interactions
    asked_at: Int64[np.ndarray, " queries"]
    target: int = 0
    unmet: bool = False
    by: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)
    trained_on: str = ""
    asked_as: Int64[np.ndarray, " queries"] | None = None

    def __post_init__(self) -> None:
        if not len(self.users) == len(self.targets) == len(self.asked_at):
            raise ValueError(
                f"got {len(self.users)} users, {len(self.targets)} lists of targets and "
                f"{len(self.asked_at)} times of asking"
            )
        if (self.targets.lengths == 0).any():
            raise ValueError("a query without a target cannot be measured: leave it out")

    def __len__(self) -> int:
        return len(self.users)

    def take(self, queries: Int64[np.ndarray, " taken"]) -> "Holdout":
        """Some of the queries alone."""
        return replace(
            self,
            users=self.users[queries],
            targets=self.targets.take(queries),
            asked_at=self.asked_at[queries],
            asked_as=None if self.asked_as is None else self.asked_as[queries],
        )

    def had(self, batch: Batch) -> Jagged:
        """What cannot be an answer of these questions: the items that their users have already."""
        return batch.seen(None if self.unmet else self.target)

    def questions(self, start: int, stop: int) -> Batch:
        """Queries start to stop, as a model is asked them."""
        batch = self.history.batch(self.users[start:stop], self.asked_at[start:stop])
        return batch if self.asked_as is None else replace(batch, users=self.asked_as[start:stop])
