"""Every form of a pattern says the same as its rule, and the rules are those of the papers."""

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grapevine.core.patterns import (
    Block,
    Causal,
    Complete,
    Cross,
    Dilated,
    Global,
    Listed,
    Packed,
    Prefix,
    Summary,
    Window,
    fixed_heads,
    peter,
    strided_heads,
)
from grapevine.structs.graph import Graph

sizes = st.integers(1, 6)


def lazily(make, *arguments):
    """Made within the test: shape checks draw at random, which a strategy must not."""
    return st.builds(partial, st.just(make), *arguments)


def listed(pairs):
    return Listed.of(Graph(*torch.tensor(pairs).long().view(-1, 2).T, 9))


SIMPLE = st.one_of(
    lazily(Complete),
    lazily(Causal),
    lazily(Prefix, st.integers(0, 5)),
    lazily(Window, sizes, st.booleans()),
    lazily(Dilated, sizes, st.none() | sizes),
    lazily(Block, sizes),
    sizes.flatmap(lambda size: lazily(Summary, st.just(size), st.integers(1, size))),
    lazily(Global, st.lists(st.integers(0, 8), min_size=1).map(tuple)),
    lazily(listed, st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)))),
)
PATTERNS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        lazily(lambda one, other: one() | other(), inner, inner),
        lazily(lambda one, other: one() & other(), inner, inner),
    ),
    max_leaves=3,
)


@given(PATTERNS, st.integers(0, 12))
def test_every_form_says_what_the_mask_says(make, length):
    pattern = make()
    mask = pattern.mask(length)
    by_hand = [[i for i in range(length) if row[i]] for row in mask.tolist()]
    assert [part.tolist() for part in pattern.senders(length)] == by_hand
    assert [[j for j in row if j >= 0] for row in pattern.table(length).tolist()] == by_hand
    edges = pattern.edges(length)
    back = torch.zeros(length, length, dtype=torch.bool)
    back[edges.receivers, edges.senders] = True
    assert torch.equal(back, mask)
    assert len(edges.senders) == int(mask.sum())


@given(PATTERNS, st.integers(1, 12))
def test_nobody_is_heard_from_beyond_the_reach(make, length):
    pattern = make()
    bound = pattern.reach()
    if bound is not None:
        receivers, senders = pattern.mask(length).nonzero().unbind(1)
        assert ((receivers - senders <= bound[0]) & (senders - receivers <= bound[1])).all()


@given(PATTERNS, st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_packed_sequences_hear_themselves_alone(make, lengths):
    inner = make()
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    packed, total = Packed(inner, offsets), sum(lengths)
    wanted = torch.block_diag(*(inner.mask(each).int() for each in lengths)).bool()
    assert torch.equal(packed.mask(total), wanted.view(total, total))
    back = torch.zeros(total, total, dtype=torch.bool)
    edges = packed.edges(total)
    back[edges.receivers, edges.senders] = True
    assert torch.equal(back, wanted.view(total, total))


@given(PATTERNS, st.integers(1, 8), st.integers(0, 7))
def test_fewer_queries_stand_at_the_last_places(make, keys, left_out):
    pattern = make()
    queries = max(keys - left_out, 0)
    assert torch.equal(pattern.mask(queries, keys), pattern.mask(keys)[keys - queries :])


def edges(pattern, length=16):
    return int(pattern.mask(length).sum())


def test_edges_of_the_sparse_transformer_are_counted_by_hand():
    one, other = strided_heads(4)
    assert (edges(Causal()), edges(one), edges(other), edges(one | other)) == (136, 58, 40, 82)
    one, other = fixed_heads(4, last=1)
    assert (edges(one), edges(other), edges(one | other)) == (40, 28, 64)


@pytest.mark.parametrize("heads", [strided_heads(4), fixed_heads(4, last=2)])
def test_two_turns_of_a_sparse_transformer_reach_all_that_came_before(heads):
    # By its own head first, by the other then; what ends its block is told through itself.
    once = (heads[0] | heads[1]).mask(16).double()
    assert torch.equal(once @ once > 0, Causal().mask(16))


def test_masks_by_hand():
    assert peter().mask(3).int().tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert Prefix(2).mask(3).int().tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert Global((1,)).mask(3).int().tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    assert Window(2, ahead=True).mask(3).int().tolist() == [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    assert Dilated(2, 2).mask(5)[4].int().tolist() == [0, 0, 1, 0, 1]
    assert Cross(Causal()).mask(2, 4).int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0]]
    assert Cross(Complete()).mask(3, 2).all()


def test_equal_rules_are_equal_patterns():
    assert Window(3) | Global((0,)) == Window(3) | Global((0,))
    assert len({Window(3), Window(3), Window(3, ahead=True)}) == 2
    assert Causal() | Window(3) != Causal() & Window(3)


def test_an_edge_that_stands_twice_is_heard_once_as_its_first_type():
    graph = Graph(torch.tensor([2, 0, 2]), torch.tensor([1, 1, 1]), 3)
    listed = Listed.of(graph, torch.tensor([7, 8, 9]))
    assert listed.mask(3).sum() == 2
    assert listed.types_of(torch.tensor([1, 1]), torch.tensor([2, 0])).tolist() == [7, 8]
