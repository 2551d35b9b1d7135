"""Item vectors that are made: new items by their features, those of another run, neighbours."""

import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn.functional import cross_entropy

import grapevine as gv
from grapevine import training
from grapevine.errors import ConfigError
from grapevine.models import MODELS
from grapevine.models.embedding import item_vectors
from grapevine.models.run import open_run
from grapevine.models.sequence import learner as learners
from grapevine.models.sequence import network as networks
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.contracts import check_model
from grapevine.testing.resuming import check_resuming
from grapevine.testing.worlds import AWKWARD, checkerboard, world

COLOURS = 4


def small(name="sasrec", **changes):
    said = {"width": 16, "hidden": 16, "heads": 2, "length": 12, "dropout": 0.0, "batch": 32}
    return replace(MODELS[name].config, **{**said, "precision": "float32", **changes})


def described(data, **columns):
    """The same data, with more said of its items."""
    table = data.item_table.with_columns(
        **{name: pl.Series(values) for name, (_, values) in columns.items()}
    )
    roles = {name: role for name, (role, _) in columns.items()}
    return replace(data, item_table=table, schema=replace(data.schema, items=roles))


def colours(users=60):
    """After an item of a colour comes any of the next; of each colour one is new, "a0" to "a3"."""
    rng, events = np.random.default_rng(0), []
    for user in range(users):
        start = int(rng.integers(COLOURS))
        events += [
            (f"u{user}", f"b{(start + step) % COLOURS}{rng.integers(5)}") for step in range(10)
        ]
    data = world(events, items=[f"a{colour}" for colour in range(COLOURS)])
    names = data.items.ids.to_list()
    return described(data, colour=("category", [f"colour {name[1]}" for name in names]))


def best(model, data, *history, among=None):
    rows = data.items.rows(list(history))
    scores = np.asarray(model.score(Batch.of_histories(Jagged.from_lists([rows]))))[0]
    order = [data.items.ids[int(row)] for row in np.argsort(-scores, kind="stable")]
    return [name for name in order if among is None or name in among]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sasrec", "gru4rec"])
@pytest.mark.parametrize("told", ["features", "ids+features"])
def test_new_items_are_ranked_and_heard_by_their_features(name, told):
    data = colours()
    options = {"item_vectors": told, "id_dropout": 0.3, "epochs": 15, "learning_rate": 0.01}
    model = training.fit(small(name, **options), data, seed=0)
    new = [f"a{colour}" for colour in range(COLOURS)]
    for colour in range(COLOURS):
        wanted = f"a{(colour + 1) % COLOURS}"
        for last in (f"b{colour}0", f"a{colour}"):  # one that was met, and one that is new
            found = best(model, data, f"b{(colour - 1) % COLOURS}2", last)
            assert found[:6].count(wanted) == 1, "it stands among those of its colour"
            assert next(one for one in found if one in new) == wanted
    by_ids = training.fit(small(name, epochs=1), data, seed=0)
    assert not by_ids.items[data.items.rows(new)].any()


def test_what_nobody_could_take_is_not_told_off():
    """The loss is over the items that were met, whichever rows they stand in."""
    data = colours(8)
    learner = small(item_vectors="features").learner(data, seed=0)
    learner.network.eval()
    batch = learner.batches(0)[0]
    (found,) = learner.loss(batch).values()
    met = torch.from_numpy(np.flatnonzero(data.interactions.counts()))
    assert met[0] == COLOURS
    h = learner.network(batch.places).flatten(0, 1)[batch.asking]
    vectors = learner.network.vectors()[met]
    torch.testing.assert_close(found, cross_entropy(h @ vectors.T, batch.answers - COLOURS))
    drawn = {"loss": "sampled-softmax", "negatives": 99, "item_vectors": "features"}
    sampled = small(**drawn).learner(data, seed=0)
    sampled.network.eval()
    torch.testing.assert_close(sampled.loss(batch)["sampled-softmax"], found)


def test_an_item_must_now_and_then_do_without_its_own_vector():
    learner = small(item_vectors="ids+features", id_dropout=1.0).learner(colours(8), seed=0)
    network = learner.network
    network.train()
    by_features = network.made.encoder(network.made.rows)
    torch.testing.assert_close(network.vectors(), by_features)
    network.eval()
    own = network.items.weight[:-2] * network.made.mine[:, None]
    torch.testing.assert_close(network.vectors(), by_features + own)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A run of a wider catalogue, in which "x" was taken by whoever took "item 9"."""
    events = [(user, f"item {item}") for user, item in checkerboard(24, 12)]
    events += [(user, "x") for user, item in checkerboard(24, 12) if item == 9]
    folder = tmp_path_factory.mktemp("other") / "run"
    gv.fit("als", world(events), settings=["model.factors=6"], out=folder)
    return folder


def narrower():
    """The same events without "x", and with an item that the other run has not."""
    events = [(user, f"item {item}") for user, item in checkerboard(24, 12)]
    return world([*events, *((user, "y") for user in range(0, 24, 2))], items=["x"])


@pytest.mark.parametrize("frozen", [True, False])
def test_vectors_of_another_run_are_taken_over_by_their_ids(other, frozen):
    data = narrower()
    options = {"item_vectors": "run", "items_from": str(other), "frozen": frozen}
    learner = small(**options, learning_rate=0.01).learner(data, seed=0)
    source, (lone,) = open_run(other), data.items.rows(["y"])
    vectors = item_vectors(source)[0]
    given = learner.network.made.given.detach().clone().numpy()
    rows = source.items.rows(data.items.ids)
    scale = given[0] / vectors[rows[0]]
    np.testing.assert_allclose(given[rows >= 0], vectors[rows[rows >= 0]] * scale[0], rtol=1e-4)
    np.testing.assert_allclose(np.mean(given[given.any(1)] ** 2), 1, rtol=1e-4)
    assert not given[lone].any()
    assert learner.network.made.mine.numpy().nonzero()[0].tolist() == [lone]
    for step in range(3):
        learner.step(learner.batches(step)[0], 0.01)
    assert np.array_equal(learner.network.made.given.detach().numpy(), given) == frozen
    assert learner.model().items[lone].any()


def test_no_checkpoint_goes_on_with_other_vectors(tmp_path):
    data, source = narrower(), tmp_path / "source"
    gv.fit("als", data, out=source, settings=["model.factors=4"])
    options = small(item_vectors="run", items_from=str(source), epochs=2)

    def go_on(resume):
        session = training.Session(folder=tmp_path / "kept", resume=resume)
        return training.train_with(options, data, seed=0, session=session)

    go_on(resume=False)
    shutil.rmtree(source)
    gv.fit("als", data, out=source, settings=["model.factors=4"], seed=1)
    with pytest.raises(ConfigError, match="items_from"):
        go_on(resume=True)


def test_who_has_but_its_own_vector_never_does_without_it(other):
    options = {"item_vectors": "ids+run", "items_from": str(other), "id_dropout": 1.0}
    data = narrower()
    network = small(**options).learner(data, seed=0).network
    (lone,) = data.items.rows(["y"])
    made = network.made.project(network.made.given)
    made[lone] += network.items.weight[lone]
    torch.testing.assert_close(network.train().vectors(), made)


def test_an_item_that_the_other_run_alone_has_met_is_recommended(other):
    options = {"item_vectors": "run", "items_from": str(other), "epochs": 20, "batch": 4}
    data = narrower()
    model = training.fit(small(**options, learning_rate=0.01), data, seed=0)
    odd, even = (["item 1", "item 3", "item 5", "item 7"], ["item 0", "item 2", "item 4"])
    # What comes next is the item after, and "x" is the same to the other run as "item 9".
    assert {"x", "item 9"} == set(best(model, data, *odd)[:2])
    assert not {"x", "item 9"} & set(best(model, data, *even)[:2])


def test_a_run_opens_without_the_run_its_items_came_from(other, tmp_path):
    shutil.copytree(other, tmp_path / "source")
    settings = [
        "model.item_vectors=ids+run", f"model.items_from={tmp_path / 'source'}",
        "model.epochs=2", "model.width=16",
    ]  # fmt: skip
    run = gv.fit("sasrec", narrower(), settings=settings, out=tmp_path / "run")
    shutil.rmtree(tmp_path / "source")
    opened = open_run(tmp_path / "run")
    asked = run.questions(run.users.ids.to_list())
    np.testing.assert_array_equal(opened.model.score(asked), run.model.score(asked))


def test_a_run_of_another_catalogue_is_refused(other):
    options = {"item_vectors": "run", "items_from": str(other)}
    with pytest.raises(ConfigError, match="has no vector of any item"):
        small(**options).learner(world([("u", "somewhere"), ("u", "else")]), seed=0)


def test_items_hear_their_neighbours_once_a_step():
    data = world(checkerboard(16, 12), items=["lone"])
    learner = small(graph_layers=2, neighbours=3).learner(data, seed=0)
    network, table = learner.network.eval(), learner.sources.neighbours
    x = network.items.weight[:-2].detach() * network.made.mine[:, None]
    for convolution in network.made.convolutions:
        heard = torch.zeros_like(x)
        for item, (nodes, weights) in enumerate(zip(table.nodes, table.weights)):
            for node, weight in zip(nodes, weights):
                heard[item] += float(weight) * x[node] * (node >= 0)
        x = x + heard @ convolution.weight.detach().T
    torch.testing.assert_close(network.vectors().detach(), x)
    (lone,) = data.items.rows(["lone"])
    assert not x[lone].any()
    calls = []
    for convolution in network.made.convolutions:
        convolution.register_forward_hook(lambda _, given, __: calls.append(len(given[0])))
    learner.step(learner.batches(0)[0], 0.01)
    assert calls == [len(data.items)] * 2
    assert all(one.weight.grad.abs().sum() > 0 for one in network.made.convolutions)


def test_what_is_written_out_is_made_by_the_means_of_the_weights():
    options, data = small(average=0.5, graph_layers=1), world(checkerboard(16, 12))
    learner = options.learner(data, seed=0)
    for step in range(3):
        learner.step(learner.batches(0)[0], 0.05 * (step + 1))
    fresh = options.learner(data, seed=0).network.eval()
    assert {f"mean.{name}" for name, _ in fresh.named_parameters()} <= learner.state().keys()
    for name, one in fresh.named_parameters():
        one.data.copy_(learner.means[name])
    found = learner.model()
    np.testing.assert_allclose(found.items, fresh.vectors().detach().numpy(), rtol=1e-5, atol=1e-7)
    assert not np.allclose(found.items, learner.network.eval().vectors().detach().numpy())
    assert not any(name.startswith("made.") for name in found.weights)


def titled(data):
    return described(data, title=("title", [f"thing {name}" for name in data.items.ids]))


OPTIONS = {
    "inputs": {"behaviours": "all", "behaviour_input": True, "gap_input": True},
    "features": {"item_vectors": "features"},
    "both": {"item_vectors": "ids+features", "id_dropout": 0.5, "average": 0.9},
    "graph": {"graph_layers": 1, "average": 0.9},
    "run": {"item_vectors": "run"},
    "learnt on": {"item_vectors": "ids+run", "frozen": False, "graph_layers": 1},
    "lanes": {"encoder": "gru", "windows": "lanes", "graph_layers": 1, "gap_input": True},
    "cloze": {"asks": "cloze", "norm": "post", "head": True, "item_vectors": "ids+features"},
    "cosine": {"encoder": "hstu", "times": True, "cosine": True, "item_vectors": "features"},
    "drawn": {"loss": "sampled-softmax", "drawn": "mixed", "head": True, "graph_layers": 2},
    "refreshed": {"item_vectors": "ids+features", "graph_layers": 1, "refresh": 3},
    "never alone": {"item_vectors": "features", "refresh": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS)
def test_training_goes_on_to_the_bit(name, other, tmp_path):
    data, options = titled(narrower()), dict(OPTIONS[name])
    if "run" in options.get("item_vectors", ""):
        options["items_from"] = str(other)
    config = small(epochs=2, batch=12, **options)
    assert check_resuming(config, data, tmp_path) >= 4


@pytest.mark.parametrize("world_name", AWKWARD)
@pytest.mark.parametrize("name", ["both", "graph", "features", "cloze", "drawn"])
def test_the_contract_is_kept(name, world_name):
    data = AWKWARD[world_name]()
    check_model(small(epochs=2, **OPTIONS[name]), titled(data))


def test_without_any_option_nothing_more_is_held():
    learner = small().learner(colours(4), seed=7)
    assert not any(name.startswith(("made.", "inputs.")) for name in learner.network.state_dict())
    assert learner.sources is learner.rows is None


IMPOSSIBLE = [
    {"item_vectors": "features", "tied": False},
    {"graph_layers": 1, "tied": False},
    {"item_vectors": "run"},
    {"items_from": "somewhere"},
    {"frozen": False},
    {"graph_layers": -1},
    {"id_dropout": 1.5},
]


@pytest.mark.parametrize("options", IMPOSSIBLE, ids=str)
def test_what_cannot_be_is_refused(options):
    with pytest.raises(ConfigError):
        small(**options)


def test_a_catalogue_that_says_nothing_is_refused():
    with pytest.raises(ConfigError, match="have nothing of"):
        small(item_vectors="features").learner(world(checkerboard()), seed=0)


def test_of_too_many_items_none_are_made_for_a_loss_that_looks_some_up(monkeypatch):
    monkeypatch.setattr(learners, "EVERYTHING", 10)
    with pytest.raises(ConfigError, match="refresh"):
        small(item_vectors="features", loss="gbce").learner(colours(4), seed=0)
    small(item_vectors="features").learner(colours(4), seed=0)


@pytest.mark.parametrize("told", ["ids+features", "features"])
def test_between_two_makings_items_are_told_by_what_was_made_last(told):
    """The same vectors, and of what they are made of the ids alone are learnt."""
    learner = small(item_vectors=told, graph_layers=1, id_dropout=0, refresh=2).learner(
        colours(4), seed=0
    )
    network, rows = learner.network, torch.arange(len(learner.events.counts()) + 2)
    with network.items_at_hand(0):
        made = network._looked_up(rows)
    with network.items_at_hand(1):
        again = network._looked_up(rows)
    torch.testing.assert_close(again, made)
    weight = torch.randn(made.shape)
    (again * weight).sum().backward()
    learnt = {name for name, one in network.named_parameters() if one.grad is not None}
    assert learnt == {"items.weight"}
    if told == "features":
        torch.testing.assert_close(network.items.weight.grad, weight[-2:])
    else:
        counts = torch.cat([network.made.mine, torch.ones(2)])
        torch.testing.assert_close(network.items.weight.grad, weight * counts[:, None])
    # Two steps on, what was learnt is heard by the neighbours too.
    with torch.no_grad():
        network.items.weight += 1.0
    with network.items_at_hand(2):
        assert not torch.allclose(network._looked_up(rows), made)


def test_in_a_large_catalogue_a_step_moves_what_it_looks_up(monkeypatch):
    """Unless everything is made anew, and then what they hear has the gradients of a small one."""
    monkeypatch.setattr(networks, "EVERYTHING", 10)
    options = {"item_vectors": "ids+features", "graph_layers": 1, "id_dropout": 0.0, "batch": 2}
    config = small(refresh=2, loss="gbce", negatives=2, **options)
    learner = config.learner(colours(40), seed=0)
    assert learner.network.gathers
    batch, moved = learner.batches(0)[0], []
    for _ in range(2):
        before = learner.network.items.weight.detach().clone()
        learner.step(batch, 1e-3)
        moved.append(int((learner.network.items.weight != before).any(1).sum()))
    met = int((learner.events.counts() > 0).sum())
    assert moved[0] == met
    assert 0 < moved[1] < met
