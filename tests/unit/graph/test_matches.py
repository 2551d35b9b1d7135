import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grapevine.graph.matches import last_match
from grapevine.structs.jagged import Jagged

LISTS = st.lists(st.lists(st.integers(0, 5), max_size=8), min_size=1, max_size=6)
WANTED = st.lists(
    st.tuples(st.integers(-1, 5), st.lists(st.integers(-1, 5), max_size=6)), max_size=8
)


@given(LISTS, WANTED, st.booleans())
def test_the_last_match_is_its_slow_self(lists, wanted, some):
    jagged = Jagged.from_lists(lists)
    keep = np.arange(len(jagged.values)) % 3 != 0 if some else None
    rows = np.array([min(row, len(lists) - 1) for row, _ in wanted], np.int64)
    found = last_match(jagged, keep, rows, Jagged.from_lists([want for _, want in wanted]), 6)
    expected = []
    for row, (_, want) in zip(rows, wanted, strict=True):
        for item in want:
            span = range(jagged.offsets[row], jagged.offsets[row + 1]) if row >= 0 else range(0)
            places = [
                place
                for place in span
                if jagged.values[place] == item and (keep is None or keep[place])
            ]
            expected.append(places[-1] if places else -1)
    assert found.tolist() == expected
