"""What is said of items, laid over a catalogue."""

import polars as pl
import pytest

from grapevine.serving.engine.fields import as_written, table_with


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
