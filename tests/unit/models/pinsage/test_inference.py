from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grapevine.models.pinsage.batches import subgraph
from grapevine.models.pinsage.inference import embed
from grapevine.models.pinsage.learner import PinSageLearner
from grapevine.structs.neighbour_table import NeighbourTable

KINDS = ("importance", "mean", "max", "attention")


@pytest.fixture(scope="module", params=KINDS)
def learner(request, planted, small):
    return PinSageLearner(replace(small, merge=request.param), planted(), seed=2)


def everything(learner, **options):
    rows = np.arange(60)
    ground = learner.ground
    return embed(learner.items, ground.features, ground.table, rows, **options)


@settings(max_examples=15)
@given(asked=st.lists(st.integers(0, 59), min_size=1, max_size=20))
def test_a_minibatch_gives_what_all_layers_of_all_items_give(learner, asked):
    whole = everything(learner).items
    ground = learner.ground
    learner.items.eval()
    graph, places = subgraph(np.array(asked), ground.table, ground.features, 2)
    with torch.no_grad():
        found = learner.items(graph).numpy()
    # Whatever else is asked for, in whatever order, and however often.
    np.testing.assert_allclose(found[places], whole[asked], atol=1e-5)


def test_each_row_is_convolved_once_a_layer_and_blocks_change_nothing(learner):
    whole = everything(learner)
    assert whole.convolved == 2 * 60
    small = everything(learner, block=7)
    assert small.convolved == 2 * 60
    np.testing.assert_allclose(small.items, whole.items, atol=1e-6)
    assert learner.model().item_vectors()[1] == {"convolution rows": 120}


def test_other_names_for_the_same_items_change_nothing(learner):
    ground = learner.ground
    order = np.random.default_rng(0).permutation(60)
    place = np.argsort(order).astype(np.int32)
    nodes = ground.table.nodes[order]
    renamed = NeighbourTable(np.where(nodes >= 0, place[nodes], -1), ground.table.weights[order])
    found = embed(learner.items, ground.features.take(order), renamed, order)
    np.testing.assert_allclose(found.items, everything(learner).items[order], atol=1e-6)


def test_equal_weights_are_the_mean(planted, small):
    data = planted()
    importance, mean = (
        PinSageLearner(replace(small, merge=merge), data, seed=2)
        for merge in ("importance", "mean")
    )
    nodes = importance.ground.table.nodes
    there = nodes >= 0
    equal = NeighbourTable(
        nodes, (there / np.maximum(there.sum(1, keepdims=True), 1)).astype(np.float32)
    )
    rows, features = np.arange(60), importance.ground.features
    one = embed(importance.items, features, equal, rows).items
    other = embed(mean.items, features, mean.ground.table, rows).items
    np.testing.assert_allclose(one, other, atol=1e-6)
    assert np.abs(everything(importance).items - other).max() > 1e-3


def test_without_layers_an_item_hears_nobody(planted, small):
    learner = PinSageLearner(replace(small, layers=0), planted(), seed=2)
    found = everything(learner)
    assert found.convolved == 0
    deaf = NeighbourTable(np.full((60, 5), -1, np.int32), np.zeros((60, 5), np.float32))
    alone = embed(learner.items, learner.ground.features, deaf, np.arange(60))
    np.testing.assert_array_equal(found.items, alone.items)


def test_attention_without_a_say_is_importance_with_oneself(planted, small):
    learner = PinSageLearner(replace(small, merge="attention"), planted(), seed=2)
    layer = learner.items.layers[0]
    with torch.no_grad():
        layer.ask.weight.zero_()
        layer.ask.bias.zero_()
    said = torch.randn(6, 24)
    own = torch.randn(2, 8)
    nodes = torch.tensor([[1, 2, -1], [-1, -1, -1]], dtype=torch.int32)
    weights = torch.tensor([[0.75, 0.25, 0.0], [0.0, 0.0, 0.0]])
    heard = layer.hear(said, own, nodes, weights)
    mine = layer.message(own)[:, 12:]
    mean = (0.75 * said[1, 12:] + 0.25 * said[2, 12:] + mine[0]) / 2
    torch.testing.assert_close(heard, torch.stack([mean, mine[1]]))
