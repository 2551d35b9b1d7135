"""The binary partition: edges counted by the paper's rule, and what is heard tiles the sequence."""

import pytest
import torch

from grapevine.core.attention import attend
from grapevine.core.patterns import binary_partition
from grapevine.core.positions import EdgeTypes
from grapevine.core.propagate import dot_product, propagate

SIZES = [(length, near) for length in (4, 7, 8, 13, 16, 31, 64) for near in (1, 2, 4)]


def spans_heard(tree, place):
    """First and last place of each node that a place hears, rising."""
    graph = tree.pattern.edges(len(tree))
    senders = graph.senders[graph.receivers == place].numpy()
    return sorted(zip(tree.first[senders].tolist(), tree.last[senders].tolist(), strict=True))


@pytest.mark.parametrize(
    ("length", "near", "nodes", "edges", "causal"),
    [(4, 1, 7, 22, 17), (8, 1, 15, 66, 49), (16, 1, 31, 178, 129), (64, 4, 127, 1938, 1193)],
)
def test_nodes_and_edges_are_counted(length, near, nodes, edges, causal):
    both, back = (binary_partition(length, near, causal=each) for each in (False, True))
    assert len(both) == len(back) == nodes
    assert (len(both.pattern.pairs), len(back.pattern.pairs)) == (edges, causal)


def test_who_hears_whom_by_hand():
    heard = spans_heard(binary_partition(8, 1), 3)
    assert heard == [(0, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 7)]
    assert spans_heard(binary_partition(8, 1, causal=True), 7) == [(0, 3), (4, 5), (6, 6), (7, 7)]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("length", "near"), SIZES)
def test_what_a_place_hears_covers_all_and_tiles_powers_of_two(length, near, causal):
    tree = binary_partition(length, near, causal=causal)
    for place in range(length):
        spans = spans_heard(tree, place)
        told = [each for first, last in spans for each in range(first, last + 1)]
        wanted = range(place + 1) if causal else range(length)
        assert set(told) == set(wanted)
        if length & (length - 1) == 0:
            assert sorted(told) == list(wanted)


@pytest.mark.parametrize(("length", "near"), SIZES)
def test_a_span_hears_its_places_and_nobody_else(length, near):
    tree = binary_partition(length, near)
    for node in range(length, len(tree)):
        wanted = [(place, place) for place in range(tree.first[node], tree.last[node] + 1)]
        assert spans_heard(tree, node) == wanted


def test_types_tell_level_side_and_nearness():
    tree = binary_partition(8, 1)
    graph = tree.pattern.edges(15)
    types = tree.pattern.types_of(graph.receivers, graph.senders)
    of_three = {
        (int(tree.first[s]), int(tree.last[s])): int(t)
        for s, r, t in zip(graph.senders, graph.receivers, types, strict=True)
        if r == 3
    }
    # Leaf 5 is half of a span of level 1 whose other half is heard: the first of level 1 there.
    wanted = {(3, 3): 0, (2, 2): 1, (4, 4): 2, (0, 1): 4, (5, 5): 5, (6, 7): 8}
    assert of_three == wanted
    assert tree.num_types == 12
    upwards = types[(graph.senders == 0) & (graph.receivers >= 8)]
    assert upwards.tolist() == [3, 6, 9]
    clipped = binary_partition(8, 1, levels=1)
    assert clipped.num_types == 6
    assert clipped.pattern.types.max() == 5


def test_attention_over_the_tree_is_propagation_along_its_edges():
    torch.manual_seed(0)
    tree = binary_partition(13, 2, causal=True)
    q, k, v = torch.randn(3, 1, 2, len(tree), 4, dtype=torch.float64).unbind()
    ours = attend(q, k, v, tree.pattern)
    by_node = (x[0].transpose(0, 1) for x in (q, k, v))
    (q_NHK, k_NHK, v_NHK), graph = by_node, tree.pattern.edges(len(tree))
    theirs = propagate(graph, v_NHK, dot_product(q_NHK, k_NHK)).transpose(0, 1)
    torch.testing.assert_close(ours[0], theirs, atol=1e-10, rtol=0)
    rule = EdgeTypes(2, tree.num_types).double()
    torch.nn.init.normal_(rule.table)
    biased = [attend(q, k, v, tree.pattern, bias=rule(tree.pattern), route=r) for r in ROUTES]
    for other in biased[1:]:
        torch.testing.assert_close(other, biased[0], atol=1e-10, rtol=0)
    assert not torch.allclose(biased[0], ours)


ROUTES = ("edges", "table", "fused", "chunked")


def test_two_turns_tell_every_place_of_every_earlier_one_and_of_no_later_one():
    torch.manual_seed(0)
    tree = binary_partition(13, 2, causal=True)
    x = torch.randn(1, 1, len(tree), 3, requires_grad=True)
    out = x
    for _ in range(2):
        out = attend(out, out, out, tree.pattern)
    for place in range(13):
        reached = torch.autograd.grad(out[0, 0, place].sum(), x, retain_graph=True)[0]
        assert reached[0, 0, : place + 1].any(1).all()
        assert not reached[0, 0, place + 1 : 13].any()
