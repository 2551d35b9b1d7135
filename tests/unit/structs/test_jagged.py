import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.structs.jagged import Jagged, gather_index, offsets_of

LISTS = st.lists(st.lists(st.integers(0, 99), max_size=5), max_size=6)


def plain(jagged: Jagged) -> list[list[int]]:
    return [part.tolist() for part in jagged]


@given(LISTS)
def test_lists_come_back_as_they_were(lists):
    jagged = Jagged.from_lists(lists)
    assert plain(jagged) == lists
    assert len(jagged) == len(lists)
    assert jagged.lengths.tolist() == [len(part) for part in lists]
    assert jagged.values.dtype == np.int32


@given(LISTS, st.data())
def test_a_slice_is_the_slice_of_the_lists(lists, data):
    start = data.draw(st.integers(0, len(lists)))
    stop = data.draw(st.integers(start, len(lists)))
    jagged = Jagged.from_lists(lists)
    part = jagged.slice(start, stop)
    assert plain(part) == lists[start:stop]
    assert part.values.base is not None or len(part.values) == 0  # a view, not a copy


@given(LISTS, st.data())
def test_take_is_the_lists_of_these_rows_and_nothing_for_minus_one(lists, data):
    rows = data.draw(st.lists(st.integers(-1, len(lists) - 1), max_size=8))
    taken = Jagged.from_lists(lists).take(np.array(rows, np.int64))
    assert plain(taken) == [lists[row] if row >= 0 else [] for row in rows]


@given(LISTS, st.data())
def test_where_keeps_every_list_with_fewer_values(lists, data):
    jagged = Jagged.from_lists(lists)
    keep = np.array(
        data.draw(st.lists(st.booleans(), min_size=(n := len(jagged.values)), max_size=n)), bool
    )
    kept = iter(keep.tolist())
    assert plain(jagged.where(keep)) == [[v for v in part if next(kept)] for part in lists]


def test_offsets_by_hand():
    assert offsets_of(np.array([2, 0, 1])).tolist() == [0, 2, 2, 3]
    assert offsets_of(np.array([], np.int64)).tolist() == [0]


def test_gather_index_by_hand():
    # lists [a b], [], [c]; wanted: the third, nobody's, the first, the third again
    offsets, index = gather_index(np.array([0, 2, 2, 3]), np.array([2, -1, 0, 2]))
    assert offsets.tolist() == [0, 1, 1, 3, 4]
    assert index.tolist() == [2, 0, 1, 2]


def test_strangers_may_be_asked_about_where_there_are_no_lists():
    offsets, index = gather_index(np.array([0]), np.array([-1, -1]))
    assert offsets.tolist() == [0, 0, 0]
    assert len(index) == 0


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([], "offsets must run from 0"),
        ([1, 3], "offsets must run from 0"),
        ([0, 2], r"number of values \(3\)"),
        ([0, 2, 1, 3], "offsets must not fall"),
    ],
)
def test_offsets_that_do_not_fit_are_refused(offsets, message):
    with pytest.raises(ValueError, match=message):
        Jagged(np.array(offsets, np.int64), np.arange(3))
