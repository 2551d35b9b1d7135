"""Splits by a moment: what happened before it is learnt from, what came after is asked for."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from grapevine.data.dataset import TEST, UNUSED, VALIDATION, Dataset
from grapevine.data.split.materialise import Split, apply
from grapevine.errors import ConfigError, DataError


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
    need_clock(data, ("exact", "approximate"), "time")
    times = data.interactions.times
    start = _moment(at) if at is not None else _quantile(data, times, test_fraction)
    settings: dict[str, Any] = {"by": "time", "at": start, "repeats": repeats}
    if validation_at is not None:
        settings["validation_at"] = _moment(validation_at)
    elif validation_fraction:
        earlier = times[times < start]
        settings["validation_at"] = _quantile(data, earlier, validation_fraction)
    return apply(data, window_labels(times, settings), settings)


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
    need_clock(data, ("exact", "approximate"), "rolling")
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
        splits.append(apply(data, window_labels(times, settings), settings))
    return splits


def need_clock(data: Dataset, clocks: tuple[str, ...], rule: str) -> None:
    """Refuse a log whose times do not mean what a rule asks of them.

    Args:
        data: the log.
        clocks: those that will do.
        rule: its name.

    Raises:
        DataError: its clock is another.
    """
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


def window_labels(
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
