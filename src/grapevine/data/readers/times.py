"""Times in any stated unit, as milliseconds since 1970."""

import contextlib
import statistics
from collections.abc import Iterable
from datetime import datetime
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int64

from grapevine.data.readers.validate import NO_SCALAR, Problem, Text, as_text, text_spans
from grapevine.errors import ConfigError, DataError
from grapevine.graph.times import parse_integers, parse_iso

END_MS = 4_133_980_800_000
"""The first millisecond after the year 2100; times lie in [0, END_MS)."""

MS_PER_UNIT = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
NATIVE = "native"
"""Times of their own type, which need no unit."""

FORMATS = tuple(
    f"{day}{time}"
    for day in ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%Y%m%d")
    for time in ("", " %H:%M", " %H:%M:%S")
)
"""Other common ways to write a time, for a hint."""

TIME_UNITS = ("auto", *MS_PER_UNIT, "iso")


def check_times(
    name: str, column: pa.Array, unit: str
) -> tuple[Int64[np.ndarray, " rows"], list[Problem]]:
    """Times as milliseconds since 1970; missing, no time, or outside 1970 to 2100 is wrong.

    Args:
        name: the column's name.
        column: numbers, text, or times of their own type, which then need no unit.
        unit: a key of MS_PER_UNIT, "iso", or a strptime format; finer than a millisecond is cut.
    """
    kind = column.type
    missing = column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_temporal(kind):
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
            return np.zeros(len(column), np.int64), [Problem(name, ~missing, "is not a date")]
        ms = column.cast(pa.timestamp("ms", getattr(kind, "tz", None)), safe=False)
        times, good = _no_nulls(ms.cast(pa.int64()), np.int64), np.ones(len(column), bool)
        reason = "is not a date"
    elif pa.types.is_integer(kind) and unit in MS_PER_UNIT:
        times, good = _scaled(_no_nulls(column.cast(pa.int64()), np.int64), unit), ~missing
        reason = "is not a number"
    else:
        text = as_text(column)
        if text is None or unit == NATIVE:
            reason = NO_SCALAR if text is None else "is not of the type of the first file's times"
            everywhere = np.ones(len(column), bool)
            return np.zeros(len(column), np.int64), [Problem(name, everywhere, reason)]
        spans = text_spans(text)
        missing = np.diff(spans.offsets) == 0
        times, good = _times_of_text(text, spans, unit)
        reason = "is not a number" if unit in MS_PER_UNIT else f"is not a date ({unit})"
    problems = [
        Problem(name, missing, "is empty"),
        Problem(name, ~(good | missing), reason),
        Problem(
            name, good & ~missing & ((times < 0) | (times >= END_MS)), "is not in 1970 to 2100"
        ),
    ]
    return times, [problem for problem in problems if problem.rows.any()]


def check_unit(unit: str) -> None:
    """Refuse a unit of time that is none.

    Raises:
        ConfigError: it is neither a known name nor a format.
    """
    if unit not in TIME_UNITS and "%" not in unit:
        raise ConfigError(
            f"`{unit}` is no unit of time",
            hint=f"write one of {', '.join(TIME_UNITS)}, or a format such as %d/%m/%Y %H:%M",
        )


def guess_unit(where: str, columns: Iterable[pa.Array]) -> str:
    """The unit of some first values of a column.

    By the median number: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds,
    otherwise nanoseconds, so that each unit holds for 1974 to 2100 and longer. Text that is no
    number must be ISO 8601. Times of their own type are "native".

    Raises:
        DataError: more than half of the values are neither a number nor ISO 8601.
    """
    numbers: list[float] = []
    dates, example, total = 0, "", 0
    for column in columns:
        if pa.types.is_temporal(column.type):
            return NATIVE
        text = as_text(column)
        for value in [] if text is None else text.to_pylist():
            if not value:
                continue
            total += 1
            number = _number(value)
            if number is not None:
                numbers.append(abs(number))
            elif parse_iso(*_spans_of(value))[1][0]:
                dates += 1
            else:
                example = example or value
    if 2 * len(numbers) > total:
        middle = statistics.median(numbers)
        limits = {"s": 1e11, "ms": 1e14, "us": 1e17}
        return next((unit for unit, limit in limits.items() if middle < limit), "ns")
    if not total:
        raise DataError(f"{where}: holds no time in its first rows", hint="is it the right column?")
    if 2 * dates < total:
        likely = " or ".join(f"--time-unit '{form}'" for form in formats_of(example))
        raise DataError(
            f"{where}: no unit of time fits, such as for `{example}`",
            hint=f"say it: {likely or 's, ms, us, ns, iso, or a format such as %d/%m/%Y %H:%M'}",
        )
    return "iso"


def formats_of(value: str) -> list[str]:
    """Those of `FORMATS` that read a value."""
    fits = []
    for form in FORMATS:
        with contextlib.suppress(ValueError):
            datetime.strptime(value, form)
            fits.append(form)
    return fits


def _times_of_text(
    text: pa.Array, spans: Text, unit: str
) -> tuple[Int64[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    if unit == "iso":
        return parse_iso(spans.data, spans.offsets)
    if unit not in MS_PER_UNIT:
        return _strptime(text, unit)
    whole, good = parse_integers(spans.data, spans.offsets)
    times = _scaled(whole, unit)
    if not good.all():
        rest = np.flatnonzero(~good)
        values = cast(pl.Series, pl.from_arrow(text.take(pa.array(rest))))
        parsed = values.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
        # Beyond 64 bits only the fact that it is out of range matters.
        ms = np.clip(np.floor(parsed * MS_PER_UNIT[unit]), -1, END_MS)
        good[rest] = np.isfinite(parsed)
        times[rest] = np.where(np.isfinite(ms), ms, 0).astype(np.int64)
    return times, good


def _strptime(
    text: pa.Array, form: str
) -> tuple[Int64[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    series = cast(pl.Series, pl.from_arrow(text))
    try:
        parsed = series.str.to_datetime(form, time_unit="ms", strict=False)
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"`{form}` is no format of time: {error}") from error
    number = parsed.cast(pl.Int64)
    return number.fill_null(0).to_numpy(), number.is_not_null().to_numpy()


def _scaled(values: Int64[np.ndarray, " rows"], unit: str) -> Int64[np.ndarray, " rows"]:
    if unit == "s":
        # Clipped first: seconds beyond 64 bits of milliseconds are out of range either way.
        return np.clip(values, -1, END_MS) * 1000
    return values // {"ms": 1, "us": 1000, "ns": 1_000_000}[unit]


def _no_nulls(column: pa.Array, dtype: type) -> np.ndarray:
    column = pc.fill_null(column, 0) if column.null_count else column
    return column.to_numpy(zero_copy_only=False).astype(dtype, copy=False)


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _spans_of(value: str) -> tuple[np.ndarray, np.ndarray]:
    data = np.frombuffer(value.encode(), np.uint8)
    return data, np.array([0, len(data)], np.int32)
