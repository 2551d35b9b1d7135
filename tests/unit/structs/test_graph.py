import pytest
import torch

from grapevine.structs.graph import Graph


def test_edges_name_their_ends():
    graph = Graph(torch.tensor([0, 1]), torch.tensor([1, 2]), 3)
    assert graph.num_nodes == 3


def test_a_graph_without_edges_is_a_graph():
    none = torch.empty(0, dtype=torch.int64)
    assert len(Graph(none, none, 0).senders) == 0


@pytest.mark.parametrize(
    ("senders", "receivers", "message"),
    [
        ([0, 3], [1, 2], r"senders must lie in \[0, 3\): got 0 .. 3"),
        ([0, 1], [-1, 2], r"receivers must lie in \[0, 3\): got -1 .. 2"),
    ],
)
def test_an_end_outside_the_nodes_is_named(senders, receivers, message):
    with pytest.raises(ValueError, match=message):
        Graph(torch.tensor(senders), torch.tensor(receivers), 3)


@pytest.mark.usefixtures("unchecked")
def test_every_edge_has_two_ends():
    with pytest.raises(ValueError, match="got 2 senders and 1 receivers"):
        Graph(torch.tensor([0, 1]), torch.tensor([1]), 3)


@pytest.mark.usefixtures("unchecked")
def test_every_edge_has_its_weight_or_none_has_one():
    with pytest.raises(ValueError, match="got 1 weights for 2 edges"):
        Graph(torch.tensor([0, 1]), torch.tensor([1, 2]), 3, torch.ones(1))
