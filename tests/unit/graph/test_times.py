from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapevine.graph.times import parse_integers, parse_iso


def spans(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    parts = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, parts)]).astype(np.int32)
    return np.frombuffer(b"".join(parts), np.uint8), offsets


@settings(max_examples=200, deadline=None)
@given(
    st.datetimes(min_value=datetime(1601, 1, 1), max_value=datetime(2399, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["T", " "]),
)
def test_iso_agrees_with_the_standard_library(moment: datetime, offset: int, separator: str):
    moment = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    expected = (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)  # noqa: UP017
    values, good = parse_iso(*spans([moment.isoformat(separator)]))
    assert good.tolist() == [True]
    assert values.tolist() == [expected]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01", 0),
        ("1970-01-02T00:00", 86_400_000),
        ("1969-12-31 23:59:59.999Z", -1),
        ("2000-02-29T12:00:00,5", 951_825_600_500),
        ("2000-02-29T12:00:00.1239999+02", 951_818_400_123),
        ("2000-02-29T12:00:00-0130", 951_831_000_000),
        ("2019-10-01 00:00:00 UTC", 1_569_888_000_000),
        ("2019-10-01 00:00:00.5 +01:00", 1_569_884_400_500),
        ("2019-10-01 00:00:00 ", None),
        ("2019-10-01 00:00:00 UTD", None),
        ("1900-02-29", None),
        ("2001-13-01", None),
        ("2001-04-31", None),
        ("2001-01-01T24:00", None),
        ("2001-01-01T12:60", None),
        ("2001-01-01T12:00:60", None),
        ("2001-01-01T12:00:00.", None),
        ("2001-01-01T12", None),
        ("2001-01-01T12:00+1", None),
        ("2001-01-01T12:00+24:00", None),
        ("2001-01-01T12:00Zx", None),
        ("2001-01-01x", None),
        ("01/02/2001", None),
        ("", None),
    ],
)
def test_iso_by_hand(text: str, ms: int | None):
    values, good = parse_iso(*spans([text]))
    assert good.tolist() == [ms is not None]
    assert ms is None or values.tolist() == [ms]


def test_whole_numbers_by_hand():
    texts = ["0", "-7", "+7", "007", "9223372036854775807", "9223372036854775808", "", "-", "1.0"]
    values, good = parse_integers(*spans(texts))
    assert good.tolist() == [True] * 5 + [False] * 4
    assert values[:5].tolist() == [0, -7, 7, 7, 2**63 - 1]
