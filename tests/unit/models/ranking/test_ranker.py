from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

import grapevine as gv
from grapevine import training
from grapevine.errors import BundleError, ConfigError
from grapevine.models import MODELS
from grapevine.models.ranking import DCN, DIEN, Config, Ranker, WideDeep
from grapevine.models.ranking.questions import questions_of
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import world

ROWS = {"wide-deep": WideDeep, "dien": DIEN, "dcn": DCN}
SMALL = {"width": 8, "hidden": (16,), "epochs": 2, "folds": 2}


def ring(users=60, items=8, length=5):
    """Everybody walks the same ring: where to is told by the last item, and all are as popular."""
    return world(
        [(user, (user + step) % items) for user in range(users) for step in range(length)],
        items=range(items),
    )


def shop(seed=0, users=60, items=24):
    """Even users are for even items; half of what is viewed is bought."""
    draw, events = stream(seed, "shop"), []
    for user in range(users):
        for item in draw.permutation(np.arange(user % 2, items, 2))[:7].tolist():
            events.append((user, item, "view"))
            if draw.random() < 0.5:
                events.append((user, item, "buy"))
    return world(events, items=range(items), behaviours=("view", "buy"))


def everybody(data):
    return data.interactions.batch(np.arange(len(data.users)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_the_ranking_finds_an_order_that_its_retriever_cannot_know(name):
    config = ROWS[name].Config(
        width=16, epochs=20, patience=0, learning_rate=0.02, folds=2, dropout=0.0, id_dropout=0.5,
        retriever="popularity", negatives=4,
    )  # fmt: skip
    data = ring()
    model = training.fit(config, data, seed=0)
    walks = [data.items.rows([(start + step) % 8 for step in range(3)]) for start in range(8)]
    batch = Batch.of_histories(Jagged.from_lists(walks))
    wanted = data.items.rows([(start + 3) % 8 for start in range(8)])
    assert (model.score(batch).argmax(1) == wanted).mean() > 0.7
    # The retriever says the same to everybody, and is right once.
    assert (model.retriever.score(batch).argmax(1) == wanted).sum() == 1


def test_candidates_stand_above_all_others_which_keep_their_order():
    data = shop()
    model = training.fit(DCN.Config(**SMALL, candidates=5), data, seed=0)
    batch = everybody(data)
    first, found = np.array(model.retriever.score(batch)), model.score(batch)
    listed = model.shortlist(first, batch).items
    assert listed.shape == (len(batch), 5)
    for query, items in enumerate(listed):
        others = np.setdiff1d(np.arange(len(data.items)), items)
        assert found[query, items].min() > found[query, others].max()
        np.testing.assert_array_equal(found[query, others], first[query, others])
    assert (np.argsort(-np.take_along_axis(found, listed, 1), 1) != np.arange(5)).any()


@pytest.mark.parametrize("retriever", ["item-knn", "markov"])
def test_what_was_met_is_no_candidate_where_nothing_met_is_asked_for(retriever):
    data = shop()
    config = DCN.Config(**SMALL, candidates=5, once=True, retriever=retriever)
    model = training.fit(config, data, seed=0)
    batch = everybody(data)
    met = [set(batch.items[low:high].tolist()) for low, high in pairwise(batch.offsets)]
    first = np.array(model.retriever.score(batch))
    listed = model.shortlist(first, batch).items
    assert (listed >= 0).all()
    assert not any(set(items) & here for items, here in zip(listed.tolist(), met, strict=True))
    plain = replace(model, config=replace(model.config, once=False))
    others = plain.shortlist(first, batch).items.tolist()
    assert any(set(items) & here for items, here in zip(others, met, strict=True))
    # Nor is it asked for in training, where a purchase was always viewed before.
    once = data.interactions.once()
    asked = questions_of(replace(data, interactions=once), model.config, 0)
    each = asked.batch()
    for low, high, answer in zip(each.offsets, each.offsets[1:], asked.answers, strict=False):
        assert answer not in each.items[low:high]
    # What nobody can name is left out.
    stranger = Batch.of_histories(Jagged.from_lists([[0, 1, -1], [-1], [2, 2]]))
    named = Batch.of_histories(Jagged.from_lists([[0, 1], [], [2]]))
    found = model.reduced(stranger)
    np.testing.assert_array_equal(found.items, named.items)
    np.testing.assert_array_equal(found.offsets, named.offsets)
    # Histories that say the same once and twice are told alike, and retrieved for alike.
    twice = everybody(data)
    np.testing.assert_array_equal(
        model.score(twice), model.score(everybody(replace(data, interactions=once)))
    )
    every = np.tile(np.arange(len(data.items)), (len(batch), 1))
    np.testing.assert_array_equal(
        model.probabilities(twice, every), model.probabilities(everybody(replace(
            data, interactions=once)), every)
    )  # fmt: skip


def test_a_score_does_not_depend_on_what_is_asked_beside_it(monkeypatch):
    data = shop()
    model = training.fit(DIEN.Config(**SMALL), data, seed=0)
    batch = everybody(data)
    whole = model.score(batch)
    monkeypatch.setattr("grapevine.models.ranking.model.BLOCK", 1)
    np.testing.assert_allclose(model.score(batch), whole, rtol=1e-5)


def test_a_known_user_and_a_stranger_are_told_apart_by_the_vector_of_the_user_alone():
    data = shop()
    model = training.fit(DCN.Config(**SMALL, id_dropout=0.0), data, seed=0)
    plain = replace(model, weights={
        name: one * 0 if name == "users.weight" else one for name, one in model.weights.items()
    }, facts=replace(model.facts, takers=model.facts.takers * 0, first_by=model.facts.first_by * 0
                     - 1))  # fmt: skip
    batch = everybody(data)
    unknown = replace(batch, users=np.full(len(batch), -1))
    np.testing.assert_allclose(plain.score(batch), plain.score(unknown), rtol=1e-5)
    assert (model.score(batch) != model.score(unknown)).any()


def validated(data):
    """The same with its users' last purchases held out, as questions."""
    return gv.split.leave_last_out(data).train


@pytest.mark.parametrize("how", ["none", "logit", "chain"])
def test_chances_are_calibrated_on_what_is_held_out(how):
    train = validated(shop(users=120))
    assert len(train.validation)
    model = training.fit(WideDeep.Config(**SMALL, how=how, bits=8), train, seed=0)
    assert model.names == ("view", "buy")
    table = model.calibration
    assert table.counts.sum(1).min() > 0
    asked = train.validation
    batch = asked.questions(0, len(asked))
    listed = model.shortlist(np.array(model.retriever.score(batch)), batch).items
    chances = model.probabilities(batch, listed)
    assert chances.shape == (*listed.shape, 2)
    came = (listed[:, :, None] == np.array([one[0] for one in asked.targets])[:, None, None]).any(2)
    # As many purchases as were to be expected.
    assert chances[..., 1].sum() == pytest.approx(came.sum(), rel=0.1)
    # The order of the chances is that of the scores.
    scores = np.take_along_axis(model.score(batch), listed, 1)
    for query in range(len(batch)):
        assert (np.diff(chances[query, np.argsort(scores[query]), 1]) >= -1e-6).all()


def test_without_a_validation_all_is_learnt_from_and_nothing_calibrated():
    model = training.fit(DCN.Config(**SMALL), shop(), seed=0)
    assert not model.calibration.counts.any()
    assert model.platt.tolist() == [[1, 0], [1, 0]]


def test_chances_are_of_items_that_there_are():
    data = shop()
    model = training.fit(DCN.Config(**SMALL, candidates=3), data, seed=0)
    batch = everybody(data)
    # Those that were not retrieved have one, too.
    every = np.tile(np.arange(len(data.items)), (len(batch), 1))
    assert ((model.probabilities(batch, every) > 0) & (model.probabilities(batch, every) < 1)).all()
    with pytest.raises(ValueError, match="rows of items"):
        model.probabilities(batch, every[:2])
    with pytest.raises(ValueError, match=r"must lie in \[0, 24\)"):
        model.probabilities(batch, every + 1)


def test_an_item_that_features_tell_is_a_candidate_that_nobody_has_to_have_met():
    data = shop()
    items = np.array(data.items.ids.to_list())
    table = data.item_table.with_columns(kind=pl.Series([f"kind {item % 2}" for item in items]))
    data = replace(data, item_table=table, schema=replace(data.schema, items={"kind": "category"}))
    cold = data.interactions.where(data.interactions.items != 0)
    data = replace(data, interactions=cold)
    model = training.fit(DCN.Config(**SMALL), data, seed=0)
    assert model.facts.known.all()
    assert model.weights["items.weight"][0].any()
    listed = model.shortlist(
        np.array(model.retriever.score(everybody(data))), everybody(data)
    ).items
    assert (listed == 0).any(1).all()
    plain = training.fit(DCN.Config(**SMALL, features=("title",)), data, seed=0)
    assert not plain.facts.known[0]
    assert not plain.weights["items.weight"][0].any()


@pytest.mark.parametrize("retriever", ["funnel", "als", "random"])
def test_any_row_may_retrieve(retriever):
    data = shop()
    model = training.fit(DCN.Config(**SMALL, retriever=retriever), data, seed=0)
    assert isinstance(model.retriever, MODELS[retriever].model)
    stranger = Batch.of_histories(Jagged.from_lists([[1, 3], []]), behaviour=1)
    assert np.isfinite(model.score(stranger)).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"retriever": "funel"}, "funel"),
        ({"retriever": "dcn"}, "dcn"),
        ({"settings": ("item-kn.neighbours=3",)}, "item-kn"),
        ({"settings": ("item-knn.neighbourz=3",)}, "in model.settings of the ranking"),
        ({"weights": (1.0,)}, "1 weights for 2 behaviours"),
        ({"weights": (1.0, 0.0)}, "the target is `buy`"),
        ({"features": ("colour",), "retriever": "nobody"}, "nobody"),
    ],
)
def test_what_makes_no_ranking_is_refused_before_anything_is_learnt(options, said):
    with pytest.raises(ConfigError, match=said):
        Config(**options).learner(shop())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hidden": ()}, "model.hidden"),
        ({"experts": 2}, "model.experts mixes"),
        ({"weights": (-1.0,)}, "model.weights must be"),
        ({"folds": 1}, "model.folds >= 2"),
        ({"candidates": 0}, "model.candidates >= 1"),
    ],
)
def test_impossible_options_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        Config(**options)


def test_settings_of_other_rows_are_kept_for_them():
    told = Config(retriever="popularity", settings=("item-knn.neighbours=3", "popularity.days=3.0"))
    assert told.first_stage() == replace(MODELS["popularity"].config, days=3.0)


def test_a_saved_ranking_has_all_its_arrays_and_no_others():
    data = shop()
    config = DCN.Config(**SMALL, rank=3, experts=2)
    model = training.fit(config, data, seed=0)
    state = model.state()
    again = Ranker.restore(config, state)
    np.testing.assert_array_equal(again.score(everybody(data)), model.score(everybody(data)))
    for name in ("network.heads.bias", "retriever.near", "facts.first", "platt"):
        bare = name.partition(".")[2] or name
        with pytest.raises(BundleError, match=f"missing: {bare}"):
            Ranker.restore(config, {n: one for n, one in state.items() if n != name})
    with pytest.raises(BundleError, match=r"too many: more"):
        Ranker.restore(config, {**state, "network.more": state["platt"]})


def test_the_rows_of_the_table_are_the_defaults():
    for name, row in ROWS.items():
        assert MODELS[name].config == row.Config()
        assert row.paper
