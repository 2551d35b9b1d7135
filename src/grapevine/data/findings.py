"""What an audit of a split has found: which leak, where, how often, and a few examples by ID."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.split.materialise import owners_of
from grapevine.errors import CheckFailed

NUM_EXAMPLES = 5

Example = tuple[Any, Any, int | None]
"""User ID, item ID and time of what leaks; None for what does not apply."""

LEAKS = {
    "training": "a held-out pair is among the training events",
    "history": "a held-out pair is in the history that its query is shown",
    "popularity": "an item is counted more often than training has events of it",
    "degrees": "a user or an item has a higher degree than it has training events",
    "vocabulary": "training knows an ID that only held-out events have",
    "cold": "an item that is held out whole has an event in training or in a history",
    "future": "something learnt from or shown happened after the question",
    "tie": "events of the same time lie on both sides of the question",
    "negatives": "a held-out item is among the negatives of its query",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of leak, in one place.

    Attributes:
        leak: a key of `LEAKS`.
        where: what was looked at.
        count: how many pairs, events or IDs leak.
        examples: up to five.
        fatal: False for what a split by order cannot avoid and is only told.
    """

    leak: str
    where: str
    count: int
    examples: tuple[Example, ...]
    fatal: bool = True

    def __str__(self) -> str:
        shown = "; ".join(
            f"user {user}, item {item}, time {time}" for user, item, time in self.examples
        )
        return f"{self.leak}: {LEAKS[self.leak]} ({self.where}): {self.count}, such as {shown}"


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found; a clean split has nothing fatal.

    Attributes:
        findings: in the order of `LEAKS`.
    """

    findings: tuple[Finding, ...]

    @property
    def leaks(self) -> list[Finding]:
        """The findings that make a figure worthless."""
        return [finding for finding in self.findings if finding.fatal]

    @property
    def warnings(self) -> list[Finding]:
        """The findings that a reader of the figure should know."""
        return [finding for finding in self.findings if not finding.fatal]

    def raise_if_leaking(self) -> None:
        """Do nothing if the split is clean.

        Raises:
            CheckFailed: naming each leak with its count and examples.
        """
        if self.leaks:
            raise CheckFailed(
                "the split leaks:\n" + "\n".join(f"- {finding}" for finding in self.leaks),
                hint="split the events again with `grapevine data split`, and derive every count "
                "and graph from the training events alone",
            )


def events_of(
    train: Dataset,
    leak: str,
    where: str,
    events: Interactions,
    index: Int64[np.ndarray, " leaking"],
    *,
    fatal: bool = True,
) -> Iterator[Finding]:
    """What these events, by their place among all, have leaked; nothing, where there are none."""
    few = index[:NUM_EXAMPLES]
    examples = examples_of(train, owners_of(events, few), events.items[few], events.times[few])
    yield from finding_of(leak, where, len(index), examples, fatal=fatal)


def examples_of(
    train: Dataset,
    users: Shaped[np.ndarray, " some"] | None = None,
    items: Shaped[np.ndarray, " some"] | None = None,
    times: Shaped[np.ndarray, " some"] | None = None,
) -> list[Example]:
    """The first few, by ID; None for what does not apply."""
    given = [
        None if users is None else train.users.take(users[:NUM_EXAMPLES]).to_list(),
        None if items is None else train.items.take(items[:NUM_EXAMPLES]).to_list(),
        None if times is None else times[:NUM_EXAMPLES].tolist(),
    ]
    length = max(len(column) for column in given if column is not None)
    return list(zip(*(column or [None] * length for column in given)))


def finding_of(
    leak: str, where: str, count: int, examples: Sequence[Example], *, fatal: bool = True
) -> Iterator[Finding]:
    """Nothing, where nothing was found."""
    if count:
        yield Finding(leak, where, count, tuple(examples), fatal)
