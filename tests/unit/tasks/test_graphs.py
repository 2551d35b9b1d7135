from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine.core.neighbourhoods import Adjacency
from grapevine.errors import CheckFailed
from grapevine.structs.graph import Graph
from grapevine.tasks import graphs
from grapevine.tasks.graphs import Config, Network, cross_validate, fit, folds
from grapevine.tasks.inputs import several


def test_rings_are_told_from_stars(rings_and_stars):
    chosen = np.arange(60)
    train, other = chosen[:40], chosen[40:]
    found = fit(Config(width=8, depth=2, epochs=15, batch=10), rings_and_stars, train, other)
    assert found.accuracy(rings_and_stars, other) == 1.0
    assert found.curve[-1] == 1.0
    curves = cross_validate(Config(width=8, depth=2, epochs=6, batch=10), rings_and_stars, parts=2)
    assert curves.shape == (2, 6)
    assert curves[:, -1].mean() > 0.9


def test_every_class_is_shared_out_evenly():
    labels = np.repeat([0, 1], [23, 40])
    part = folds(labels, 10, seed=1)
    for label in (0, 1):
        counts = np.bincount(part[labels == label], minlength=10)
        assert counts.max() - counts.min() <= 1
    assert np.ptp(np.bincount(part)) <= 1
    assert (folds(labels, 10, seed=2) != part).any()


def test_a_graph_is_told_alone_as_among_others_and_in_any_order_of_its_nodes(rings_and_stars):
    torch.manual_seed(0)
    network = Network(Config(width=8, depth=3), 1, 2).eval()

    def logits(chosen):
        (batch,) = graphs._batches(rings_and_stars, np.array(chosen), 99)
        return network(*batch.given)

    with torch.no_grad():
        together = logits([5, 8, 3])
        for place, one in enumerate((5, 8, 3)):
            torch.testing.assert_close(logits([one])[0], together[place])
        # A star whose centre comes last is the same graph.
        star = several(rings_and_stars, np.array([1]))
        size = star.num_nodes
        (batch,) = graphs._batches(star, np.array([0]), 1)
        bag, edges, of, count = batch.given
        turned = torch.arange(size).flip(0)
        given = edges.edges(size)
        moved = Adjacency.of(Graph(turned[given.senders], turned[given.receivers], size))
        torch.testing.assert_close(network(bag, moved, of, count), network(*batch.given))


def test_the_same_seed_gives_the_same(rings_and_stars):
    chosen = np.arange(20)
    one, two = (
        fit(Config(width=4, epochs=2, drop=0.5), rings_and_stars, chosen, chosen, seed=3)
        for _ in range(2)
    )
    for mine, other in zip(one.network.parameters(), two.network.parameters()):
        assert torch.equal(mine, other)


def test_a_loss_that_is_no_number_is_told(rings_and_stars):
    values = np.full_like(rings_and_stars.feature_values, np.inf)
    broken, chosen = replace(rings_and_stars, feature_values=values), np.arange(20)
    with pytest.raises(CheckFailed, match=r"epoch 1: the loss is nan"):
        fit(Config(width=4, epochs=2), broken, chosen, chosen)
