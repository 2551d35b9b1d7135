from dataclasses import replace

import numpy as np
import polars as pl
import torch

from grapevine import training
from grapevine.models.pinsage.alike import most_met, nearest
from grapevine.models.pinsage.batches import Ground
from grapevine.models.pinsage.learner import PinSageLearner
from grapevine.models.pinsage.new_items import embed_new
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


def unseen(data, items):
    """The same catalogue, with nobody who met these items."""
    keep = ~np.isin(data.interactions.items, items)
    return replace(data, interactions=data.interactions.where(keep))


def test_the_nearest_are_those_of_the_greatest_products_above_nothing():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 4)).astype(np.float32)
    candidates = np.arange(0, 30, 2)
    table = nearest(vectors, vectors, candidates, 6, same=True)
    for item in range(30):
        others = candidates[candidates != item]
        near = vectors[others] @ vectors[item]
        wanted = others[np.argsort(-near)][: min(6, int((near > 0).sum()))]
        there = table.nodes[item] >= 0
        assert table.nodes[item][there].tolist() == wanted.tolist()
        share = vectors[wanted] @ vectors[item]
        np.testing.assert_allclose(table.weights[item][there], share / share.sum(), rtol=1e-4)


def test_only_items_that_someone_met_are_heard():
    assert most_met(np.array([0, 3, 0, 1])).tolist() == [1, 3]


def test_an_item_that_nobody_met_hears_those_alike_and_has_no_identity(planted, small):
    data = unseen(planted(), [3, 8])
    ground = Ground.of(small, data, 0)
    assert np.flatnonzero(ground.rows < 0).tolist() == [3, 8]
    assert (ground.table.nodes[[3, 8]] < 0).all()
    heard = ground.heard.nodes[[3, 8]]
    assert (heard >= 0).any(1).all()
    assert not np.isin(heard, [3, 8]).any()
    rest = np.delete(np.arange(60), [3, 8])
    np.testing.assert_array_equal(ground.heard.nodes[rest], ground.table.nodes[rest])
    deaf = Ground.of(replace(small, content_neighbours=False), data, 0)
    assert (deaf.heard.nodes[[3, 8]] < 0).all()
    model = training.fit(replace(small, epochs=1), data, seed=1)
    # Listed in the catalogue or seen for the first time, it has the same vector.
    table = data.item_table[[3, 8]].with_columns(item_id=pl.Series(["x", "y"]))
    np.testing.assert_allclose(embed_new(model, table), model.items[[3, 8]], atol=1e-5)


def test_whom_hubs_alone_lead_to_is_not_heard_where_hubs_are_capped(planted, small):
    # User 0 has met every item; of the others each keeps to a cluster of its own.
    data = planted(stray=0.0)
    events = data.interactions
    items = np.concatenate([np.arange(60, dtype=np.int32), events.items[events.offsets[1] :]])
    offsets = np.concatenate([[0], events.offsets[1:] + 60 - events.offsets[1]])
    behaviours, times = np.zeros(len(items), np.uint8), np.arange(len(items))
    hub = replace(events, offsets=offsets, items=items, behaviours=behaviours, times=times)

    def astray(config):
        table = Ground.of(config, replace(data, interactions=hub), 0).table
        other = table.nodes % 4 != np.arange(60)[:, None] % 4
        return table.weights[other & (table.nodes >= 0)].sum() / 60

    walked = replace(small, walks=200, neighbours=20)
    # An item has 21 users at most: nobody but the hub is capped, to a third of its edges.
    assert astray(replace(walked, most_degree=21)) < 0.6 * astray(walked)


def test_what_counts_as_new_in_a_step_is_in_no_history_of_it(planted, small, monkeypatch):
    learner = PinSageLearner(replace(small, new_share=0.5, id_dropout=0.0), planted(), seed=2)
    batch = learner.batches(0)[0]
    new = torch.arange(len(batch.graph.rows)) % 2 == 0
    monkeypatch.setattr(learner.items, "unmet", lambda graph: new)
    told = {}
    ask = learner.items.ask
    monkeypatch.setattr(
        learner.items, "ask", lambda z, asked, kinds: ask(z, told.setdefault("asked", asked), kinds)
    )
    learner.loss(batch)
    left = told["asked"][told["asked"] >= 0]
    assert len(left)
    assert not new[left].any()
    assert ((told["asked"] >= 0).sum() < (batch.asked >= 0).sum()).item()


def test_where_content_weighs_all_a_history_finds_what_content_is_nearest_to(planted, small):
    # Much of the weight on content, next to nothing learnt, and the whole history alike.
    config = replace(small, content_weight=1e4, in_order=False, learning_rate=1e-9, epochs=1)
    model = training.fit(config, planted(), seed=0)
    asked = model.ask(Batch.of_histories(Jagged.from_lists([[3, 8, 20]])))
    about = model.about / np.linalg.norm(model.about, axis=1, keepdims=True)
    wanted = about[[3, 8, 20]].mean(0) @ about.T
    np.testing.assert_allclose((asked @ model.items.T)[0], wanted, atol=1e-4)
