import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grapevine.core.blocks import Layer
from grapevine.core.dynamic import Snapshots, TimeEncoding, events_before
from grapevine.structs.graph import Graph

EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=25
)


@given(EVENTS, st.integers(1, 4))
def test_an_event_hears_the_latest_that_came_before(events, most):
    ends, times = np.array([event[:2] for event in events]), np.array([e[2] for e in events])
    heard = events_before(ends, times, most)
    assert len(heard) == len(events)
    for event, (one, two) in enumerate(ends.tolist()):
        wanted = []
        for node in (one, two):
            near = [at for at in range(len(events)) for end in ends[at] if end == node]
            earlier = sorted((times[at], at) for at in near if times[at] < times[event])
            wanted += [at for _, at in earlier][-most:]
        found = heard.heard[event].tolist()
        assert len(found) == len(wanted)
        assert sorted(times[found]) == sorted(times[wanted])
        assert all({*ends[at]} & {one, two} for at in found)


def test_no_message_reaches_back_in_time_however_many_layers():
    draw = np.random.default_rng(0)
    ends, times = draw.integers(0, 6, (40, 2)), draw.integers(0, 15, 40)
    heard = events_before(ends, times, 3)
    graph = Graph(torch.as_tensor(heard.senders).long(), torch.as_tensor(heard.receivers), 40)
    x = torch.randn(40, 3, requires_grad=True)
    h = x
    for _ in range(3):
        h = Layer(3, 3, merge="mean", active=False)(h, graph)
    for event in range(40):
        reached = torch.autograd.grad(h[event].sum(), x, retain_graph=True)[0].any(1).numpy()
        reached[event] = False
        assert (times[reached] < times[event]).all()


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Snapshots(Layer(3, 4, merge="mean"), 4, 5)


def snapshots(count):
    torch.manual_seed(1)
    return [
        (torch.randn(6, 3), Graph(torch.randint(0, 6, (8,)), torch.randint(0, 6, (8,)), 6))
        for _ in range(count)
    ]


def test_later_snapshots_change_nothing_of_what_was_held(network):
    shown = snapshots(4)
    whole, part = list(network(shown)), list(network(shown[:2]))
    assert len(whole) == 4
    for one, two in zip(whole, part):
        assert torch.equal(one, two)


def test_going_on_from_a_state_is_going_on(network):
    shown = snapshots(4)
    *_, last = network(shown)
    *_, middle = network(shown[:2])
    *_, again = network(shown[2:], middle)
    torch.testing.assert_close(again, last)


def test_a_state_remembers_what_the_last_snapshot_does_not_show(network):
    shown = snapshots(3)
    *_, whole = network(shown)
    *_, alone = network(shown[-1:])
    assert not torch.allclose(whole, alone)


def test_times_are_told_by_cosines():
    encode = TimeEncoding(3, longest=100.0)
    torch.testing.assert_close(
        encode(torch.tensor([0.0, 2.0])),
        torch.tensor([[1.0, 1, 1], [np.cos(2), np.cos(0.2), np.cos(0.02)]], dtype=torch.float32),
    )
