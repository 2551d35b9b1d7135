"""From a label per event to a training set and its questions."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32, Int64, UInt8

from grapevine.data.dataset import TEST, TRAIN, UNUSED, VALIDATION, Dataset
from grapevine.data.holdout import Holdout
from grapevine.data.interactions import Interactions
from grapevine.errors import DataError, unknown
from grapevine.structs.jagged import Jagged, offsets_of

REPEATS = ("drop", "keep", "unmet")
"""What becomes of a target that the user has already: see `apply`."""

COLD_ITEMS = "cold-items"
"""The rule that parts items and not moments."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """A dataset taken apart: what is learnt from, and what is asked.

    Attributes:
        data: the whole dataset.
        labels: `(events,)` part of each event of `data`: TRAIN is learnt from; VALIDATION comes
            after it and is known when the test is asked; TEST is asked for and never shown; UNUSED
            is in no part. Only events of the target behaviour are questions.
        train: the training events in a vocabulary of their own, `validation` among its fields
            unless that is empty.
        validation: questions whose history is the training events.
        test: questions whose history is the training and the validation events, but of whole
            items held out the training events alone.
        settings: how the labels came about, as saved in `schema.split`.
        counts: events of each part, `validation_users` and `test_users` asked, their targets,
            and what was left out: see `apply`.
    """

    data: Dataset
    labels: UInt8[np.ndarray, " events"]
    train: Dataset
    validation: Holdout
    test: Holdout
    settings: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Any]:
        """`train, test = split`; the validation questions travel inside `train`."""
        yield self.train
        yield self.test


def apply(data: Dataset, labels: UInt8[np.ndarray, " events"], settings: dict[str, Any]) -> Split:
    """The training set and the questions that these labels describe.

    Training knows every item of a catalogue, but only items with a training event where the
    items were gathered from the events; it knows every user of a user table, or else those with a
    training event. History events of unknown items are dropped, targets of unknown items are -1,
    and unknown users are asked as row -1, with an empty history.

    Under `settings["repeats"] == "drop"` (the default) a target that the user already has in the
    query's history, by the target behaviour, is no question: with seen items excluded it could
    not be answered. Under "unmet" a target is no question either if the user has met it by any
    other behaviour. Its event keeps its part, and no earlier event is asked in its stead. Within
    a query an item is a target once, whatever the setting. What was left out is in `counts`:
    `*_repeats` and `*_duplicates` of targets, `*_cold_targets` asked but unknown to training,
    `*_new_users` asked as -1, `users_not_asked` with events but no test question.

    Raises:
        DataError: the labels do not fit the events, or leave nothing to learn from.
        ConfigError: `repeats` is none of drop, keep and unmet.
    """
    repeats = settings.get("repeats", "drop")
    if repeats not in REPEATS:
        raise unknown("rule for repeats", str(repeats), REPEATS)
    events = data.interactions
    if len(labels) != len(events):
        raise DataError(f"{data.name}: {len(labels)} labels for {len(events)} events")
    if len(labels) and labels.max() > UNUSED:
        raise DataError(f"{data.name}: a label of {labels.max()}, the last one is {UNUSED}")

    learnt = labels == TRAIN
    if not learnt.any():
        raise DataError(
            f"{data.name}: the split leaves no training events",
            hint="start the test later, or leave out less",
        )
    rows = _Rows.known(data, learnt)
    train_events = rows.encode(events, learnt)
    train = _training_set(data, rows, train_events)
    known = labels <= VALIDATION
    cold = settings.get("by") == COLD_ITEMS
    same = cold or (labels != VALIDATION).all()
    later = train_events if same else rows.encode(events, known)
    counts = {
        name: int(np.count_nonzero(labels == part))
        for part, name in enumerate(("train", "validation", "test", "unused"))
    }
    holdouts: list[Holdout] = []
    for name, part, history in (
        ("validation", VALIDATION, train_events),
        ("test", TEST, later),
    ):
        asked = _asked(data, labels, part, repeats=repeats, name=name, counts=counts)
        holdout = _holdout(data, rows, asked, name, history, str(settings.get("by", "")))
        left_out = {why: counts[f"{name}_{why}"] for why in ("repeats", "duplicates")}
        holdout = replace(
            holdout,
            unmet=repeats == "unmet",
            left_out=left_out,
            trained_on=train.fingerprint,
        )
        if cold:
            holdout = replace(holdout, asked_at=_after_all(holdout))
        counts[f"{name}_users"] = len(holdout)
        counts[f"{name}_targets"] = len(holdout.targets.values)
        counts[f"{name}_cold_targets"] = int(np.count_nonzero(holdout.targets.values < 0))
        counts[f"{name}_new_users"] = int(np.count_nonzero(holdout.users < 0))
        holdouts.append(holdout)
    validation, test = holdouts
    active = int(np.count_nonzero(np.diff(events.offsets)))
    return Split(
        data=data,
        labels=labels,
        train=replace(train, validation=validation if len(validation) else None),
        validation=validation,
        test=test,
        settings=dict(settings),
        counts={**counts, "users_not_asked": active - len(test)},
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of the training vocabularies: the whole dataset's row to training's, -1 if unknown."""

    user_known: Bool[np.ndarray, " users"]
    item_known: Bool[np.ndarray, " items"]
    user_row: Int64[np.ndarray, " users"]
    item_row: Int32[np.ndarray, " items"]

    @classmethod
    def known(cls, data: Dataset, learnt: Bool[np.ndarray, " events"]) -> "_Rows":
        events = data.interactions
        item_known = np.full(len(data.items), data.schema.catalogue)
        if not data.schema.catalogue:
            item_known[events.items[learnt]] = True
        user_known = np.full(len(data.users), data.user_table is not None)
        if data.user_table is None:
            user_known = per_user(events.offsets, learnt) > 0
        return cls(
            user_known,
            item_known,
            _places(user_known),
            _places(item_known).astype(np.int32),
        )

    def encode(self, events: Interactions, keep: Bool[np.ndarray, " events"]) -> Interactions:
        """The kept events in training's rows, without those of unknown users or items."""
        if not self.item_known.all():
            keep = keep & self.item_known[events.items]
        if not self.user_known.all():
            keep = keep & np.repeat(self.user_known, np.diff(events.offsets))
        lengths = per_user(events.offsets, keep)[self.user_known]
        every = keep.all()
        items = events.items if every else events.items[keep]
        return Interactions(
            offsets=offsets_of(lengths),
            items=items if self.item_known.all() else self.item_row[items],
            behaviours=events.behaviours if every else events.behaviours[keep],
            times=events.times if every else events.times[keep],
            values=events.values if every or events.values is None else events.values[keep],
            num_items=int(np.count_nonzero(self.item_known)),
        )


def per_user(
    offsets: Int64[np.ndarray, " users_plus_one"], keep: Bool[np.ndarray, " events"]
) -> Int64[np.ndarray, " users"]:
    """How many of each user's events are kept."""
    counts = np.zeros(len(offsets) - 1, np.int64)
    some = np.diff(offsets) > 0
    # Empty lists are left out: reduceat would give them the event that follows.
    if some.any():
        counts[some] = np.add.reduceat(keep, offsets[:-1][some], dtype=np.int64)
    return counts


def _places(known: Bool[np.ndarray, " N"]) -> Int64[np.ndarray, " N"]:
    return np.where(known, np.cumsum(known, dtype=np.int64) - 1, -1)


def _training_set(data: Dataset, rows: _Rows, events: Interactions) -> Dataset:
    return replace(
        data,
        users=data.users.keep(rows.user_known),
        items=data.items.keep(rows.item_known),
        interactions=events,
        item_table=data.item_table.filter(rows.item_known),
        labels=None,
        validation=None,
    )


def _asked(
    data: Dataset,
    labels: UInt8[np.ndarray, " events"],
    part: int,
    *,
    repeats: str,
    name: str,
    counts: dict[str, int],
) -> Int64[np.ndarray, " targets"]:
    """Places of the events that are questions of this part, in order."""
    # Compiled code is loaded only where a split is made, so that `--help` need not wait for it.
    from grapevine.graph.matches import last_match

    events = data.interactions
    is_target = events.behaviours == data.schema.target_row
    asked = np.flatnonzero((labels == part) & is_target)
    owners, items = owners_of(events, asked), events.items[asked]
    _, first = np.unique(owners * events.num_items + items, return_index=True)
    counts[f"{name}_duplicates"] = len(asked) - len(first)
    first.sort()
    asked, owners, items = asked[first], owners[first], items[first]
    counts[f"{name}_repeats"] = 0
    if repeats != "keep":
        users, lengths = np.unique(owners, return_counts=True)
        wanted = Jagged(offsets_of(lengths), items)
        history = (labels < part) & (is_target | (repeats == "unmet"))
        fresh = last_match(events.histories, history, users, wanted, events.num_items) < 0
        counts[f"{name}_repeats"] = int(np.count_nonzero(~fresh))
        asked = asked[fresh]
    return asked


def owners_of(
    events: Interactions, places: Int64[np.ndarray, " some"]
) -> Int64[np.ndarray, " some"]:
    """User row of the events at these places."""
    return np.searchsorted(events.offsets, places, side="right") - 1


def _holdout(
    data: Dataset,
    rows: _Rows,
    asked: Int64[np.ndarray, " targets"],
    name: str,
    history: Interactions,
    by: str,
) -> Holdout:
    events = data.interactions
    users, first, lengths = np.unique(
        owners_of(events, asked), return_index=True, return_counts=True
    )
    return Holdout(
        name=name,
        users=rows.user_row[users],
        targets=Jagged(offsets_of(lengths), rows.item_row[events.items[asked]]),
        history=history,
        asked_at=events.times[asked[first]],
        target=data.schema.target_row,
        by=by,
    )


def _after_all(holdout: Holdout) -> Int64[np.ndarray, " queries"]:
    """When each query is asked if nothing of its history may lie after it."""
    asked_at, known = holdout.asked_at.copy(), holdout.users >= 0
    after = holdout.history.batch(holdout.users[known]).asked_at
    asked_at[known] = np.maximum(asked_at[known], after)
    return asked_at
