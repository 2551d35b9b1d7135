import pytest
import torch
from torch.nn.functional import normalize

from grapevine.core.gatne import GATNE, Described, Known, heard

NODES, WIDTH, SAID, DRAWN = 7, 6, 4, 3


@pytest.fixture(autouse=True)
def start():
    torch.manual_seed(0)


def made(relations, **options):
    return GATNE(WIDTH, relations, said=SAID, attention=5, **options)


def drawn(relations, asked=NODES):
    return torch.randint(-1, NODES, (asked, relations, DRAWN))


def test_with_one_relation_it_is_the_base_and_what_is_heard():
    base, said = Known(NODES, WIDTH, 1, said=SAID)()
    layer, neighbours = made(1, unit=False), drawn(1)
    wanted = base + heard(said, neighbours)[:, 0] @ layer.mix_RSD[0]
    torch.testing.assert_close(layer(base, said, neighbours)[:, 0], wanted)


def test_what_is_heard_is_a_sum_over_the_neighbours_of_the_relation():
    said = torch.randn(NODES, 2, SAID)
    neighbours = torch.tensor([[[1, 2, 2], [3, -1, -1]], [[-1, -1, -1], [0, 1, -1]]])
    found = heard(said, neighbours)
    torch.testing.assert_close(found[0, 0], said[1, 0] + 2 * said[2, 0])
    torch.testing.assert_close(found[0, 1], said[3, 1])
    torch.testing.assert_close(found[1, 0], torch.zeros(SAID))
    torch.testing.assert_close(found[1, 1], said[0, 1] + said[1, 1])


def test_shares_are_those_of_the_equation_and_sum_to_one():
    layer, u = made(3), torch.randn(5, 3, SAID)
    shares = layer.shares(u)
    torch.testing.assert_close(shares.sum(-1), torch.ones(5, 3))
    for node in range(5):
        for relation in range(3):
            # The paper has U with a column for each relation.
            bent = (layer.ask_RSA[relation].T @ u[node].T).tanh()
            wanted = (layer.weigh_RA[relation] @ bent).softmax(0)
            torch.testing.assert_close(shares[node, relation], wanted)


def test_all_relations_by_the_equation():
    layer = made(2, alpha=0.5, unit=False)
    base, said = Known(NODES, WIDTH, 2, said=SAID)()
    neighbours = drawn(2)
    u = heard(said, neighbours)
    shares, out = layer.shares(u), layer(base, said, neighbours)
    for node in range(NODES):
        for relation in range(2):
            mixed = shares[node, relation] @ u[node]
            wanted = base[node] + 0.5 * layer.mix_RSD[relation].T @ mixed
            torch.testing.assert_close(out[node, relation], wanted)
    layer.unit = True
    torch.testing.assert_close(layer(base, said, neighbours), normalize(out, dim=-1))


def test_relabelling_nodes_relabels_the_output():
    layer, (base, said) = made(2), Known(NODES, WIDTH, 2, said=SAID)()
    neighbours, order = drawn(2), torch.randperm(NODES)
    moved = torch.where(neighbours >= 0, order.argsort()[neighbours], -1)[order]
    wanted = layer(base, said, neighbours)[order]
    torch.testing.assert_close(layer(base[order], said[order], moved), wanted)


def test_relabelling_relations_with_their_weights_relabels_the_output():
    layer, (base, said) = made(3), Known(NODES, WIDTH, 3, said=SAID)()
    neighbours, order = drawn(3), torch.tensor([2, 0, 1])
    wanted = layer(base, said, neighbours)[:, order]
    for weight in layer.parameters():
        weight.data = weight.data[order]
    torch.testing.assert_close(layer(base, said[:, order], neighbours[:, order]), wanted)


def test_features_decide_what_a_node_is():
    described = Described([3, 2], WIDTH, 2, said=SAID)
    users, items = torch.randn(4, 3), torch.randn(3, 2)
    users[2] = users[0]
    base, said = described(users, items)
    assert (base.shape, said.shape) == ((NODES, WIDTH), (NODES, 2, SAID))
    torch.testing.assert_close(base[2], base[0])
    torch.testing.assert_close(said[2], said[0])
    # Another user comes later: those that are there stay as they are.
    later, _ = described(torch.cat([users, torch.randn(1, 3)]), items)
    torch.testing.assert_close(later[[0, 1, 2, 3, 5, 6, 7]], base)
    torch.testing.assert_close(said[4:], described.say[1](items).view(3, 2, SAID))


def test_gradients_reach_every_part():
    layer, known = made(2), Known(NODES, WIDTH, 2, said=SAID)
    layer(*known(), drawn(2)).square().mul(torch.randn(WIDTH)).sum().backward()
    for weight in (*layer.parameters(), *known.parameters()):
        assert weight.grad is not None
        assert weight.grad.abs().sum() > 0
