import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.data.vocabulary import Vocabulary

INT64 = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
IDS = st.lists(INT64, min_size=1) | st.lists(st.integers(0, 50), min_size=1) | st.lists(NAMES)


@given(IDS)
def test_ids_come_back_unchanged(ids):
    vocabulary = Vocabulary.of(ids)
    assert vocabulary.take(vocabulary.rows(ids)).to_list() == ids


@given(IDS, st.data())
def test_rows_depend_on_the_set_of_ids_alone(ids, data):
    shuffled = data.draw(st.permutations(ids))
    once, again = Vocabulary.of(ids), Vocabulary.of([*shuffled, *ids])
    assert once.ids.equals(again.ids)


@given(IDS, IDS)
def test_only_known_ids_have_a_row(ids, others):
    if type(next(iter(ids), "")) is not type(next(iter(others), "")):
        return
    rows = Vocabulary.of(ids).rows(others)
    assert [row >= 0 for row in rows.tolist()] == [one in set(ids) for one in others]


def test_rows_and_places_by_hand():
    vocabulary = Vocabulary.of(["été", "b", "a", "b"])
    assert vocabulary.ids.to_list() == ["a", "b", "été"]
    assert vocabulary.rows(["b", "nobody", "été"]).tolist() == [1, -1, 2]
    assert vocabulary.take(np.array([2, -1, 0])).to_list() == ["été", None, "a"]


@pytest.mark.parametrize("spread", [1, 10**6], ids=["table", "search"])
def test_integers_near_and_far_are_found(spread):
    """Close IDs are looked up in a table, scattered ones by bisection."""
    numbers = [spread * n - 7 for n in range(100)]
    vocabulary = Vocabulary.of(numbers)
    assert vocabulary.rows(numbers).tolist() == list(range(100))
    assert vocabulary.rows([numbers[0] - 1, numbers[-1] + 1, 2**63 - 1]).tolist() == [-1, -1, -1]


def test_an_integer_and_its_digits_find_each_other():
    assert Vocabulary.of([7, 42]).rows(["42", "7", "x"]).tolist() == [1, 0, -1]
    assert Vocabulary.of(["42", "7"]).rows([42, 8]).tolist() == [0, -1]


def test_zeros_in_front_make_another_id():
    # "007" is not the integer 7: it could not come back as it was given.
    assert Vocabulary.of([7]).rows(["007", "+7", " 7"]).tolist() == [-1, -1, -1]


def test_one_string_makes_all_strings():
    assert Vocabulary.of([1, "a"]).ids.to_list() == ["1", "a"]


def test_a_null_is_nobody():
    assert Vocabulary.of([1, 2]).rows(pl.Series([1, None])).tolist() == [0, -1]
    assert Vocabulary.of(["a"]).rows(pl.Series(["a", None])).tolist() == [0, -1]


def test_an_empty_vocabulary_knows_nobody():
    empty = Vocabulary(pl.Series("id", [], dtype=pl.Int64))
    assert empty.rows([1, 2]).tolist() == [-1, -1]
    assert len(empty) == 0


def test_keep_closes_the_gaps():
    kept = Vocabulary.of([5, 6, 7]).keep(np.array([True, False, True]))
    assert kept.rows([5, 6, 7]).tolist() == [0, -1, 1]


@pytest.mark.parametrize("ids", [[2, 1], [1, 1], [1, None]])
def test_ids_must_rise_and_be_there(ids):
    with pytest.raises(ValueError, match="distinct, sorted and without nulls"):
        Vocabulary(pl.Series("id", ids, dtype=pl.Int64))


def test_an_id_is_an_integer_or_a_string():
    with pytest.raises(ValueError, match="Int64 or String: got Float64"):
        Vocabulary(pl.Series("id", [1.5]))
