"""The rules that say which part an event belongs to."""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import numpy as np

from grapevine.data.dataset import TEST, UNUSED, VALIDATION, Dataset
from grapevine.data.split.carve import validated
from grapevine.data.split.cold import cold_items
from grapevine.data.split.materialise import COLD_ITEMS, Split, apply
from grapevine.data.split.moments import by_time, need_clock, window_labels
from grapevine.errors import ConfigError, DataError, unknown
from grapevine.random import stream

MIN_TARGETS = 3
"""One target event to learn from, one to choose by, one to test with."""


def leave_last_out(
    data: Dataset,
    *,
    repeats: str = "drop",
    validation_users: int | None = None,
    seed: int = 0,
) -> Split:
    """The last target event of each user is the test, the one before it the validation.

    Of a user with fewer than three target events everything is learnt from and nothing asked.
    Otherwise events before the validation target are training; from there up to the test target
    they are known when the test is asked; after it they are in no part, whatever the behaviour.

    Args:
        data: all events; their order within a user must mean something.
        repeats: "drop" asks for no item the user already has, "keep" does: see `apply`.
        validation_users: that so many users are drawn for the validation, and that of the others
            everything before the test is learnt from; None for all. Of short histories, one event
            more is much to learn from, and published figures of them have it.
        seed: of that draw.

    Raises:
        ConfigError: not even one user is to be asked for validation.
        DataError: the order of events is not known.
    """
    need_clock(data, ("exact", "approximate", "order"), "leave-last-out")
    if validation_users is not None and validation_users < 1:
        raise ConfigError(f"validation_users must be 1 or more: got {validation_users}")
    events = data.interactions
    targets = np.flatnonzero(events.behaviours == data.schema.target_row)
    before = np.searchsorted(targets, events.offsets)
    asked = np.diff(before) >= MIN_TARGETS
    last = before[1:][asked]
    validation, test, stop = targets[last - 2], targets[last - 1], events.offsets[1:][asked]
    # Steps up at the borders of the parts, and down at the user's end (253 is -3 in eight bits);
    # their running sum is the label.
    steps = np.zeros(len(events) + 1, np.uint8)
    settings: dict[str, Any] = {"by": "leave-last-out", "repeats": repeats}
    validated = np.full(len(test), True)
    if validation_users is not None:
        settings |= {"validation_users": validation_users, "seed": seed}
        drawn = stream(seed, "validation users").permutation(len(test))
        validated[drawn[validation_users:]] = False
    steps[validation[validated]] += VALIDATION
    steps[test] += TEST
    steps[test[validated]] -= VALIDATION
    steps[test + 1] += UNUSED - TEST
    steps[stop] += np.uint8(256 - UNUSED)
    labels = np.cumsum(steps, dtype=np.uint8)[:-1]
    return apply(data, labels, settings)


def leave_last_out_sampled(
    data: Dataset, *, repeats: str = "drop", validation_users: int = 2048, seed: int = 0
) -> Split:
    """`leave_last_out` with a validation of some users, so that more is left to learn from.

    Args:
        data: all events; their order within a user must mean something.
        repeats: see `leave_last_out`.
        validation_users: likewise.
        seed: likewise.
    """
    return leave_last_out(data, repeats=repeats, validation_users=validation_users, seed=seed)


def published(
    data: Dataset, *, repeats: str | None = None, validation_users: int = 0, seed: int = 0
) -> Split:
    """The split that the folder holds, made by its publisher or by `write`.

    Args:
        data: a dataset with labels.
        repeats: if not given, as the folder's schema says, or else "drop".
        validation_users: so many are drawn for a validation, where the publisher has none: see
            `validated`.
        seed: of that draw.

    Raises:
        ConfigError: there is a validation already.
        DataError: the folder holds no split.
    """
    if data.labels is None:
        raise DataError(
            f"{data.name}: its events have no `split` column",
            hint="split it by leave-last-out or time",
        )
    settings = {"by": "published", "repeats": "drop", **data.schema.split}
    if repeats is not None:
        settings["repeats"] = repeats
    labels = data.labels
    if validation_users:
        settings |= {"by": "published", "validation_users": validation_users, "seed": seed}
        labels = validated(data, labels, settings)
    return apply(data, labels, settings)


def everything(data: Dataset) -> Split:
    """All events are learnt from and nothing is asked: for a model that goes into service."""
    labels = np.zeros(len(data.interactions), np.uint8)
    return apply(data, labels, {"by": "none"})


def settings_of(split: Split) -> dict[str, Any]:
    """How a split came about, whole: `stored` says that the folder's own labels were taken."""
    return {**split.settings, "stored": split.labels is split.data.labels}


def remake(data: Dataset, settings: Mapping[str, Any]) -> Split:
    """The very split that `settings_of` describes, from the same data.

    Raises:
        ConfigError: no rule leaves such settings.
        DataError: the rule does not fit the data.
    """
    by = settings.get("by", "none")
    if settings.get("stored") or by == "published":
        # What was carved out is carved again, but of labels that have been written with it.
        carved = () if settings.get("stored") else ("validation_users", "seed")
        given = {name: settings[name] for name in carved if name in settings}
        return published(data, repeats=settings["repeats"], **given)
    if by in {"time", "rolling"}:
        labels = window_labels(data.interactions.times, dict(settings))
        return apply(data, labels, dict(settings))
    given = {name: value for name, value in settings.items() if name not in {"by", "stored"}}
    if by == "leave-last-out":
        return leave_last_out(data, **given)
    if by == COLD_ITEMS:
        return cold_items(data, **given)
    if by == "none":
        return everything(data)
    raise unknown("split", str(by), [*RULES, "rolling"])


RULES: dict[str, Callable[..., Split]] = {
    "leave-last-out": leave_last_out,
    "leave-last-out-sampled": leave_last_out_sampled,
    "time": by_time,
    COLD_ITEMS: cold_items,
    "published": published,
    "none": everything,
}


def of(data: Dataset, by: str = "auto", **options: Any) -> Split:
    """A split by the name of its rule; "auto" is the published one, or else leave-last-out.

    Raises:
        ConfigError: no rule is called so, or the rule has no such option.
        DataError: the rule does not fit the data.
    """
    if by == "auto":
        by = "leave-last-out" if data.labels is None else "published"
    if by not in RULES:
        raise unknown("split", by, ["auto", *RULES])
    known = list(signature(RULES[by]).parameters)[1:]
    for name in options:
        if name not in known:
            raise unknown(f"option of the split by {by}", name, known)
    parts = RULES[by](data, **options)
    if not len(parts.test) and parts.settings.get("by") != "none":
        raise _nobody_asked(parts)
    return parts


def _nobody_asked(parts: Split) -> DataError:
    """Why a split has no question in its test, and what would give it some."""
    data, target = parts.data, parts.data.schema.target
    hints: list[str] = []
    if parts.counts["test_repeats"]:
        hints += ["ask for what users already have, too: --repeats keep"]
    elif parts.settings.get("by") == "leave-last-out":
        hints += [f"it takes a user with {MIN_TARGETS} `{target}` events; split by time"]
    elif "at" in parts.settings:
        hints += ["start the test earlier: --at"]
    others = [name for name in data.schema.behaviours if name != target]
    if others:
        hints += [f"predict another behaviour: import with --target {' or '.join(others)}"]
    return DataError(
        f"{data.name}: the split by {parts.settings.get('by')} asks nobody: no user has a "
        f"`{target}` event to test with",
        hint="; or ".join(hints) or "the published labels must call some event `test`",
    )
