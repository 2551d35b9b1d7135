"""The rules that say which part an event belongs to."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from inspect import signature
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from grapevine.data.dataset import TEST, UNUSED, VALIDATION, Dataset
from grapevine.data.split.carve import validated
from grapevine.data.split.cold import cold_items
from grapevine.data.split.materialise import COLD_ITEMS, Split, apply
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
    _need_clock(data, ("exact", "approximate", "order"), "leave-last-out")
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


def by_time(
    data: Dataset,
    at: int | str | datetime | None = None,
    *,
    validation_at: int | str | datetime | None = None,
    test_fraction: float = 0.1,
    validation_fraction: float = 0.1,
    repeats: str = "drop",
) -> Split:
    """Everything from a moment on is the test, for all users alike.

    An event at the very moment `at` belongs to the test, so events of the same time are never
    taken apart. All first-time targets of a user in the test are one query; nothing that happened
    after the cut is in its history.

    Args:
        data: all events, with true times.
        at: when the test starts, in milliseconds since 1970 or as a date ("2024-05-01", UTC
            unless it says otherwise); if not given, where the last `test_fraction` begins.
        validation_at: when the validation starts; if not given, where the last
            `validation_fraction` of the events before the test begins; 0 leaves it out.
        test_fraction: share of the events, between 0 and 1.
        validation_fraction: likewise.
        repeats: "drop" asks for no item the user already has, "keep" does: see `apply`.

    Raises:
        DataError: the times are not true times, or a part that must not be empty is.
        ConfigError: a moment or a fraction makes no sense.
    """
    _need_clock(data, ("exact", "approximate"), "time")
    times = data.interactions.times
    start = _moment(at) if at is not None else _quantile(data, times, test_fraction)
    settings: dict[str, Any] = {"by": "time", "at": start, "repeats": repeats}
    if validation_at is not None:
        settings["validation_at"] = _moment(validation_at)
    elif validation_fraction:
        earlier = times[times < start]
        settings["validation_at"] = _quantile(data, earlier, validation_fraction)
    return apply(data, _window_labels(times, settings), settings)


def rolling(
    data: Dataset, *, windows: int = 3, test_fraction: float = 0.1, repeats: str = "drop"
) -> list[Split]:
    """Several time splits, each testing on the window after the one before it.

    Each window holds `test_fraction` of the events (more where times tie); the last one ends with
    the data. A split validates on the window before its test, learns from everything earlier, and
    leaves what is later in no part.

    Raises:
        DataError: the times are not true times, or there are too few for so many windows.
        ConfigError: the windows and the fraction do not fit into the data.
    """
    _need_clock(data, ("exact", "approximate"), "rolling")
    if windows < 1 or (windows + 1) * test_fraction >= 1:
        raise ConfigError(
            f"{windows} windows of {test_fraction:g} and one to validate leave nothing to learn "
            "from",
            hint="ask for fewer or smaller windows",
        )
    times = data.interactions.times
    cuts = [_quantile(data, times, test_fraction * back) for back in range(windows + 1, 0, -1)]
    if len(set(cuts)) < len(cuts):
        raise DataError(
            f"{data.name}: too many events share a time for {windows} windows",
            hint="ask for fewer windows",
        )
    splits: list[Split] = []
    for window in range(windows):
        settings: dict[str, Any] = {
            "by": "rolling",
            "validation_at": cuts[window],
            "at": cuts[window + 1],
            "repeats": repeats,
        }
        if window + 2 < len(cuts):
            settings["until"] = cuts[window + 2]
        splits.append(apply(data, _window_labels(times, settings), settings))
    return splits


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
        labels = _window_labels(data.interactions.times, dict(settings))
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


def _need_clock(data: Dataset, clocks: tuple[str, ...], rule: str) -> None:
    clock = data.schema.clock
    if clock not in clocks:
        hint = {
            "order": "split by leave-last-out, which needs only the order",
            "none": "use the published split, or import the events with their times",
        }
        raise DataError(
            f"{data.name}: a split by {rule} needs times, and the clock of these is `{clock}`",
            hint=hint[clock],
        )


def _window_labels(
    times: Int64[np.ndarray, " events"], settings: dict[str, Any]
) -> UInt8[np.ndarray, " events"]:
    """Train before `validation_at`, validation before `at`, test before `until`, then unused."""
    start = settings["at"]
    validation_at = settings.get("validation_at", start)
    if validation_at > start:
        raise ConfigError(f"the validation starts at {validation_at}, after the test at {start}")
    labels = np.zeros(len(times), np.uint8)
    labels[times >= validation_at] = VALIDATION
    labels[times >= start] = TEST
    if "until" in settings:
        labels[times >= settings["until"]] = UNUSED
    return labels


def _quantile(data: Dataset, times: Int64[np.ndarray, " events"], fraction: float) -> int:
    """The time at which the last `fraction` of the events begins."""
    if not 0 < fraction < 1:
        raise ConfigError(f"a share of the events lies between 0 and 1: got {fraction:g}")
    if not len(times):
        raise DataError(
            f"{data.name}: there are no events before the test",
            hint="start the test later, or split by leave-last-out, which needs only the order",
        )
    place = min(int(np.ceil(len(times) * (1 - fraction))), len(times) - 1)
    return int(np.partition(times, place)[place])


def _moment(at: int | str | datetime) -> int:
    """Milliseconds since 1970 of a moment given in any of the usual ways."""
    if isinstance(at, str):
        try:
            # Eight digits are a date, 20240501; as milliseconds they would be a morning of 1970.
            at = int(at) if at.isdigit() and len(at) > 8 else datetime.fromisoformat(at)
        except ValueError:
            raise ConfigError(
                f"`{at}` is not a moment",
                hint="write 2024-05-01, 2024-05-01T12:00, or milliseconds since 1970",
            ) from None
    if isinstance(at, datetime):
        utc = at if at.tzinfo else at.replace(tzinfo=UTC)
        return round(utc.timestamp() * 1000)
    return int(at)
