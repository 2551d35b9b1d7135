"""The shapes and dtypes that boundaries promise are checked in tests, and only there."""

import subprocess
import sys

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from grapevine.structs.jagged import Jagged, gather_index
from grapevine.structs.ranking import Ranking

OFFSETS = np.array([0, 2, 3])


def test_a_field_of_the_wrong_dtype_is_refused():
    with pytest.raises(TypeCheckError, match="offsets"):
        Jagged(OFFSETS.astype(np.int32), np.arange(3))


def test_a_field_with_the_wrong_number_of_axes_is_refused():
    with pytest.raises(TypeCheckError, match="items"):
        Ranking(np.zeros(3, np.int32), np.zeros((3, 1), np.float32))


def test_an_argument_of_the_wrong_dtype_is_refused():
    with pytest.raises(TypeCheckError, match="rows"):
        gather_index(OFFSETS, np.array([0.0, 1.0]))


def test_outside_tests_nothing_is_checked_and_nothing_is_slowed():
    code = (
        "import numpy as np; from grapevine.structs.jagged import Jagged; "
        "print(len(Jagged(np.array([0, 2], np.int32), np.arange(2))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
