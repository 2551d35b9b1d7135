"""What a place is told beside its item: it is learnt from, and nothing is told too early."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine import training
from grapevine.errors import ConfigError
from grapevine.models import MODELS
from grapevine.models.sequence.batches import side_by_side, with_returns
from grapevine.models.sequence.lanes import along, cleared
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import world

CAUSAL = ("sasrec", "gsasrec", "gru4rec", "hstu", "mlp4rec", "decision-transformer")
TOLD = {"behaviours": "all", "behaviour_input": True, "gap_input": True}


def small(name, **changes):
    said = {"width": 16, "hidden": 16, "heads": 2, "length": 12, "dropout": 0.0, "batch": 32}
    return replace(MODELS[name].config, **{**said, "precision": "float32", **changes})


def shopping(users=80, seed=0):
    """What follows a stone is told by what was done with it, and a tree by how long ago it was."""
    rng, events = np.random.default_rng(seed), []
    for user in range(users):
        now = 0
        for bought, late in zip(rng.integers(2, size=4), rng.integers(2, size=4)):
            seen = [
                (f"u{user}", "stone", ("look", "buy")[bought], now + 1000),
                (f"u{user}", f"stone {bought}", "buy", now + 2000),
                (f"u{user}", "tree", "buy", now + 3000 + late * 86_400_000),
                (f"u{user}", f"tree {late}", "buy", now + 4000 + late * 86_400_000),
            ]
            events, now = events + seen, seen[-1][3]
    return world(events, behaviours=("look", "buy"))


def after(model, data, item, behaviour, gone):
    """What is foretold after an item that was met so, so many seconds after another event."""
    rows = data.items.rows(["stone 0", item])
    batch = Batch(
        users=np.array([-1]),
        offsets=np.array([0, 2]),
        items=rows.astype(np.int32),
        behaviours=np.array([1, behaviour], np.uint8),
        times=np.array([0, gone * 1000]),
        asked_at=np.array([gone * 1000]),
    )
    return data.items.ids[int(np.asarray(model.score(batch))[0].argmax())]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "mlp4rec"])
def test_behaviours_and_gaps_decide_what_comes_next(name):
    data = shopping()
    model = training.fit(small(name, epochs=25, learning_rate=0.01, **TOLD), data, seed=0)
    found = [after(model, data, "stone", behaviour, 1) for behaviour in (0, 1)]
    assert found == ["stone 0", "stone 1"]
    found = [after(model, data, "tree", 1, gone) for gone in (1, 86_401)]
    assert found == ["tree 0", "tree 1"]


def states(learner, events):
    """The last state of every event, returns apart."""
    firsts, nothing = events.offsets[:-1], np.zeros(events.num_users, np.int64)
    seen = side_by_side(events, firsts, events.offsets[1:], nothing)
    if learner.network.returns is not None:
        seen = with_returns(seen, firsts, np.zeros(len(events), np.float32))
    learner.network.eval()
    with torch.no_grad():
        return learner.network(seen)


@pytest.mark.parametrize("name", CAUSAL)
def test_no_place_is_told_of_a_later_behaviour_or_time(name):
    data = shopping(6)
    options = {"length": 16, **TOLD, **({"times": False} if name == "hstu" else {})}
    learner = small(name, **options).learner(data, seed=0)
    events, later = data.interactions, np.arange(len(data.interactions)) % 16 >= 9
    changes = {
        "behaviours": np.where(later, 1 - events.behaviours, events.behaviours),
        "times": np.where(later, events.times + 10**9, events.times),
    }
    before = states(learner, events)
    for part, value in changes.items():
        found = states(learner, replace(events, **{part: value}))
        torch.testing.assert_close(found[:, :9], before[:, :9])
        # Of the later times the first alone is of another gap; all that follow hear it.
        assert not torch.isclose(found[:, 9:], before[:, 9:]).all(2).any()


def test_a_gap_is_since_the_event_before_in_the_same_history():
    data = world([("a", 0, "event", 0), ("a", 1, "event", 5_500), ("b", 0, "event", 9_000)])
    events = data.interactions
    seen = side_by_side(events, np.array([0, 2]), np.array([2, 3]), np.zeros(2, np.int64))
    assert seen.gone.tolist() == [[-1, 5], [-1, -1]]
    goes_on = np.array([True])
    seen = side_by_side(events, np.array([1]), np.array([2]), np.zeros(1, np.int64), goes_on)
    assert seen.gone.tolist() == [[5]]


def test_of_a_masked_event_neither_is_told():
    learner = small("bert4rec", masked=0.3, length=16, **TOLD).learner(shopping(20), seed=0)
    seen = learner.batches(0)[0].places
    hidden = seen.items == learner.network.num_items + 1
    assert (seen.behaviours[hidden] == -1).all()
    assert (seen.gone[hidden] == -1).all()
    assert (seen.behaviours[~hidden & seen.there] >= 0).all()


def test_lanes_are_told_what_whole_histories_are():
    data = shopping(5)
    options = {"windows": "lanes", "heads": 1, "batch": 5, **TOLD}
    learner = small("gru4rec", **options).learner(data, seed=0)
    network, held = learner.network.eval(), cleared(learner.network, 5)
    batches, events = learner.batches(0), data.interactions
    with torch.no_grad():
        steps = [along(network, batches[step], held)[:, 0] for step in range(len(batches))]
        seen = side_by_side(
            events, events.offsets[:-1], events.offsets[1:] - 1, np.zeros(5, np.int64)
        )
        torch.testing.assert_close(torch.stack(steps, 1), network(seen), rtol=1e-4, atol=1e-5)


def test_where_no_time_is_a_time_no_gap_is_told():
    data = shopping(5)
    data = replace(data, schema=replace(data.schema, clock="none"))
    learner = small("sasrec", **TOLD).learner(data, seed=0)
    assert learner.network.inputs.gap is None
    assert not learner.model().timed[0]


def test_events_of_one_behaviour_cannot_be_told_apart():
    with pytest.raises(ConfigError, match="behaviour_input"):
        small("sasrec", behaviour_input=True)


def test_only_events_of_the_target_may_be_asked_for():
    """All others are heard all the same, and a window that would ask for none is in no batch."""
    data = shopping(30)
    events, buy = data.interactions, data.schema.target_row
    lone = events.users == 7
    looked = replace(events, behaviours=np.where(lone, 0, events.behaviours).astype(np.uint8))
    data = replace(data, interactions=looked)
    options = {"behaviours": "all", "answers": "target", "batch": 4, "length": 5}
    batches = small("sasrec", **options).learner(data, seed=0).batches(1)
    seen, count, heard = 0, 0, set()
    for step in range(len(batches)):
        batch = batches[step]
        # Of a place that asks, the one after it stands beside it, but of the last of a window.
        following = batch.places.behaviours.roll(-1, 1).flatten()[batch.asking]
        inner = batch.places.back.flatten()[batch.asking] > 0
        assert (following[inner] == buy).all()
        heard |= {*batch.places.behaviours[batch.places.there].tolist()}
        seen, count = seen + len(batch.places.items), count + len(batch.answers)
        names = [data.items.ids[row] for row in batch.answers.tolist()]
        assert len(batch.asking) == len(names) > 0
    assert seen == 29
    assert heard == {0, buy}
    assert count == batches.examples < 29 * 5


@pytest.mark.slow
def test_bought_is_asked_for_though_much_more_is_looked_at():
    """Asked for any event the next look is foretold, asked for the target what is bought."""
    rng, events = np.random.default_rng(0), []
    for user in range(40):
        for kind in rng.integers(3, size=4):
            looks = [(f"u{user}", one, "look") for one in (str(kind), *["window"] * 3)]
            events += [*looks[: rng.integers(2, 5)], (f"u{user}", f"bought {kind}", "buy")]
        events += [(f"u{user}", "window", "look")] * int(rng.integers(3))
    data, found = world(events, behaviours=("look", "buy")), {}
    for answers in ("all", "target"):
        options = {"behaviours": "all", "answers": answers, "epochs": 25, "learning_rate": 0.01}
        model = training.fit(small("sasrec", **options), data, seed=0)
        rows = data.items.rows(["2", "window", "window"])
        asked = Batch.of_histories(Jagged.from_lists([rows]), behaviour=0)
        found[answers] = data.items.ids[int(np.asarray(model.score(asked))[0].argmax())]
    assert found == {"all": "window", "target": "bought 2"}


@pytest.mark.parametrize(
    "options", [{"asks": "cloze"}, {"asks": "last"}, {"behaviours": "target"}], ids=str
)
def test_what_asks_for_one_event_alone_cannot_choose_it(options):
    with pytest.raises(ConfigError, match="answers"):
        small("sasrec", answers="target", **{"behaviours": "all", **options})


def test_answers_are_drawn_as_often_as_they_are_answers():
    """Of a batch target events alone are drawn: what is only looked at never is."""
    events = [("u", f"look {n}", "view") for n in range(3)]
    events += [("u", "bought", "buy"), ("v", "look 0", "view"), ("v", "bought", "buy")]
    data = world(events, behaviours=("view", "buy"))
    options = {"loss": "sampled-softmax", "drawn": "in-batch", "behaviours": "all"}
    (bought,) = data.items.rows(["bought"])
    by_target = small("sasrec", answers="target", **options).learner(data, seed=0).proposal
    assert by_target.chances[bought] == 1
    by_all = small("sasrec", **options).learner(data, seed=0).proposal
    assert by_all.chances[bought] == pytest.approx(2 / 6)
