import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grapevine.graph.draws import TRIES, _mix, _unit, draw_without_replacement


def test_the_mix_is_the_published_one():
    # The first outputs of SplitMix64 from the states 0 and 1 on, as its reference code prints them.
    golden = np.uint64(0x9E3779B97F4A7C15)
    assert int(_mix(golden)) == 0xE220A8397B1DCDAF
    with np.errstate(over="ignore"):
        assert int(_mix(golden + golden)) == 0x6E789E6AA1B965F4


@given(st.integers(0, 2**64 - 1))
def test_a_unit_is_at_least_zero_and_below_one(state):
    assert 0 <= _unit(np.uint64(state)) < 1


def test_the_race_takes_over_where_tries_run_out():
    # One item of 4,096 * TRIES is left: it is met by chance in less than one of a thousand rows.
    num_items, queries = 4_096 * TRIES, 20
    weights = np.ones(num_items)
    left_out = np.tile(np.arange(num_items - 1, dtype=np.int32), queries)
    offsets = np.arange(queries + 1, dtype=np.int64) * (num_items - 1)
    drawn = draw_without_replacement(
        np.uint64(1), np.arange(queries), offsets, left_out, weights, np.cumsum(weights), 2
    )
    assert drawn.tolist() == [[num_items - 1, -1]] * queries
