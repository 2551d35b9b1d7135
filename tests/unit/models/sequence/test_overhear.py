"""What a history's states heard: whose places they are, that rows are shares, and the planted."""

from dataclasses import replace

import numpy as np
import pytest

from grapevine import training
from grapevine.models import MODELS
from grapevine.models.run import Run
from grapevine.models.sequence.overhear import Overheard
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import world

ATTENDS = ("sasrec", "gsasrec", "bert4rec", "hstu", "decision-transformer")


def circling(users=40, length=8, items=10):
    return [(f"u{u}", (u + step) % items) for u in range(users) for step in range(length)]


def learnt(name, data, **changes):
    said = {"width": 16, "hidden": 16, "heads": 2, "length": 6, "batch": 16, "epochs": 1}
    return training.fit(replace(MODELS[name].config, **{**said, **changes}), data, seed=0)


def history(*items):
    return Batch.of_histories(Jagged.from_lists([list(items)]))


@pytest.mark.parametrize("name", ATTENDS)
def test_every_place_has_its_item_and_every_row_its_shares(name):
    model = learnt(name, world(circling()), precision="float32")
    found = model.attention(history(3, 1, 4, 1, 5))
    wanted = {"decision-transformer": [3, -1, 1, -1, 4, -1, 1, -1, 5, -1]}
    assert found.items.tolist() == wanted.get(name, [3, 1, 4, 1, 5] + [-1] * (name == "bert4rec"))
    places = len(found.items)
    assert found.maps.shape == (2, 2, places, places)
    if name != "hstu":
        np.testing.assert_allclose(found.maps.sum(-1), 1, rtol=1e-5)
    later = np.triu(np.ones((places, places), bool), 1)
    assert (found.maps[..., later] == 0).all() == (name != "bert4rec")
    shares = model.attended(history(3, 1, 4, 1, 5))
    assert set(shares) == {1, 3, 4, 5}
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) > 0


def test_the_latest_events_of_a_longer_history_are_heard_whatever_the_precision():
    model = learnt("sasrec", world(circling()), precision="bfloat16")
    found = model.attention(history(9, 8, 7, 6, 5, 4, 3, 2))
    assert found.items.tolist() == [7, 6, 5, 4, 3, 2]
    np.testing.assert_allclose(found.maps.sum(-1), 1, atol=0.02)


@pytest.mark.parametrize("name", ["gru4rec", "mlp4rec"])
def test_who_weighs_nothing_tells_nothing(name):
    model = learnt(name, world(circling()))
    assert model.attention(history(1, 2)) is None
    assert model.attended(history(1, 2)) == {}


def test_of_nothing_nothing_is_heard():
    model = learnt("sasrec", world(circling()))
    assert model.attention(history()) is None
    assert model.attended(history()) == {}


def test_maps_are_of_one_history():
    model = learnt("sasrec", world(circling()))
    with pytest.raises(ValueError, match="one history at a time: got 2"):
        model.attention(Batch.of_histories(Jagged.from_lists([[1], [2]])))


def test_the_way_through_two_layers_by_hand():
    """The last place hears the middle one, which in the layer below heard the first."""
    first = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    second = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]], np.float32)
    both = Overheard(np.array([7, 8, 9]), np.stack([first, second])[:, None])
    # Half of what it holds is its own at each layer: 1/2 to place 2, of which all stays there.
    assert both.last() == {7: 0.25, 8: 0.25, 9: 0.5}
    # Of a mask nothing is an item's; the others share what is left. Twice 7 is added up.
    asks = Overheard(np.array([7, 7, -1]), np.stack([first, second])[:, None])
    assert asks.last() == {7: 1.0}


def test_negative_numbers_of_hstu_are_heard_as_well():
    maps = np.array([[1, 0], [-3, 1]], np.float32)[None, None]
    assert Overheard(np.array([0, 1]), maps).last() == pytest.approx({0: 3 / 8, 1: 5 / 8})


def test_an_item_that_every_query_looks_for_is_the_one_attended_to():
    """Queries all ask for item 3: the product with its own key is the greatest."""
    options = {"blocks": 1, "heads": 1, "positions": "none", "precision": "float32"}
    model = learnt("sasrec", world(circling()), **options)
    name = "network.layers.0.attention.{}.{}".format
    weights = {key: one.copy() for key, one in model.state().items()}
    sought = weights["network.items.weight"][3]
    weights[name("query", "weight")][:] = 0
    weights[name("query", "bias")][:] = 20 * (sought - sought.mean()) / sought.std()
    weights[name("keys_values", "weight")][:16] = np.eye(16)
    planted = type(model).restore(model.config, weights)
    found = planted.attention(history(1, 3, 4, 5))
    assert (found.maps[0, 0, 1:, 1] > 0.99).all()
    # Half of the last state is its own event.
    assert planted.attended(history(1, 3, 4, 5)) == pytest.approx(
        {1: 0, 3: 0.5, 4: 0, 5: 0.5}, abs=0.01
    )


def test_why_tells_what_was_attended_to_beside_what_spoke_for_it():
    data = world(circling())
    model = learnt("sasrec", data, epochs=20, learning_rate=0.01)
    record = {"seed": 0, "train_seconds": 0.1, "events": 320, "split": {}}
    run = Run.of("sasrec", model, data, record, None)
    table = run.recommend(histories=[[0, 1, 2]], k=1, why=True)
    part = table["evidence"][0].to_list()[0]
    (row,) = data.items.rows([part["item_id"]])
    shares = model.attended(history(*data.items.rows([0, 1, 2])))
    assert part["attention"] == pytest.approx(shares[row])
    assert f"{part['attention']:.0%} of the attention" in table["why"][0]
