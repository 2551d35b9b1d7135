import math

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grapevine.core.attention import attend
from grapevine.core.patterns import Causal, Complete, Listed, Packed
from grapevine.core.positions import (
    EdgeTypes,
    TimeGaps,
    alibi,
    by_distance,
    flipped,
    laplacian,
    log_buckets,
    log_times,
    nodes,
    rotated,
    sinusoid,
    t5,
    together,
    walk_returns,
)
from grapevine.random import stream
from grapevine.structs.graph import Graph


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def graph_of(network):
    one, other = torch.tensor(list(network.edges)).unbind(1)
    count = network.number_of_nodes()
    return Graph(torch.cat([one, other]), torch.cat([other, one]), count)


def test_waves_by_hand():
    wanted = torch.tensor([0.841471, 0.540302, 0.00999983, 0.99995000])
    torch.testing.assert_close(sinusoid(2, 4)[1], wanted, atol=1e-6, rtol=0)
    assert sinusoid(1, 4)[0].tolist() == [0, 1, 0, 1]
    assert sinusoid(3, 5).shape == (3, 5)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 20))
def test_a_step_turns_the_waves_by_an_angle_that_does_not_know_the_place(one, other, step):
    waves = torch.view_as_complex(sinusoid(71, 8).view(71, 4, 2))
    torch.testing.assert_close(
        waves[one + step] / waves[one], waves[other + step] / waves[other], atol=1e-9, rtol=0
    )


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 2000))
def test_products_of_turned_vectors_know_how_far_and_not_where(one, other, moved):
    q, k = torch.randn(2, 1, 6).unbind()
    near = rotated(q, torch.tensor([one])) @ rotated(k, torch.tensor([other])).T
    far = rotated(q, torch.tensor([one + moved])) @ rotated(k, torch.tensor([other + moved])).T
    torch.testing.assert_close(near, far, atol=1e-8, rtol=0)
    torch.testing.assert_close(rotated(q, torch.tensor([one])).norm(), q.norm())
    torch.testing.assert_close(rotated(q, torch.tensor([0])), q)


def test_turning_by_hand_and_in_half_the_precision():
    x = torch.tensor([[1.0, 0.0]])
    turned = rotated(x, torch.tensor([2]))
    torch.testing.assert_close(turned, torch.tensor([[math.cos(2), math.sin(2)]]))
    far = torch.tensor([100_000])
    exact = rotated(torch.ones(1, 8), far)
    torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(rotated(torch.ones(1, 8), far), exact.float(), atol=1e-5, rtol=0)


def test_buckets_of_t5_by_hand():
    # 16 one by one, then 16 more by the logarithm from 16 to 128.
    ways = torch.tensor([0, 7, 15, 16, 18, 19, 31, 32, 64, 112, 113, 127, 128, 5000])
    by_hand = [
        way if way < 16 else min(31, 16 + int(math.log(way / 16) / math.log(8) * 16 + 1e-9))
        for way in ways.tolist()
    ]
    assert log_buckets(ways).tolist() == by_hand
    assert log_buckets(-ways).unique().tolist() == [0]


@given(st.integers(2, 16).map(lambda half: 4 * half), st.integers(0, 400))
def test_buckets_rise_with_the_way_and_both_sides_are_alike(buckets, way):
    here, next_one = torch.tensor([way]), torch.tensor([way + 1])
    for ahead in (False, True):
        kind = log_buckets(here, buckets, 128, ahead=ahead)
        assert 0 <= kind <= log_buckets(next_one, buckets, 128, ahead=ahead) < buckets
    if way:
        back, forth = (log_buckets(each, buckets, 128, ahead=True) for each in (here, -here))
        assert forth == back + buckets // 2


def test_rules_are_one_number_a_head_and_way():
    receivers, senders = torch.arange(5)[:, None], torch.arange(5)[None, :]
    rule = by_distance(2, 2)
    torch.nn.init.normal_(rule.table)
    bias = rule(receivers, senders)
    assert bias.shape == (1, 2, 5, 5)
    torch.testing.assert_close(bias[0, :, 4, 0], rule.table[:, 2])
    torch.testing.assert_close(bias[0, :, 4, 3], rule.table[:, 1])
    both = by_distance(2, 2, ahead=True)
    torch.nn.init.normal_(both.table)
    torch.testing.assert_close(both(receivers, senders)[0, :, 1, 2], both.table[:, 1])
    added = together(rule, alibi(2))(receivers, senders)
    slope = torch.tensor([2.0**-4, 2.0**-8])
    torch.testing.assert_close(added[0, :, 4, 1], rule.table[:, 2] - 3 * slope)
    assert t5(3)(receivers, senders).shape == (1, 3, 5, 5)


def test_kinds_of_time_gaps_are_whole_steps_of_the_logarithm():
    gaps = torch.tensor([0, 1, 2, 3600, 86400, 86400 * 365, -3600])
    wanted = [int(math.log(max(abs(gap), 1)) / 0.301) for gap in gaps.tolist()]
    assert log_times(gaps.double()).tolist() == wanted
    assert log_times(torch.tensor([1e300])).item() == 128


def test_time_gaps_are_between_asking_and_telling():
    rule = TimeGaps(2, unit=1000.0)
    told = torch.tensor([[0, 5_000, 90_000], [0, 0, 0]])
    asked = torch.tensor([[90_000, 200_000], [7_000, 7_000]])
    bias = rule(told, asked)(torch.tensor([[1], [2]]), torch.arange(3)[None])
    assert bias.shape == (2, 2, 2, 3)
    gaps = [[[90, 85, 0], [200, 195, 110]], [[7, 7, 7], [7, 7, 7]]]
    wanted = rule.table[:, log_times(torch.tensor(gaps).double())].movedim(0, 1)
    torch.testing.assert_close(bias, wanted)


@pytest.mark.parametrize("route", ["fused", "edges", "chunked", "packed"])
def test_times_of_packed_sequences_are_their_own(route):
    times, packed = torch.randint(0, 10**6, (1, 9)), Packed(Causal(), torch.tensor([0, 4, 9]))
    gaps, (q, k, v) = TimeGaps(2), torch.randn(3, 1, 2, 9, 4).unbind()
    ours = attend(q, k, v, packed, bias=gaps(times), route=route)
    for part in (slice(0, 4), slice(4, 9)):
        parts = (x[:, :, part] for x in (q, k, v))
        alone = attend(*parts, Causal(), bias=gaps(times[:, part]))
        torch.testing.assert_close(ours[:, :, part], alone)


def test_a_type_of_edge_is_one_number_a_head():
    graph = Graph(torch.tensor([0, 1, 1]), torch.tensor([1, 0, 2]), 3)
    pattern, rule = Listed.of(graph, torch.tensor([0, 1, 2])), EdgeTypes(2, 3)
    torch.nn.init.normal_(rule.table)
    bias = rule(pattern)(graph.receivers, graph.senders)
    torch.testing.assert_close(bias[0], rule.table)


@pytest.mark.parametrize("dense", [0, 1000])
def test_a_ring_is_told_apart_by_its_waves(dense, monkeypatch):
    monkeypatch.setattr(nodes, "DENSE", dense)
    count = 24
    found = laplacian(graph_of(networkx.cycle_graph(count)), 2)
    angle = 2 * math.pi * torch.arange(count).double() / count
    waves = torch.stack([angle.cos(), angle.sin()], 1) * (2 / count) ** 0.5
    # Two vectors of one eigenvalue: the plane that they span is known, not the two.
    torch.testing.assert_close(found @ found.T, waves @ waves.T, atol=1e-8, rtol=0)
    assert (found.abs().amax(0) == found.amax(0)).all()


def test_a_path_of_three_by_hand_and_what_small_graphs_lack():
    found = laplacian(graph_of(networkx.path_graph(3)), 4)
    root = 0.5**0.5
    wanted = [[root, 0.0, -root], [-0.5, root, -0.5]]  # eigenvalues 1 and 2 of 0, 1, 2
    torch.testing.assert_close(found[:, 0].abs(), torch.tensor(wanted[0]).abs())
    torch.testing.assert_close(found[:, 1].abs(), torch.tensor(wanted[1]).abs())
    assert not found[:, 2:].any()
    loops = Graph(torch.tensor([0, 1, 1, 0]), torch.tensor([1, 0, 1, 1]), 2)
    once = Graph(torch.tensor([0]), torch.tensor([1]), 2)
    torch.testing.assert_close(laplacian(loops, 1), laplacian(once, 1))


def test_flips_are_of_whole_vectors_and_go_by_the_draw():
    x = torch.randn(5, 40)
    found = flipped(x, stream(1, "flip"))
    signs = found[0] / x[0]
    assert set(signs.tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(found, x * signs)
    assert torch.equal(found, flipped(x, stream(1, "flip")))


def test_walks_come_home_as_powers_of_the_matrix_say(monkeypatch):
    monkeypatch.setattr(nodes, "COLUMNS", 4)
    network = networkx.karate_club_graph()
    graph = graph_of(network)
    walk = networkx.to_numpy_array(network, weight=None)
    walk /= walk.sum(1, keepdims=True)
    wanted = [np.diag(np.linalg.matrix_power(walk, step)) for step in range(1, 6)]
    torch.testing.assert_close(walk_returns(graph, 5), torch.tensor(np.stack(wanted, 1)))
    lone = Graph(torch.tensor([0]), torch.tensor([1]), 3)
    assert not walk_returns(lone, 2).any()


def test_moving_the_nodes_moves_their_positions():
    graph = graph_of(networkx.karate_club_graph())
    order = torch.randperm(34)
    place = order.argsort()
    moved = Graph(place[graph.senders], place[graph.receivers], 34)
    torch.testing.assert_close(walk_returns(moved, 3), walk_returns(graph, 3)[order])
    ours, theirs = laplacian(moved, 3), laplacian(graph, 3)[order]
    torch.testing.assert_close(ours.abs(), theirs.abs())


def test_without_positions_order_is_not_seen_and_with_any_of_them_it_is():
    q = torch.randn(1, 2, 6, 4)
    order = torch.randperm(6)
    moved = q[:, :, order]
    plain = attend(q, q, q, Complete())[:, :, order]
    torch.testing.assert_close(attend(moved, moved, moved, Complete()), plain)
    waves = sinusoid(6, 4)
    seen = attend(*[q + waves] * 3, Complete())[:, :, order]
    assert not torch.allclose(attend(*[moved + waves] * 3, Complete()), seen)
    steep = attend(q, q, q, Complete(), bias=alibi(2))[:, :, order]
    assert not torch.allclose(attend(moved, moved, moved, Complete(), bias=alibi(2)), steep)
