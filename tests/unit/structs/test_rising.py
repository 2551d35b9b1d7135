"""Numbers are looked up among others as Python would."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.structs.rising import holds, places

NUMBERS = st.lists(st.integers(-(2**62), 2**62) | st.integers(0, 9), max_size=12)


@given(st.sets(st.integers(-(2**62), 2**62) | st.integers(0, 9), max_size=12), NUMBERS)
def test_numbers_are_found_where_they_stand(there, wanted):
    rising = sorted(there)
    found = places(np.array(rising, np.int64), np.array(wanted, np.int64))
    assert found.tolist() == [rising.index(one) if one in there else -1 for one in wanted]


@pytest.mark.parametrize("rising", [[], [3], [1, 4, 9]])
def test_tables_of_numbers_keep_their_shape(rising):
    asked = np.arange(12).reshape(3, 4)
    found = holds(np.array(rising, np.int64), asked)
    np.testing.assert_array_equal(found, np.isin(asked, rising))


def test_of_a_number_that_stands_more_than_once_it_is_the_first_place():
    assert places(np.array([1, 4, 4, 4, 7]), np.array([4])).tolist() == [1]
