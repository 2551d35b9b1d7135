"""Of an item that nobody met a model that knows items by their users alone knows nothing."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from grapevine import training
from grapevine.models import MODELS
from grapevine.models.base import Embeds, Factored
from grapevine.models.evidence import evidence
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.contracts import briefly
from grapevine.testing.worlds import checkerboard, world

READ_FEATURES = {"content-knn", "pinsage"}
DRAW = {"random"}
NETWORKS = {"nmtr", "esmm", "vine"}  # of pairs: 0 is no low score there
TOLD = {"oracle", "taste-oracle"}  # they need a world whose truth is known
NAMES = sorted(set(MODELS) - READ_FEATURES - DRAW - TOLD)
COLD = ("x", "y")
FEW = ("vine.width=8", "vine.epochs=1", "nmtr.width=8", "nmtr.epochs=1", "lightgcn.epochs=1")
TOGETHER = {
    "blend of vine": (
        "blend",
        {"parts": ("vine", "lightgcn"), "settings": (FEW[0], FEW[1], FEW[4])},
    ),
    "dcn over nmtr": ("dcn", {"retriever": "nmtr", "settings": FEW[2:4], "folds": 2, "epochs": 1}),
}
"""Rows that hear others which put what nobody met last."""


@cache
def small_world():
    """Two tastes; user 8 has only looked, and so has whoever met item "y"."""
    bought = [(user, f"item {item}", "buy") for user, item in checkerboard(6, 6)]
    looked = [(user, "y", "look") for user in (0, 1, 8)]
    return world([*bought, *looked], items=COLD, behaviours=("look", "buy"))


@cache
def fitted(name):
    return training.fit(briefly(MODELS[name].config), small_world(), seed=3)


def counts_all(name):
    """Whether a look counts for the row as a purchase does."""
    config = MODELS[name].config
    parts = config.configs().values() if name == "blend" else [config]
    return any(getattr(part, "behaviours", "all") == "all" for part in parts)


def cold_rows(name):
    """Items without an event that the row listens to."""
    return small_world().items.rows(["x"] if counts_all(name) else list(COLD))


def strangers(histories):
    data = small_world()
    rows = [data.items.rows(history) for history in histories]
    return Batch.of_histories(Jagged.from_lists(rows), behaviour=data.schema.target_row)


HISTORIES = [[], ["x"], ["y", "x"], ["item 0"], ["x", "item 0", "item 2", "y"], ["item 1", "x"]]


@pytest.mark.parametrize("name", NAMES)
def test_an_item_that_nobody_met_scores_no_more_than_a_vector_of_zeros(name):
    model, data = fitted(name), small_world()
    met = np.setdiff1d(np.arange(len(data.items)), cold_rows(name))
    for batch in (data.interactions.batch(np.arange(len(data.users))), strangers(HISTORIES)):
        scores = np.asarray(model.score(batch))
        cold = scores[:, cold_rows(name)]
        # Or it comes last, where a network may say less than 0 of everything.
        last = cold.max(1) <= scores[:, met].min(1)
        assert (last | (cold.max(1) <= 0)).all()
        if name in NETWORKS:
            assert last.all()
    if isinstance(model, Factored):
        side = model.products(strangers(HISTORIES)).items[cold_rows(name)]
        if len(getattr(model, "bias", ())):
            assert (side[:, -1] <= 0).all()
            side = side[:, :-1]
        assert not side.any()
    if isinstance(model, Embeds):
        assert not model.item_vectors()[0][cold_rows(name)].any()


@pytest.mark.parametrize("name", [*NAMES, *TOGETHER])
def test_an_item_that_nobody_met_is_no_reason_and_has_none(name):
    everything = range(len(small_world().items))
    if name in TOGETHER:
        row, changes = TOGETHER[name]
        config = MODELS[row].config
        model = training.fit(replace(config, **changes), small_world(), seed=3)
        cold = set(small_world().items.rows(["x"]).tolist())
    else:
        model, cold = fitted(name), set(cold_rows(name).tolist())
    for history in HISTORIES:
        found = evidence(model, strangers([history]), everything, most=9)
        assert not any(found[row] for row in cold)
        assert not cold & {thing for parts in found for thing, _ in parts}


@pytest.mark.parametrize("name", NAMES)
def test_a_history_of_items_that_nobody_met_is_no_history(name):
    scores = np.asarray(fitted(name).score(strangers([[], ["x"], ["item 0"], ["x", "item 0"]])))
    np.testing.assert_array_equal(scores[1], scores[0])
    np.testing.assert_allclose(scores[3], scores[2], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", [name for name in NAMES if not counts_all(name)])
def test_a_user_without_an_event_that_counts_is_asked_as_a_stranger(name):
    data = small_world()
    asked = data.interactions.batch(data.users.rows([8]))
    alike = Batch(
        users=np.array([-1]),
        offsets=asked.offsets,
        items=asked.items,
        behaviours=asked.behaviours,
        times=asked.times,
        asked_at=asked.asked_at,
    )
    model = fitted(name)
    np.testing.assert_allclose(model.score(asked), model.score(alike), rtol=1e-5, atol=1e-7)
