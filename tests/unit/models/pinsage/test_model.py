from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from grapevine import training
from grapevine.data import split
from grapevine.errors import BundleError, ConfigError, DataError
from grapevine.evaluation.rank import measure
from grapevine.models.base import Embeds, Walked
from grapevine.models.evidence import evidence
from grapevine.models.pinsage import Config, PinSage
from grapevine.models.pinsage.new_items import embed_new
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import checkerboard, world
from grapevine.views.graph import bipartite


def test_a_user_is_the_weighted_mean_of_its_latest_items(fitted):
    history = [3, 7, 7, 11, 19, 2]
    asked = fitted.ask(Batch.of_histories(Jagged.from_lists([history, [5], []])))
    weights = np.exp(fitted.place + fitted.behaviour_weight[0])
    latest = fitted.items[history[::-1][:4]]
    np.testing.assert_allclose(asked[0], weights @ latest / weights.sum(), atol=1e-6)
    np.testing.assert_allclose(asked[1], fitted.items[5], atol=1e-6)
    assert not asked[2].any()


def test_vectors_have_length_one_unless_as_in_the_paper(fitted, planted, small):
    np.testing.assert_allclose(np.linalg.norm(fitted.items, axis=1), 1, atol=1e-5)
    plain = training.fit(replace(small, final_norm=False, epochs=1), planted(), seed=1)
    assert np.abs(np.linalg.norm(plain.items, axis=1) - 1).max() > 0.05


def test_it_can_say_whom_it_listened_to_and_what_spoke_for_an_item(fitted):
    assert isinstance(fitted, Walked)
    assert isinstance(fitted, Embeds)
    assert fitted.neighbours.width == 5
    asked = Batch.of_histories(Jagged.from_lists([[0, 4, 1]]))
    scores = fitted.score(asked)[0]
    item = int(scores[8:].argmax()) + 8
    reason = evidence(fitted, asked, [item])[0]
    assert reason
    rest = [thing for thing in (0, 4, 1) if thing != reason[0][0]]
    without = fitted.score(Batch.of_histories(Jagged.from_lists([rest])))[0]
    assert without[item] < scores[item]


def test_a_changed_state_is_refused(fitted):
    state = fitted.state()
    whole = PinSage.restore(fitted.config, state)
    np.testing.assert_array_equal(whole.items, fitted.items)
    without = {name: one for name, one in state.items() if name != "said"}
    damaged = {**without, "more": state["items"]}
    told = "PinSage as it is here: missing: said; too many: more\n"
    with pytest.raises(BundleError, match=told) as caught:
        PinSage.restore(fitted.config, damaged)
    assert caught.value.hint == "train it again with this version of grapevine"


def test_a_network_of_other_parameters_is_refused(fitted, planted):
    state = fitted.state()
    damaged = {name: one for name, one in state.items() if name != "network.last.weight"}
    model = PinSage.restore(fitted.config, {**damaged, "network.more": state["items"]})
    with pytest.raises(BundleError, match=r"missing: last\.weight; too many: more\n"):
        embed_new(model, planted().item_table[:2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "model.width"),
        ({"restart": 1.5}, "model.restart"),
        ({"most_degree": -1}, "model.most_degree"),
        ({"temperature": 0.0}, "model.temperature"),
        ({"content_weight": 0.0}, "model.content_weight"),
        ({"band": (5, 5)}, "model.band"),
        ({"band_share": (0.1, 1.5)}, "model.band_share"),
        ({"quotas": (0.0, 0.0)}, "model.quotas"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Config(**options)


def test_the_paper_is_one_option_away():
    paper = Config.paper(width=16)
    assert (paper.loss, paper.hard_negatives, paper.negatives) == ("max-margin", 6, 500)
    assert (paper.layers, paper.neighbours, paper.width) == (2, 50, 16)
    assert not paper.final_norm
    assert not paper.ids


@pytest.mark.parametrize("loss", ["max-margin", "cross-entropy", "softmax"])
def test_every_loss_falls(loss, planted, small):
    learner = replace(small, loss=loss).learner(planted(), seed=0)
    means = []
    for epoch in range(4):
        batches = learner.batches(epoch)
        steps = len(batches)
        lost = [sum(learner.step(batches[step], 0.01).values()) for step in range(steps)]
        means.append(np.mean(lost))
    assert means[-1] < means[0]


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(planted, small):
    config = replace(small, hard_negatives=2)

    def steps(learner, epoch, first, last):
        batches = learner.batches(epoch)
        for step in range(first, last):
            learner.step(batches[step], learner.rate(epoch, step, len(batches)))

    straight = config.learner(planted(), seed=4)
    steps(straight, 1, 0, 6)
    stopped = config.learner(planted(), seed=4)
    steps(stopped, 1, 0, 3)
    resumed = config.learner(planted(), seed=4)
    resumed.load(stopped.state())
    steps(resumed, 1, 3, 6)
    wanted = straight.model().state()
    for name, part in resumed.model().state().items():
        np.testing.assert_array_equal(part, wanted[name], name)


def test_the_rate_rises_in_the_first_epoch_and_falls_in_the_others(planted, small):
    learner = replace(small, learning_rate=0.1, decay=0.5).learner(planted(), seed=0)
    assert [learner.rate(0, step, 4) for step in range(4)] == pytest.approx(
        [0.025, 0.05, 0.075, 0.1]
    )
    assert learner.rate(1, 0, 4) == pytest.approx(0.1)
    assert learner.rate(2, 0, 4) == pytest.approx(0.05)
    assert learner.rate(2, 2, 4) == pytest.approx(0.05 * 0.5**0.5)


def test_a_new_item_is_found_near_its_cluster_without_training_again(planted, small):
    data = planted(noise=1.0)
    model = training.fit(replace(small, epochs=8, new_share=0.3), data, seed=1)
    graph = bipartite(data.interactions)
    # Users 1, 5 and 9 keep to cluster 1: three of them took the new item.
    table = data.item_table[1:2].with_columns(item_id=pl.lit("new"))
    vector = embed_new(model, table, graph=graph, edges=Jagged.from_lists([[1, 5, 9]]))[0]
    nearest = np.argsort(-(model.items @ vector))[:10]
    assert (nearest % 4 == 1).sum() >= 8
    # Whom nobody met is placed by its features, which tell the cluster but faintly.
    alone = embed_new(model, data.item_table)
    nearest = np.argsort(-(alone @ model.items.T))[:, :10]
    assert (nearest % 4 == np.arange(60)[:, None] % 4).mean() > 0.4
    np.testing.assert_array_equal(
        vector, embed_new(model, table, graph=graph, edges=Jagged.from_lists([[1, 5, 9]]))[0]
    )


def test_new_items_must_fit_the_graph(fitted, planted):
    table = planted().item_table[:2]
    graph = bipartite(planted().interactions)
    edges = Jagged.from_lists([[1], [2]])
    with pytest.raises(DataError, match="need the graph"):
        embed_new(fitted, table, edges=edges)
    with pytest.raises(DataError, match="1 lists of edges for 2"):
        embed_new(fitted, table, graph=graph, edges=edges.slice(0, 1))
    with pytest.raises(DataError, match="must lie in"):
        embed_new(fitted, table, graph=graph, edges=Jagged.from_lists([[1], [900]]))


def test_an_item_of_training_is_embedded_alike_as_a_new_one_but_for_its_identity(planted, small):
    data = planted()
    model = training.fit(replace(small, ids=False, walks=400), data, seed=1)
    events = data.interactions
    contexts = bipartite(events).contexts
    again = embed_new(
        model, data.item_table[3:4], graph=bipartite(events), edges=contexts.slice(3, 4)
    )[0]
    # Its twin is among its neighbours now, and that is all.
    assert float(again @ model.items[3]) > 0.9


@pytest.mark.slow
def test_the_graph_is_far_better_than_the_features_and_these_than_chance(planted, small):
    found = []
    config = replace(
        small, ids=False, width=16, hidden=16, neighbours=10, walks=50, recent=10, epochs=5,
        negatives=200, learning_rate=0.01, batch=256,
    )  # fmt: skip
    alone = replace(config, layers=0, features=("vector",))
    for seed in range(5):
        # A place of a vector says a sixth as much of the cluster as it says of nothing.
        parts = split.leave_last_out(planted(8, 25, 300, noise=2.5, seed=seed))
        models = (training.fit(one, parts.train, seed=seed) for one in (config, alone))
        found.append([measure(model, parts.test, "hr@20") for model in models])
    graph, features = np.array(found).T
    assert (graph > 1.5 * features).all()
    assert graph.mean() > 2 * features.mean()
    assert features.mean() > 2 * 20 / 200


def test_where_items_have_no_content_none_must_do_without_its_identity(small):
    data = world(checkerboard(12, 8))
    found, wanted = (
        training.fit(replace(small, epochs=2, **options), data, seed=1).state()
        for options in (
            {"id_dropout": 0.9, "new_share": 0.9},
            {"id_dropout": 0.0, "new_share": 0.0},
        )
    )
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, name)
