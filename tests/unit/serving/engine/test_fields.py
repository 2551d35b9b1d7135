"""What is said of items, laid over a catalogue: whatever is taken, a table takes too."""

import polars as pl
import pytest

from grapevine.serving.engine.fields import as_kind, as_written, row_of_fields, table_with


def test_rows_are_changed_and_new_ones_come_after_the_last():
    table = pl.DataFrame({"item_id": [3, 1], "title": ["c", "a"], "price": [1.0, 2.0]})
    said = {
        "7": {"title": "g", "price": 4},
        "1": {"price": None},
        "07": {"title": "no ID"},
        "x": {},
    }
    found = table_with(table, said)
    assert found.rows() == [(3, "c", 1.0), (1, "a", None), (7, "g", 4.0)]
    assert found.schema == table.schema


@pytest.mark.parametrize("said", [{}, {"x": {"title": "words where integers are"}}])
def test_where_nothing_fits_a_catalogue_stays_as_it_is(said):
    table = pl.DataFrame({"item_id": [3, 1], "title": ["c", "a"]})
    assert table_with(table, said).equals(table)


def test_what_does_not_fit_a_column_is_left_empty():
    table = pl.DataFrame({"item_id": ["a"], "price": [1.0], "tags": [["x"]]})
    found = table_with(table, {"b": {"price": "dear", "tags": ["y", "z"], "colour": "red"}})
    assert found.rows() == [("a", 1.0, ["x"]), ("b", None, ["y", "z"])]


def test_numbers_are_told_as_they_were_written():
    assert as_written(pl.Series([12.4, 0.1, None], dtype=pl.Float32)).to_list() == [12.4, 0.1, None]


KINDS = (
    pl.Int8, pl.UInt64, pl.Float32, pl.String, pl.Categorical, pl.Enum(["a"]), pl.Boolean, pl.Date,
    pl.Datetime("ms"), pl.Datetime("us", "Europe/Berlin"), pl.Time, pl.Duration("ms"),
    pl.List(pl.String), pl.List(pl.Int16), pl.Array(pl.Float32, 2), pl.Decimal(10, 2),
)  # fmt: skip
VALUES = (
    None, True, 1, 2.5, -1, 3e38, "a", "2026-11-22", "2026-11-22T10:00:00+05:00",
    "0001-01-01", ["a"], [1.0, 2.0], [None], [],
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_taken_stands_in_a_table(kind, value):
    """What does not would keep every server over the store from starting."""
    schema = pl.DataFrame(schema={"x": kind}).schema
    row = row_of_fields({"x": value}, schema, {})
    table = pl.DataFrame([row, {"x": None}], schema=schema, strict=False)
    assert table.schema == schema
    assert len(table) == 2


def test_times_are_kept_in_utc():
    at = as_kind("2026-11-22T10:00:00+05:00", pl.Datetime("ms"))
    assert at.isoformat() == "2026-11-22T05:00:00"
    assert as_kind("2026-11-22T10:00:00", pl.Datetime("ms")).isoformat() == "2026-11-22T10:00:00"


def test_a_time_of_day_cannot_be_said():
    with pytest.raises(ValueError, match="cannot be said"):
        as_kind("2026-11-22", pl.Time)
