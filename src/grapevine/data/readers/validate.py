"""Raw columns into checked arrays, and what is wrong with which row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float64, Int32, Int64, UInt8

from grapevine.graph import strings
from grapevine.graph.times import parse_integers

NO_SCALAR = "is neither text nor a number"
"""What is wrong with a list, an object or a truth value."""

_COMMA_NUMBER = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d*)?$"
_FRACTION = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+$"

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
        return _nothing(len(column)), [Problem(name, np.ones(len(column), bool), NO_SCALAR)]
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
        return _nothing(len(column)), [Problem(name, np.ones(len(column), bool), NO_SCALAR)]
    return text_spans(text), []


def check_numbers(
    name: str, column: pa.Array, decimal: str = "."
) -> tuple[Float64[np.ndarray, " rows"], list[Problem]]:
    """Numbers, NaN where missing; what is no number, not finite or beyond float32 is wrong.

    Args:
        name: the column's name.
        column: numbers or text.
        decimal: what stands before the fraction in text, "." or ",": see `with_points`.
    """
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy()
        empty, broken = np.isnan(values), np.zeros(len(column), bool)
    else:
        text = as_text(column)
        if text is None:
            return np.zeros(len(column)), [Problem(name, np.ones(len(column), bool), NO_SCALAR)]
        series = cast(pl.Series, pl.from_arrow(text))
        if decimal == ",":
            series = with_points(series)
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


def with_points(text: pl.Series) -> pl.Series:
    """Numbers with a decimal comma as numbers with a point; any other text stays as it is.

    A point is taken for the mark of thousands, "1.234,5", and only where it stands as one: what
    has a point elsewhere, "1.5", is no number with a decimal comma and becomes "?".
    """
    plain = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.select(
        pl.when(text.str.contains(_COMMA_NUMBER))
        .then(plain)
        .when(text.str.contains(r"^[+-]?\d*\.\d*$"))
        .then(pl.lit("?"))
        .otherwise(text)
        .alias(text.name)
    ).to_series()


def has_commas(text: pl.Series) -> bool:
    """Whether more than half of the values are numbers with a decimal comma and a fraction."""
    given = text.filter(text.fill_null("") != "")
    return 2 * int(given.str.contains(_FRACTION).sum()) > len(given) > 0


def check_order(name: str, column: pa.Array) -> tuple[Int64[np.ndarray, " rows"], list[Problem]]:
    """Whole numbers."""
    spans, problems = check_text(name, column)
    values, good = parse_integers(spans.data, spans.offsets)
    if not problems and not good.all():
        problems = [Problem(name, ~good, "is not a whole number")]
    return values, problems


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
        return [], np.zeros(len(column), np.int32), [Problem(name, everywhere, NO_SCALAR)]
    coded = text.dictionary_encode()
    codes = coded.indices.to_numpy()
    _, wrong = check_ids(name, coded.dictionary)
    problems = [Problem(name, problem.rows[codes], problem.reason) for problem in wrong]
    return coded.dictionary.to_pylist(), codes, problems


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


def _nothing(rows: int) -> Text:
    return Text(np.zeros(0, np.uint8), np.zeros(rows + 1, np.int32))
