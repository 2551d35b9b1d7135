import numpy as np
import pytest
import torch
from torch.nn.functional import leaky_relu

from grapevine.core.edges import Edges
from grapevine.core.edgewise import (
    bent_products,
    bent_sums,
    dot_products,
    softmax,
    weighted_sum,
)
from grapevine.core.neighbourhoods import Adjacency, Table
from grapevine.core.propagate import dot_product, propagate, segment_softmax
from grapevine.structs.graph import Graph


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def some_edges():
    """Nine senders, eight receivers; one edge twice, and receiver 7 hears nobody."""
    senders, receivers = torch.randint(0, 9, (30,)), torch.randint(0, 7, (30,))
    senders[1], receivers[1] = senders[0], receivers[0]
    return Edges.from_pairs(senders.numpy(), receivers.numpy(), 8, 9)


def ends(edges):
    return torch.as_tensor(edges.receivers), torch.as_tensor(edges.senders).long()


def drawn(*shape):
    return torch.randn(*shape, requires_grad=True)


STEPS = {
    "weighted sum": (
        weighted_sum,
        lambda e, r, s, w, x: w.new_zeros(8, 2, 3).index_add(0, r, w[..., None] * x[s]),
        ((30, 2), (9, 2, 3)),
    ),
    "dot products": (
        dot_products,
        lambda e, r, s, q, k: (q[r] * k[s]).sum(-1),
        ((8, 2, 3), (9, 2, 3)),
    ),
    "bent sums": (
        bent_sums,
        lambda e, r, s, q, k: leaky_relu(q[r] + k[s], 0.2),
        ((8, 2), (9, 2)),
    ),
    "bent products": (
        bent_products,
        lambda e, r, s, q, k, a: (a * leaky_relu(q[r] + k[s], 0.2)).sum(-1),
        ((8, 2, 3), (9, 2, 3), (2, 3)),
    ),
    "softmax": (softmax, lambda e, r, s, logits: segment_softmax(logits, r, 8), ((30, 2),)),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_each_step_is_what_it_says_forward_and_back(step):
    ours, plain, shapes = step
    edges, given = some_edges(), [drawn(*shape) for shape in shapes]
    mine, other = ours(edges, *given), plain(edges, *ends(edges), *given)
    torch.testing.assert_close(mine, other)
    pull = torch.randn_like(mine)
    for one, two in zip(
        torch.autograd.grad((mine * pull).sum(), given),
        torch.autograd.grad((other * pull).sum(), given),
        strict=True,
    ):
        torch.testing.assert_close(one, two)
    assert torch.autograd.gradcheck(lambda *given: ours(edges, *given), given)


def test_attention_edge_by_edge_is_the_primitive():
    graph = Graph(torch.randint(0, 6, (20,)), torch.randint(0, 5, (20,)), 6)
    q, k, v = drawn(6, 2, 3), drawn(6, 2, 3), drawn(6, 2, 3)
    edges = Edges.of(graph, 6)
    shares = softmax(edges, dot_products(edges, q * 3**-0.5, k))
    ours, trusted = weighted_sum(edges, shares, v), propagate(graph, v, dot_product(q, k))
    torch.testing.assert_close(ours, trusted)
    assert not ours[5].any()  # nobody speaks to it
    for one, two in zip(
        torch.autograd.grad(ours.square().sum(), (q, k, v)),
        torch.autograd.grad(trusted.square().sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(one, two)


def test_softmax_neither_overflows_nor_hides_what_is_no_number():
    edges = Edges.from_pairs(np.array([0, 1, 0]), np.array([0, 0, 1]), 2, 2)
    shares = softmax(edges, torch.tensor([[1e300], [1e300], [-1e300]]))
    torch.testing.assert_close(shares, torch.tensor([[0.5], [0.5], [1.0]]))
    assert softmax(edges, torch.tensor([[1.0], [torch.nan], [1.0]])).isnan()[:2].all()


def test_without_edges_nothing_is_heard():
    edges = Edges.from_pairs(np.empty(0, np.int64), np.empty(0, np.int64), 3, 2)
    x, w = drawn(2, 1, 4), drawn(0, 1)
    out = weighted_sum(edges, softmax(edges, w), x)
    assert out.shape == (3, 1, 4)
    assert not out.any()
    assert not torch.autograd.grad(out.sum(), x)[0].any()


def test_every_form_has_the_same_edges():
    graph = Graph(torch.tensor([2, 0, 1, 0]), torch.tensor([1, 0, 1, 0]), 3)
    table = Table(torch.tensor([[0, 0], [2, 1], [-1, -1]]), torch.ones(3, 2))
    for form in (graph, Adjacency.of(graph), table, Edges.of(graph, 3)):
        edges = Edges.of(form, 3)
        assert edges.senders.tolist() == [0, 0, 2, 1]
        assert edges.receivers.tolist() == [0, 0, 1, 1]
        assert edges.told.values.tolist() == [0, 0, 1, 1]
        assert edges.places.tolist() == [0, 1, 3, 2]


def test_senders_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"senders must lie in \[0, 2\): got 0 .. 2"):
        Edges.from_pairs(np.array([0, 2]), np.array([0, 0]), 1, 2)
