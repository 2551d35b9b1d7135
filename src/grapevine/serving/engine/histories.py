"""Histories as arrays: what a run knows of a user, and what came since."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32, Int64, UInt8

from grapevine.errors import ConfigError
from grapevine.models.run import Run
from grapevine.serving.engine.asked import MOST_ASKED, Asked, Happened
from grapevine.serving.engine.catalogue import Catalogue
from grapevine.structs.batch import Batch

SECOND = 1000
"""Milliseconds: what events without a time are apart, as offline."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One history, of items that the run knows.

    An event with an item that came since is heard as one with its nearest of kin.

    Attributes:
        user: row of the user, -1 for a stranger.
        items: `(events,)` item rows, the first event first.
        behaviours: `(events,)` rows of the behaviours.
        times: `(events,)` in the run's unit: milliseconds, or the order.
        asked_at: when it is asked, likewise.
        new: `(some, 2)` row and behaviour of the events with items that came since; None where
            there are none.
        meant: `(events,)` which events were with the very item that is heard; None for all.
    """

    user: int
    items: Int32[np.ndarray, " events"]
    behaviours: UInt8[np.ndarray, " events"]
    times: Int64[np.ndarray, " events"]
    asked_at: int
    new: Int64[np.ndarray, "some two"] | None = None
    meant: Bool[np.ndarray, " events"] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def batch(self) -> Batch:
        """The same as a block of one question."""
        return Batch(
            users=np.array([self.user]),
            offsets=np.array([0, len(self.items)]),
            items=self.items,
            behaviours=self.behaviours,
            times=self.times,
            asked_at=np.array([self.asked_at]),
        )


class Histories:
    """Makes histories as the models of a run hear them, alike offline and in service.

    Args:
        run: whose users and events.
        catalogue: of the same run.
    """

    stands_for: Int32[np.ndarray, " new"] = np.empty(0, np.int32)
    """Of each item that came since, the row of its nearest of kin; -1 where it has none."""

    def over(self, catalogue: Catalogue, stands_for: Int32[np.ndarray, " new"]) -> "Histories":
        """The same users over a catalogue with more items.

        Args:
            catalogue: with them.
            stands_for: of each item that came since, the row of its nearest of kin, or -1.
        """
        out = copy(self)
        out.catalogue, out.stands_for = catalogue, stands_for
        return out

    def __init__(self, run: Run, catalogue: Catalogue) -> None:
        self.known = run.history
        self.catalogue = catalogue
        self.row_of = {str(one): row for row, one in enumerate(run.users.ids.to_list())}
        self.timed, self.exact = run.schema.timed, run.schema.clock == "exact"
        self.behaviour_of = {name: row for row, name in enumerate(run.schema.behaviours)}
        # Who asks for what was never met is not told of what was.
        self.unmet = dict(run.record.get("split") or {}).get("repeats") == "unmet"

    def of(self, asked: Asked, target: int) -> Heard:
        """The history that a question is about.

        Args:
            asked: the question.
            target: row of the behaviour that is asked for, which is meant where none is said.

        Raises:
            ConfigError: the item that is asked about is not in the catalogue.
        """
        if asked.item_id is not None:
            row = self.catalogue.shown(asked.item_id)
            if row is None:
                raise self.no_item(asked.item_id)
            return self._after(-1, 0, 0, [Happened(asked.item_id)], asked.asked_at, target)
        user = -1 if asked.user_id is None else self.row_of.get(str(asked.user_id), -1)
        start, stop = (0, 0) if user < 0 else self.known.offsets[user : user + 2].tolist()
        more = asked.history[-MOST_ASKED:]
        return self._after(user, start, stop, more, asked.asked_at, target)

    def no_item(self, item_id: Any) -> ConfigError:
        """The error for an item that is not there, or not any more."""
        return ConfigError(
            f"this run knows no item `{item_id}`",
            hint=f"item IDs look like `{next(iter(self.catalogue.row_of), '')}`",
        )

    def seen(self, heard: Heard, target: int) -> Int32[np.ndarray, " seen"]:
        """Items that need not be shown again: those of the target, or all where none may be met."""
        if heard.meant is None or heard.new is None:
            return heard.items if self.unmet else heard.items[heard.behaviours == target]
        seen = heard.items[heard.meant & (self.unmet | (heard.behaviours == target))]
        new = heard.new if self.unmet else heard.new[heard.new[:, 1] == target]
        return np.concatenate([seen, new[:, 0].astype(np.int32)])

    def remembers(self, user_id: str, at: int) -> bool:
        """Whether the run holds something that a user did up to a moment.

        Args:
            user_id: who.
            at: milliseconds since 1970; where the run's times are none, anything counts.
        """
        row = self.row_of.get(user_id)
        if row is None:
            return False
        start, stop = self.known.offsets[row : row + 2].tolist()
        return not self.exact or bool((self.known.times[start:stop] <= at).any())

    def _after(
        self,
        user: int,
        start: int,
        stop: int,
        more: Sequence[Happened],
        asked_at: int | None,
        target: int,
    ) -> Heard:
        """What the run knows of a user, and then what came since."""
        known = self.known
        items, behaviours = known.items[start:stop], known.behaviours[start:stop]
        times = known.times[start:stop]
        last = int(times[-1]) if stop > start else None
        new = self._rows(more, last, target)
        if new and self.timed and last is not None and new[0][2] <= last:
            there = {*zip(items.tolist(), behaviours.tolist(), times.tolist())}
            new = [one for one in new if one not in there]
        if new:
            added = np.array(new, np.int64)
            items = np.concatenate([items, added[:, 0].astype(np.int32)])
            behaviours = np.concatenate([behaviours, added[:, 1].astype(np.uint8)])
            times = np.concatenate([times, added[:, 2]])
            if last is not None and new[0][2] < last:
                order = np.argsort(times, kind="stable")
                items, behaviours, times = items[order], behaviours[order], times[order]
        if asked_at is None or not self.timed:
            # As offline: right after the last event, or a second after where times are not told.
            told = last is not None or any(len(one) > 2 and one[2] is not None for one in more)
            after = 1 if told else SECOND
            asked_at = int(times[-1]) + after if len(times) else 0
        known = items < self.catalogue.known
        if known.all():
            return Heard(user, items, behaviours, times, asked_at)
        new = np.column_stack([items, behaviours])[~known].astype(np.int64)
        items = items.copy()
        items[~known] = self.stands_for[items[~known] - self.catalogue.known]
        heard = items >= 0
        return Heard(
            user, items[heard], behaviours[heard], times[heard], asked_at, new, known[heard]
        )

    def _rows(
        self, more: Sequence[Happened], last: int | None, target: int
    ) -> list[tuple[int, int, int]]:
        """Item, behaviour and time of each event that the run can hear, by time."""
        row_of, behaviour_of, timed = self.catalogue.row_of, self.behaviour_of, self.timed
        step = SECOND if timed or last is None else 1
        clock = -step if last is None else last
        found: list[tuple[int, int, int]] = []
        rising = True
        for item_id, behaviour, timestamp in more:
            row = row_of.get(str(item_id))
            kind = target if behaviour is None else behaviour_of.get(behaviour)
            time = clock + step if timestamp is None or not timed else timestamp
            rising, clock = rising and time >= clock, time
            if row is not None and kind is not None:
                found.append((row, kind, time))
        if not rising:
            found.sort(key=lambda one: one[2])
        return found
