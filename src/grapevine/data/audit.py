"""Can a split be trusted: nine ways in which the answer leaks into the question."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from jaxtyping import Bool, Int64, Shaped

from grapevine.data.dataset import Dataset
from grapevine.data.findings import (
    LEAKS,
    NUM_EXAMPLES,
    Audit,
    Finding,
    events_of,
    examples_of,
    finding_of,
)
from grapevine.data.holdout import Holdout
from grapevine.data.split import Split
from grapevine.data.split.materialise import COLD_ITEMS, owners_of
from grapevine.data.vocabulary import Vocabulary
from grapevine.structs.jagged import Jagged

TIMED = ("time", "rolling")
"""Splits with one cut for all users."""


def audit(
    split: Split,
    *,
    popularity: Shaped[np.ndarray, " items"] | None = None,
    degrees: tuple[Shaped[np.ndarray, " users"], Shaped[np.ndarray, " items"]] | None = None,
    vocabulary: Vocabulary | None = None,
    negatives: Shaped[np.ndarray, "queries n"] | None = None,
) -> Audit:
    """Look for every way in which the answers could have been seen.

    The split's own events, histories, vocabularies and times are always looked at; what a model
    or a report derived from training can be handed in besides.

    Args:
        split: what is to be trusted.
        popularity: events of the target behaviour counted for each item of training.
        degrees: events (or distinct neighbours) counted for each user and each item of training.
        vocabulary: IDs of items that a model knows.
        negatives: item rows drawn for each test query; -1 is none.

    Raises:
        ValueError: an array has not one entry for each user, item or query.
    """
    found: list[Finding] = []
    for holdout in (split.validation, split.test):
        found += _pairs(split, holdout)
    if popularity is not None:
        found += _popularity(split.train, popularity)
    if degrees is not None:
        found += _degrees(split.train, *degrees)
    found += _vocabulary(split, vocabulary)
    found += _cold(split)
    found += _times(split)
    if negatives is not None:
        found += _negatives(split, negatives)
    places = list(LEAKS)
    return Audit(tuple(sorted(found, key=lambda finding: places.index(finding.leak))))


def _pairs(split: Split, holdout: Holdout) -> Iterator[Finding]:
    """Held-out (user, item, target behaviour) in training, or in the history that is shown.

    Where only what was never met is asked for, a pair of any other behaviour leaks as well.
    Where repeats are asked for, an earlier event of the pair is fair and only a later one leaks.
    """
    repeats = split.settings.get("repeats") == "keep"
    training = split.train.interactions
    leaking = np.zeros(len(holdout.targets.values), np.bool_)
    query = np.repeat(np.arange(len(holdout)), holdout.targets.lengths)
    places = [("training", training)]
    if holdout.history is not training:
        places.append(("history", holdout.history))
    for leak, events in places:
        match = _match(
            events.histories,
            (events.behaviours == holdout.target) | holdout.unmet,
            holdout.users,
            holdout.targets,
            events.num_items,
        )
        seen = match >= 0
        if repeats and len(events):
            seen &= events.times[match] > holdout.asked_at[query]
        # What training has is in the histories too, and is told once.
        seen &= ~leaking
        leaking |= seen
        yield from events_of(split.train, leak, holdout.name, events, match[seen])


def _popularity(train: Dataset, popularity: Shaped[np.ndarray, " items"]) -> Iterator[Finding]:
    items = _exceeding("popularity", popularity, train.target_interactions.counts())
    yield from finding_of("popularity", "items", len(items), examples_of(train, items=items))


def _degrees(
    train: Dataset, users: Shaped[np.ndarray, " users"], items: Shaped[np.ndarray, " items"]
) -> Iterator[Finding]:
    events = train.interactions
    high = _exceeding("user degrees", users, np.diff(events.offsets))
    yield from finding_of("degrees", "users", len(high), examples_of(train, users=high))
    high = _exceeding("item degrees", items, events.counts())
    yield from finding_of("degrees", "items", len(high), examples_of(train, items=high))


def _exceeding(
    name: str, given: Shaped[np.ndarray, " given"], counts: Int64[np.ndarray, " rows"]
) -> Int64[np.ndarray, " high"]:
    if given.shape != counts.shape:
        raise ValueError(f"{name} must have {len(counts)} entries: got {given.shape}")
    return np.flatnonzero(given > counts)


def _vocabulary(split: Split, given: Vocabulary | None) -> Iterator[Finding]:
    """IDs of the data that no training event has, where no table of users or items lists them."""
    data, train = split.data, split.train
    if data.user_table is None:
        learnt = train.users.keep(np.diff(train.interactions.offsets) > 0)
        extra = _only_held_out(train.users, learnt, data.users)
        examples = [(one, None, None) for one in extra.head(NUM_EXAMPLES)]
        yield from finding_of("vocabulary", "users", len(extra), examples)
    if not data.schema.catalogue:
        learnt = train.items.keep(train.interactions.counts() > 0)
        for where, known in (("items", train.items), ("items of the model", given)):
            if known is not None:
                extra = _only_held_out(known, learnt, data.items)
                examples = [(None, one, None) for one in extra.head(NUM_EXAMPLES)]
                yield from finding_of("vocabulary", where, len(extra), examples)


def _only_held_out(known: Vocabulary, learnt: Vocabulary, data: Vocabulary) -> pl.Series:
    return known.take(np.flatnonzero((learnt.rows(known.ids) < 0) & (data.rows(known.ids) >= 0)))


def _cold(split: Split) -> Iterator[Finding]:
    """Events of items that are held out whole, where something is learnt from or shown."""
    if split.settings.get("by") != COLD_ITEMS:
        return
    held_out = np.zeros(len(split.train.items), np.bool_)
    for holdout in (split.validation, split.test):
        held_out[holdout.targets.values[holdout.targets.values >= 0]] = True
    training = split.train.interactions
    for where, events in (
        ("training events", training),
        ("histories, validation", split.validation.history),
        ("histories, test", split.test.history),
    ):
        if where == "training events" or events is not training:
            index = np.flatnonzero(held_out[events.items])
            yield from events_of(split.train, "cold", where, events, index)


def _times(split: Split) -> Iterator[Finding]:
    """Nothing that is learnt from or shown may lie at the time of the question or after it.

    With one cut for all users an event of the very time of the cut is a leak. Where the order
    within a user decides, it is a warning: the order is known even where times are coarse.
    """
    by = split.settings.get("by")
    if by not in {*TIMED, "leave-last-out"}:
        return
    training, later = split.train.interactions, split.test.history
    for where, events, holdout in (
        ("training events", training, split.validation),
        ("training events", training, split.test),
        ("histories", later, split.test),
    ):
        if not len(holdout) or (where == "histories" and later is training):
            continue
        cut = _cut(split, holdout, events.num_users)
        late = np.flatnonzero(events.times >= np.repeat(cut, np.diff(events.offsets)))
        tied = events.times[late] == cut[owners_of(events, late)]
        where = f"{where}, {holdout.name}"
        yield from events_of(split.train, "future", where, events, late[~tied])
        yield from events_of(split.train, "tie", where, events, late[tied], fatal=by in TIMED)


def _cut(split: Split, holdout: Holdout, num_users: int) -> Int64[np.ndarray, " users"]:
    """From when on each user's events belong to the question."""
    if split.settings["by"] in TIMED:
        at = split.settings["at"]
        start = split.settings.get("validation_at", at) if holdout is split.validation else at
        return np.full(num_users, start, np.int64)
    cut = np.full(num_users, np.iinfo(np.int64).max)
    known = holdout.users >= 0
    cut[holdout.users[known]] = holdout.asked_at[known]
    return cut


def _negatives(split: Split, negatives: Shaped[np.ndarray, "queries n"]) -> Iterator[Finding]:
    test = split.test
    if len(negatives) != len(test):
        raise ValueError(f"negatives must have {len(test)} rows: got {negatives.shape}")
    queries, width = negatives.shape
    drawn = Jagged(np.arange(queries + 1) * width, negatives.ravel())
    keep = drawn.values >= 0
    match = _match(drawn, keep, np.arange(queries), test.targets, len(split.train.items))
    hit = np.flatnonzero(match >= 0)
    query = np.repeat(np.arange(queries), test.targets.lengths)[hit]
    examples = examples_of(split.train, test.users[query], test.targets.values[hit])
    yield from finding_of("negatives", "test", len(hit), examples)


def _match(
    lists: Jagged,
    keep: Bool[np.ndarray, " total"],
    rows: Int64[np.ndarray, " queries"],
    wanted: Jagged,
    num_items: int,
) -> Int64[np.ndarray, " wanted"]:
    # Compiled code is loaded only where it runs, so that `--help` need not wait for it.
    from grapevine.graph.matches import last_match

    return last_match(lists, keep, rows, wanted, num_items)
