from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest

from grapevine.data.readers.mapping import map_columns
from grapevine.data.readers.quarantine import Quarantine, describe
from grapevine.data.readers.rows import BadRow, ahead
from grapevine.data.readers.times import check_times, check_unit, guess_unit
from grapevine.data.readers.validate import as_text, check_ids, check_numbers
from grapevine.errors import ConfigError, DataError


def test_numbers_become_ids_without_a_fraction():
    assert as_text(pa.array([1.0, None, float("nan"), -2.0, 1.5])).to_pylist() == [
        *("1", "", "", "-2", "1.5")
    ]
    assert as_text(pa.array([7, 2**62])).to_pylist() == ["7", str(2**62)]
    assert as_text(pa.array([None, None])).to_pylist() == ["", ""]
    assert as_text(pa.array([True])) is None


def test_lists_are_no_ids():
    _, (problem,) = check_ids("a", pa.array([[1], [2]]))
    assert (problem.column, problem.reason) == ("a", "is neither text nor a number")
    assert problem.rows.all()


def test_a_slice_of_a_column_is_checked_alone():
    spans, problems = check_ids("a", pa.array(["", "x", "yy", ""]).slice(1, 2))
    assert problems == []
    assert np.diff(spans.offsets).tolist() == [1, 2]


def test_numbers_must_fit_32_bits():
    values, problems = check_numbers("v", pa.array(["1e3", "", "-inf", "1e39", "x", "3.5"]))
    np.testing.assert_equal(values, [1000, np.nan, np.nan, np.nan, np.nan, 3.5])
    assert [(one.reason, one.rows.tolist()) for one in problems] == [
        ("is not a number", [False, False, False, False, True, False]),
        ("is not a finite number of 32 bits", [False, False, True, True, False, False]),
    ]


@pytest.mark.parametrize(
    ("column", "unit", "ms"),
    [
        (pa.array([1, 2]), "s", [1000, 2000]),
        (pa.array([1999, 2000]), "us", [1, 2]),
        (pa.array([1_999_999]), "ns", [1]),
        (pa.array([1.5]), "s", [1500]),
        (pa.array(["1.5e3", "2"]), "s", [1_500_000, 2000]),
        (pa.array([datetime(1970, 1, 1, 0, 0, 1)]), "ms", [1000]),
        (pa.array([date(1970, 1, 2)]), "iso", [86_400_000]),
        (pa.array(["02.01.1970"]), "%d.%m.%Y", [86_400_000]),
        (pa.array(["1970-01-01 01:00 +0100"]), "%Y-%m-%d %H:%M %z", [0]),
    ],
)
def test_times_by_hand(column: pa.Array, unit: str, ms: list[int]):
    values, problems = check_times("t", column, unit)
    assert problems == []
    assert values.tolist() == ms


def test_times_must_lie_in_1970_to_2100():
    column = pa.array(["-1", "0", "4133980799", "4133980800", "9" * 19, "9" * 30])
    _, (problem,) = check_times("t", column, "s")
    assert problem.rows.tolist() == [True, False, False, True, True, True]
    assert problem.reason == "is not in 1970 to 2100"


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (["99999999999"], "s"),
        (["100000000000"], "ms"),
        (["1e14"], "us"),
        ([10**17], "ns"),
        ([5, 10**12, 10**12], "ms"),
        (["x", "2020-01-01", "2020-01-02"], "iso"),
        (["5", "", "", ""], "s"),
    ],
)
def test_the_unit_is_told_by_the_median(values: list, unit: str):
    assert guess_unit("here", [pa.array(values)]) == unit


def test_no_unit_is_an_error():
    with pytest.raises(DataError, match="here: no unit of time fits, such as for `soon`"):
        guess_unit("here", [pa.array(["soon", "5", "later"])])
    with pytest.raises(DataError, match="here: holds no time in its first rows"):
        guess_unit("here", [pa.array(["", None])])
    with pytest.raises(ConfigError, match="`minutes` is no unit of time\nhint: write one of auto"):
        check_unit("minutes")


def test_what_is_said_comes_before_what_is_guessed():
    columns = map_columns("events", ["user", "uid", "item", "time"], {"uid": "user_id"}, "here")
    assert columns.roles == {"user_id": "uid", "item_id": "item", "timestamp": "time"}
    assert columns.guessed == {"item": "item_id", "time": "timestamp"}
    assert columns.ignored == ("user",)
    with pytest.raises(ConfigError, match="`a` and `b` are both mapped to `user_id`"):
        map_columns("events", ["a", "b"], {"a": "user_id", "b": "user_id"}, "here")
    with pytest.raises(ConfigError, match="`value` is itself the name of a role"):
        map_columns("events", ["u", "i", "value"], {"value": "category"}, "here")
    columns = map_columns("events", ["user", "item", "time"], {"time": "ignore"}, "here")
    assert columns.ignored == ("time",)


def test_a_long_row_is_cut_in_a_message():
    row = BadRow("e.csv", 7, "v", "is not a number", "x" * 200)
    assert describe(row) == f"e.csv:7: `v` is not a number: '{'x' * 100}...'"
    quarantine = Quarantine(None)
    quarantine.add([row])
    assert str(quarantine.error(5)).startswith("1 bad row among 5; nothing was written\n  e.csv:7")


def test_work_done_ahead_keeps_its_order_and_its_errors():
    def items():
        yield from range(5)
        raise KeyError("end")

    found = []
    with pytest.raises(KeyError, match="end"):
        found.extend(ahead(items()))
    assert list(ahead(iter(range(100)))) == list(range(100))
    unfinished = ahead(iter(range(100)))
    assert next(unfinished) == 0
    unfinished.close()
