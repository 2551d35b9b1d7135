import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.models.vine.labels import furthest, scale_of
from grapevine.testing.worlds import world

BEHAVIOURS = ("view", "cart", "buy")
EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from(BEHAVIOURS), st.integers(0, 9)),
    min_size=1,
    max_size=30,
)


@given(EVENTS)
def test_how_far_is_told_from_each_event_on(events):
    log = world(events, behaviours=BEHAVIOURS).interactions
    found = furthest(log).tolist()
    for user in range(log.num_users):
        places = range(log.offsets[user], log.offsets[user + 1])
        for place in places:
            later = [
                log.behaviours[other]
                for other in places
                if other >= place and log.items[other] == log.items[place]
            ]
            assert found[place] == max(later)


def test_values_have_a_mean_and_a_deviation():
    values = np.array([1, np.nan, 3], np.float32)
    np.testing.assert_array_equal(scale_of(values), [2, 1])
    assert scale_of(np.full(3, 4, np.float32))[1] == pytest.approx(1e-6)
    assert not len(scale_of(np.full(3, np.nan, np.float32)))
    assert not len(scale_of(None))
