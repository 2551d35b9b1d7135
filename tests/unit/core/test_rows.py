import numpy as np
import pytest

from grapevine.core.kernels.rows import add_rows, slots_of


def test_each_node_stands_once():
    rows, slots = slots_of(np.array([4, 2, 4]), 6)
    assert rows.tolist() == [2, 4]
    assert slots.tolist() == [-1, -1, 0, -1, 1, -1]


@pytest.mark.parametrize("width", [1, 16, 37])
def test_rows_are_added_as_numpy_adds_them(width):
    draw = np.random.default_rng(width)
    places, values = draw.integers(7, size=50), draw.normal(size=(50, width))
    out = draw.normal(size=(7, width))
    wanted = out.copy()
    np.add.at(wanted, places, values)
    add_rows(out, places, values)
    np.testing.assert_array_equal(out, wanted)


def test_a_place_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"places must lie in \[0, 2\)"):
        add_rows(np.zeros((2, 3)), np.array([2]), np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"cannot add \(1, 3\) at 2 places of \(2, 3\)"):
        add_rows(np.zeros((2, 3)), np.array([0, 1]), np.zeros((1, 3)))
