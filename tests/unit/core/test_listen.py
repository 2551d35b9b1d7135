"""Every route hears what the reference hears, and sends the same gradient back."""

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grapevine.core.listen import WEIGHTS, listen
from grapevine.core.neighbourhoods import Adjacency, Table
from grapevine.core.propagate import (
    dot_product,
    importance,
    propagate,
    segment_max,
    segment_sum,
    symmetric_normalised,
)
from grapevine.structs import NeighbourTable
from grapevine.structs.graph import Graph

MERGES = list(WEIGHTS)


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def table_of(seed, receivers, senders, most):
    """Some places empty, some receivers without anyone, some senders twice in a row."""
    draw = torch.Generator().manual_seed(seed)
    nodes = torch.randint(-1, senders, (receivers, most), generator=draw)
    nodes[torch.rand(receivers, generator=draw) < 0.2] = -1
    return Table(nodes, torch.rand(receivers, most, generator=draw))


def alike_to_rounding(heard, x, reference):
    """The same numbers, and the same gradient of the senders."""
    torch.testing.assert_close(heard, reference)
    pull = torch.randn(heard.shape, generator=torch.Generator().manual_seed(9))
    ours, theirs = (
        torch.autograd.grad((out * pull).sum(), x, retain_graph=True)[0]
        for out in (heard, reference)
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("merge", MERGES)
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    receivers=st.integers(0, 6),
    senders=st.integers(1, 6),
    most=st.integers(0, 5),
)
def test_every_form_hears_what_its_edges_hear(merge, seed, receivers, senders, most):
    table = table_of(seed, receivers, senders, most)
    # Few values, so that many tie for the greatest.
    x = torch.randint(-2, 3, (senders, 3), generator=torch.Generator().manual_seed(seed)).double()
    x.requires_grad_()
    edges = table.edges(senders)
    reduce = segment_max if merge == "max" else segment_sum
    reference = propagate(edges, x, WEIGHTS[merge], reduce=reduce)[:receivers]
    alike_to_rounding(listen(table, x, merge), x, reference)
    alike_to_rounding(listen(edges, x, merge)[:receivers], x, reference)
    square = torch.cat([x, x.new_zeros(max(receivers - senders, 0), 3)])
    alike_to_rounding(listen(Adjacency.of(edges), square, merge)[:receivers], x, reference)


def test_the_forms_hold_the_same_edges():
    table = table_of(1, 5, 5, 4)
    edges, back = table.edges(5), Adjacency.of(table.edges(5)).edges(5)
    for name in ("senders", "receivers", "weights"):
        torch.testing.assert_close(getattr(back, name), getattr(edges, name))


def test_symmetric_weights_are_set_once_and_heard_by_the_sparse_product():
    draw = torch.Generator().manual_seed(3)
    graph = Graph(*torch.randint(0, 9, (2, 40), generator=draw), 9)
    x = torch.randn(9, 4, generator=draw).requires_grad_()
    heard = listen(Adjacency.of(graph, symmetric_normalised), x)
    alike_to_rounding(heard, x, propagate(graph, x, symmetric_normalised))


def test_attention_over_a_table_or_an_adjacency_goes_along_its_edges():
    table, x = table_of(2, 6, 6, 4), torch.randn(6, 2, 3)
    weigh = dot_product(x, x)
    reference = propagate(table.edges(6), x, weigh)
    torch.testing.assert_close(listen(table, x, weigh), reference)
    torch.testing.assert_close(listen(Adjacency.of(table.edges(6)), x, weigh), reference)


@pytest.mark.parametrize("form", [lambda graph: graph, Adjacency.of], ids=["edges", "adjacency"])
def test_an_edge_that_stands_twice_counts_twice_in_a_sum_and_once_in_the_greatest(form):
    graph = form(Graph(torch.tensor([0, 0, 1]), torch.tensor([2, 2, 2]), 3))
    x = torch.tensor([[1.0], [4.0], [0.0]])
    heard = {merge: listen(graph, x, merge)[2].item() for merge in MERGES}
    assert heard == {"importance": 6.0, "sum": 6.0, "mean": 2.0, "max": 4.0}


@pytest.mark.parametrize("merge", MERGES)
def test_who_hears_nobody_holds_zero_even_where_all_others_hold_less(merge):
    x = torch.full((2, 3), -7.0)
    graph = Graph(torch.tensor([0]), torch.tensor([0]), 2)
    lone = Table(torch.tensor([[0, -1], [-1, -1]]), torch.tensor([[1.0, 9.0], [9.0, 9.0]]))
    for form in (graph, lone, Adjacency.of(graph)):
        assert listen(form, x, merge).tolist() == [[-7.0] * 3, [0.0] * 3]


def test_what_is_not_a_number_is_not_hidden_by_the_greatest():
    x = torch.tensor([[1.0], [torch.nan], [2.0]])
    graph = Graph(torch.tensor([0, 1, 2]), torch.tensor([0, 0, 0]), 3)
    assert listen(Adjacency.of(graph), x, "max")[0].isnan()


@pytest.mark.usefixtures("all_threads")
def test_no_bit_of_the_greatest_depends_on_the_number_of_threads():
    draw = torch.Generator().manual_seed(4)
    adjacency = Adjacency.of(Graph(*torch.randint(0, 300, (2, 4000), generator=draw), 300))
    x = torch.randint(-3, 3, (300, 5), generator=draw).double().requires_grad_()
    found = []
    for threads in (1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(threads)
        heard = listen(adjacency, x, "max")
        found.append((heard, torch.autograd.grad((heard * heard.detach().sin()).sum(), x)[0]))
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("form", ["edges", "table", "adjacency"])
def test_the_gradient_is_that_of_the_numbers(merge, form):
    table = table_of(5, 4, 5, 3)
    neighbourhood = {
        "edges": table.edges(5),
        "table": table,
        "adjacency": Adjacency.of(table.edges(5)),
    }[form]
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(5)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: listen(neighbourhood, x, merge), x)


def test_weights_of_a_table_may_be_learnt():
    table, x = table_of(6, 4, 5, 3), torch.randn(5, 2)
    weights = table.weights.requires_grad_()
    assert torch.autograd.gradcheck(lambda w: listen(Table(table.nodes, w), x), weights)


def test_a_table_of_the_graph_room_is_heard_as_it_stands():
    arrays = NeighbourTable(
        np.array([[1, 0], [0, -1]], np.int32), np.array([[0.75, 0.25], [1.0, 0.0]], np.float32)
    )
    x = torch.tensor([[4.0], [8.0]], dtype=torch.float32)
    assert listen(Table.of(arrays), x).tolist() == [[7.0], [4.0]]


def test_half_precision_is_heard_in_half_precision():
    table, x = table_of(8, 6, 5, 3), torch.randn(5, 4)
    for merge in MERGES:
        half = listen(table, x.bfloat16(), merge)
        assert half.dtype == torch.bfloat16
        torch.testing.assert_close(half.double(), listen(table, x, merge), atol=0.05, rtol=0.05)


def test_the_greatest_in_half_precision_is_the_greatest_rounded():
    adjacency = Adjacency.of(table_of(8, 6, 6, 3).edges(6))
    x = torch.randn(6, 4).bfloat16().requires_grad_()
    heard = listen(adjacency, x, "max")
    assert heard.dtype == torch.bfloat16
    alike_to_rounding(heard, x, listen(adjacency, x.float(), "max").bfloat16())


def test_weights_of_edges_are_read_by_importance_alone():
    graph = Graph(torch.tensor([0, 1]), torch.tensor([2, 2]), 3, torch.tensor([0.5, 0.25]))
    x = torch.tensor([[2.0], [8.0], [0.0]])
    assert propagate(graph, x, importance)[2].item() == 3.0
    assert listen(graph, x, "sum")[2].item() == 10.0
