from dataclasses import replace

import numpy as np
import pytest
import torch

import grapevine as gv
from grapevine import training
from grapevine.errors import BundleError, ConfigError
from grapevine.models import MODELS
from grapevine.models.cascade import CascadePairs, CascadeVectors, Config
from grapevine.models.cascade.rows import CRGCN, EHCF, ESMM, GHCF, HGT, MBCGCN, NMTR, RGCN
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.tasks.cascade import cascaded
from grapevine.testing.worlds import world

NAMES = ("view", "cart", "buy")
ROWS = {
    "nmtr": NMTR, "esmm": ESMM, "ehcf": EHCF, "ghcf": GHCF, "mb-cgcn": MBCGCN, "crgcn": CRGCN,
    "rgcn": RGCN, "hgt": HGT,
}  # fmt: skip


def funnel(users=24, items=16, *, seed=0, bought=0.3, more=0):
    """Even users look at even items and odd ones at odd ones; some of that goes on to a purchase.

    What each user buys last is not in it, and nobody meets some more items.
    """
    draw, events = stream(seed, "funnel"), []
    for user in range(users):
        for item in range(user % 2, items, 2):
            if draw.random() < 0.7:
                events.append((user, item, "view"))
                if draw.random() < 0.6:
                    events.append((user, item, "cart"))
                    if draw.random() < bought:
                        events.append((user, item, "buy"))
    return world(events, items=range(items + more), behaviours=NAMES)


def small(row, **options):
    return row.Config(**{"width": 8, "epochs": 3, "batch": 16, **options})


@pytest.mark.parametrize(
    "options",
    [{"scorer": "gmf"}, {"scorer": "neumf"}, {"loss": "bpr"}, {"scorer": "mlp", "how": "none"},
     {"loss": "softmax", "scorer": "gmf"}, {"loss": "all-pairs", "scorer": "gmf", "batch": 8}],
    ids=str,
)  # fmt: skip
def test_all_weight_on_the_target_is_the_target_alone_to_the_bit(options):
    data = funnel()
    config = small(NMTR, how=options.pop("how", "none"), **options)
    alone = training.fit(replace(config, behaviours="target"), data, seed=4)
    found = training.fit(replace(config, weights=(0.0, 0.0, 1.0)), data, seed=4)
    # Whom the target alone has not met is known by other behaviours.
    users, items = alone.met, alone.heard
    for name, table in alone.tables.items():
        both = found.tables[name]
        np.testing.assert_array_equal(both[: len(users)][users], table[: len(users)][users])
        np.testing.assert_array_equal(both[len(users) :][items], table[len(users) :][items])
    np.testing.assert_array_equal(found.scales[-1], alone.scales[-1])
    for name, one in alone.towers.items():
        np.testing.assert_array_equal(found.towers[f"towers.2{name.removeprefix('towers.0')}"], one)


@pytest.mark.parametrize("how", ["none", "logit", "probability", "chain"])
@pytest.mark.parametrize("encoder", ["ids", "blocks", "shares"])
def test_a_model_scores_as_its_network_does(how, encoder):
    data = funnel(more=2)
    learner = small(NMTR, how=how, encoder=encoder).learner(data, seed=1)
    for step in range(2):
        learner.step(learner.batches(0)[step], 0.05)
    model, network = learner.model(), learner.network.eval()
    rows = data.interactions.batch(np.arange(data.interactions.num_users))
    users, items = len(data.users), len(data.items)
    views = network.views()
    every = torch.arange(items).expand(users, -1)
    own = [network.own(views, place, torch.arange(users), every) for place in range(3)]
    wanted = cascaded(own, how)[-1].detach().numpy()
    met = data.interactions.counts() > 0
    known = np.diff(data.interactions.offsets) > 0
    found = model.score(rows)
    np.testing.assert_allclose(found[known][:, met], wanted[known][:, met], rtol=1e-4, atol=1e-6)
    assert not met.all()
    assert (found[:, ~met] < found[:, met].min(1, keepdims=True)).all()


def test_over_all_pairs_those_who_took_nothing_are_told_so():
    """A step in which nobody bought still asks for purchases: of all pairs, none came true."""
    learner = small(EHCF, batch=4).learner(world(
        [(user, item, "view") for user in range(8) for item in range(4)] + [(7, 1, "buy")],
        behaviours=NAMES,
    ), seed=2)  # fmt: skip
    batches = learner.batches(0)
    batches.size = 1  # it would be all users at once of so few
    step = next(one for one in map(batches.__getitem__, range(8)) if 7 not in one.users)
    assert not len(step.asked[2].users)
    view = learner.network.views()[2]
    said = (view.nodes[torch.from_numpy(step.users)] * view.weights) @ view.nodes[8:].T
    wanted = learner.asked[2] * learner.config.negative_weight * said.square().sum()
    torch.testing.assert_close(learner.loss(step)["buy"], wanted)


TOLD = {
    "nmtr": {"negatives": 2},
    "esmm": {"negatives": 2},
    "ehcf": {"negative_weight": 0.3, "batch": 8},
    "ghcf": {},
    "mb-cgcn": {"auxiliary": 1.0},
    "crgcn": {},
    "rgcn": {},
    "hgt": {},
}
"""What each row takes to learn of so few."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_the_planted_taste_is_found_by_those_who_bought_little(name):
    data = funnel(60, 24, bought=0.15)
    usual = {"width": 16, "epochs": 60, "patience": 0, "learning_rate": 0.02, "batch": 32}
    config = small(ROWS[name], **{**usual, **TOLD[name]})
    bought = data.target_interactions
    light = np.flatnonzero(np.diff(bought.offsets) <= 2)
    assert len(light) > 20
    users = np.array(data.users.ids.to_list())[light]
    items = np.array(data.items.ids.to_list())

    def right(options):
        """How much of what is recommended is of the user's kind, what was bought left out."""
        model = training.fit(options, data, seed=0)
        scores = np.asarray(model.score(data.interactions.batch(light))).copy()
        for place, row in enumerate(light):
            scores[place, bought.items[bought.offsets[row] : bought.offsets[row + 1]]] = -np.inf
        best = np.argsort(-scores, axis=1)[:, :5]
        return (items[best] % 2 == users[:, None] % 2).mean()

    together, alone = right(config), right(replace(config, behaviours="target"))
    assert together > 0.75
    assert together > alone + 0.1


def test_models_are_saved_and_foreign_arrays_are_refused(tmp_path):
    data = funnel()
    run = gv.fit(small(NMTR), data, out=tmp_path / "run")
    again = gv.open_run(tmp_path / "run").model
    rows = data.interactions.batch(np.arange(3))
    np.testing.assert_array_equal(again.score(rows), run.model.score(rows))
    assert isinstance(again, CascadePairs)
    state = run.model.state()
    for name, said in (("tables.deep", "missing"), ("towers.towers.0.0.bias", "missing")):
        less = {other: one for other, one in state.items() if other != name}
        with pytest.raises(BundleError, match=said):
            NMTR.restore(run.model.config, less)
    with pytest.raises(BundleError, match="too many"):
        NMTR.restore(run.model.config, {**state, "tables.more": np.zeros((1, 1), np.float32)})
    vectors = training.fit(small(EHCF), data)
    assert isinstance(vectors, CascadeVectors)
    np.testing.assert_array_equal(vectors.score(rows), np.asarray(vectors.products(rows)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loss": "softmax"}, "over all items"),
        ({"loss": "all-pairs", "scorer": "gmf", "how": "logit"}, "over all items"),
        ({"transfer": True}, "model.transfer"),
        ({"cosine": True}, "temperature"),
        ({"weights": (0.0, 0.0)}, "one above it"),
        ({"weights": (1.0, -1.0)}, "0 or more"),
        ({"negative_weight": 0.0}, "negative_weight"),
        ({"depths": (1, 2, 3)}, "model.depths"),
        (
            {"encoder": "rgcn", "loss": "all-pairs", "scorer": "gmf", "how": "none"},
            "all that a user",
        ),
        ({"encoder": "hgt", "heads": 3}, "cannot share"),
        ({"hidden": 1.0}, "hidden"),
    ],
)
def test_what_makes_no_sense_is_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        NMTR.Config(**options)


def test_weights_are_of_the_behaviours_there_are():
    data = funnel()
    assert Config().asked(data) == pytest.approx({0: 1 / 3, 1: 1 / 3, 2: 1 / 3})
    assert MBCGCN.Config().asked(data) == {2: 1.0}
    assert Config(auxiliary=0.5).asked(data) == pytest.approx({0: 0.25, 1: 0.25, 2: 0.5})
    assert Config(weights=(0.0, 2.0, 1.0)).asked(data) == {1: 2.0, 2: 1.0}
    with pytest.raises(ConfigError, match="2 weights for 3 behaviours"):
        Config(weights=(1.0, 1.0)).asked(data)
    with pytest.raises(ConfigError, match=r"2 model\.depths for 3 behaviours"):
        small(CRGCN, depths=(1, 2)).learner(data)
    with pytest.raises(ConfigError, match="asks for view"):
        Config(weights=(1.0, 0.0, 0.0)).asked(data)
    with pytest.raises(ConfigError, match="train `nmtr`"):
        EHCF.Config(how="logit", loss="bpr", transfer=False)


def test_rows_of_the_table_are_the_defaults():
    for name, row in ROWS.items():
        assert MODELS[name].config == row.Config()
        assert MODELS[name].model is row


@pytest.mark.parametrize("row", [NMTR, CRGCN])
def test_a_stranger_is_heard_by_all_that_it_did(row):
    data = funnel()
    model = training.fit(small(row), data)
    history = [data.items.rows([0, 4, 6])]
    looked = [
        Batch.of_histories(Jagged.from_lists(history), behaviour=behaviour) for behaviour in (0, 2)
    ]
    first, second = (np.asarray(model.score(batch)) for batch in looked)
    assert first.any()
    np.testing.assert_array_equal(first, second)
