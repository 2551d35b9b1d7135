"""Raw columns into checked arrays, and what is wrong with which row."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float64, Int32, Int64, UInt8

from grapevine.errors import ConfigError, DataError
from grapevine.graph import strings
from grapevine.graph.times import parse_integers, parse_iso

END_MS = 4_133_980_800_000
"""The first millisecond after the year 2100; times lie in [0, END_MS)."""

MS_PER_UNIT = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
TIME_UNITS = ("auto", *MS_PER_UNIT, "iso")

_NO_SCALAR = "is neither text nor a number"
_ID_REASONS = {
    strings.EMPTY: "is empty",
    strings.TOO_LONG: f"is longer than {strings.MAX_ID_BYTES} bytes",
    strings.CONTROL: "holds a control character",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with some rows.

    Attributes:
        column: where it was found.
        rows: `(rows,)` true where it is wrong.
        reason: what is wrong, after the column's name.
    """

    column: str
    rows: Bool[np.ndarray, " rows"]
    reason: str


@dataclass(frozen=True, slots=True)
class Text:
    """A column of strings.

    Attributes:
        data: UTF-8, end to end.
        offsets: string i is `data[offsets[i]:offsets[i + 1]]`.
    """

    data: UInt8[np.ndarray, " bytes"]
    offsets: Int32[np.ndarray, " rows_plus_one"]


def as_text(column: pa.Array) -> pa.Array | None:
    """Text or numbers as strings, missing ones empty; None if the column holds neither.

    A whole number is written without a fraction even where a table keeps it as a float, as
    tables with gaps do.
    """
    kind = column.type
    if pa.types.is_floating(kind):
        column = _floats_as_text(column)
    elif pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        column = column.cast(pa.string())
    elif not pa.types.is_string(kind):
        return None
    return pc.fill_null(column, "") if column.null_count else column


def text_spans(column: pa.Array) -> Text:
    """A string column without nulls, as numpy arrays over the same memory."""
    rows = len(column)
    _, offsets, data = column.buffers()
    if offsets is None or rows == 0:
        return Text(np.zeros(0, np.uint8), np.zeros(rows + 1, np.int32))
    places = np.frombuffer(offsets, np.int32)[column.offset : column.offset + rows + 1]
    letters = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Text(letters, places)


def check_ids(name: str, column: pa.Array) -> tuple[Text, list[Problem]]:
    """IDs as text; empty, longer than 256 bytes or with control characters is wrong."""
    text = as_text(column)
    if text is None:
        return _nothing(len(column)), [Problem(name, np.ones(len(column), bool), _NO_SCALAR)]
    spans = text_spans(text)
    status = strings.check_ids(spans.data, spans.offsets)
    if not status.any():
        return spans, []
    return spans, [
        Problem(name, status == code, reason)
        for code, reason in _ID_REASONS.items()
        if (status == code).any()
    ]


def check_text(name: str, column: pa.Array) -> tuple[Text, list[Problem]]:
    """Any text."""
    text = as_text(column)
    if text is None:
        return _nothing(len(column)), [Problem(name, np.ones(len(column), bool), _NO_SCALAR)]
    return text_spans(text), []


def check_numbers(
    name: str, column: pa.Array
) -> tuple[Float64[np.ndarray, " rows"], list[Problem]]:
    """Numbers, NaN where missing; what is no number, not finite or beyond float32 is wrong."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy()
        empty, broken = np.isnan(values), np.zeros(len(column), bool)
    else:
        text = as_text(column)
        if text is None:
            return np.zeros(len(column)), [Problem(name, np.ones(len(column), bool), _NO_SCALAR)]
        series = cast(pl.Series, pl.from_arrow(text))
        parsed = series.cast(pl.Float64, strict=False)
        empty = (series == "").to_numpy()
        broken = parsed.is_null().to_numpy() & ~empty
        values = parsed.fill_null(np.nan).to_numpy()
    finite = np.abs(values) <= np.finfo(np.float32).max
    problems = [
        Problem(name, broken, "is not a number"),
        Problem(name, ~(finite | empty | broken), "is not a finite number of 32 bits"),
    ]
    values = np.where(finite, values, np.nan)
    return values, [problem for problem in problems if problem.rows.any()]


def check_order(name: str, column: pa.Array) -> tuple[Int64[np.ndarray, " rows"], list[Problem]]:
    """Whole numbers."""
    spans, problems = check_text(name, column)
    values, good = parse_integers(spans.data, spans.offsets)
    if not problems and not good.all():
        problems = [Problem(name, ~good, "is not a whole number")]
    return values, problems


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
        if text is None:
            return np.zeros(len(column), np.int64), [
                Problem(name, np.ones(len(column), bool), _NO_SCALAR)
            ]
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
            return "native"
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
    if 2 * dates < total or not total:
        raise DataError(
            f"{where}: no unit of time fits, such as for `{example}`",
            hint="say it: s, ms, us, ns, iso, or a format such as %d/%m/%Y %H:%M",
        )
    return "iso"


def labels(
    name: str, column: pa.Array, known: Sequence[str]
) -> tuple[UInt8[np.ndarray, " rows"], list[Problem]]:
    """Place of each word in the list of known ones; any other is wrong."""
    words, codes, problems = check_words(name, column)
    place = np.array([known.index(one) if one in known else 255 for one in words], np.uint8)
    out = place[codes] if len(place) else np.zeros(len(column), np.uint8)
    if not problems and (out == 255).any():
        problems = [Problem(name, out == 255, f"is none of {', '.join(known)}")]
    return out, problems


def check_words(
    name: str, column: pa.Array
) -> tuple[list[str], Int32[np.ndarray, " rows"], list[Problem]]:
    """The distinct words of a column, each row's place among them, and those that are no IDs."""
    text = as_text(column)
    if text is None:
        everywhere = np.ones(len(column), bool)
        return [], np.zeros(len(column), np.int32), [Problem(name, everywhere, _NO_SCALAR)]
    coded = text.dictionary_encode()
    codes = coded.indices.to_numpy()
    _, wrong = check_ids(name, coded.dictionary)
    problems = [Problem(name, problem.rows[codes], problem.reason) for problem in wrong]
    return coded.dictionary.to_pylist(), codes, problems


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


def _floats_as_text(column: pa.Array) -> pa.Array:
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    whole = (values == np.floor(values)) & (np.abs(values) < 2.0**63)
    if whole.all():
        return pa.array(values.astype(np.int64)).cast(pa.string())
    # A gap is a null or, in tables that know no nulls, a NaN.
    texts = [
        None if np.isnan(one) else str(int(one)) if is_whole else repr(one)
        for one, is_whole in zip(values.tolist(), whole.tolist())
    ]
    return pa.array(texts, pa.string())


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _spans_of(value: str) -> tuple[np.ndarray, np.ndarray]:
    data = np.frombuffer(value.encode(), np.uint8)
    return data, np.array([0, len(data)], np.int32)


def _nothing(rows: int) -> Text:
    return Text(np.zeros(0, np.uint8), np.zeros(rows + 1, np.int32))
