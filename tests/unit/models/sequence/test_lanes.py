"""Session-parallel batches: each event once, and the states of one session after the other."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine import training
from grapevine.errors import ConfigError
from grapevine.models import MODELS
from grapevine.models.sequence.lanes import Lanes, along, cleared
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import world


def sessions(count=23):
    lengths = stream(0, "lengths").integers(1, 9, size=count)
    return world([
        (f"u{u}", (3 * u + step) % 11, "event", 1000 * (50 - u) + step)
        for u, length in enumerate(lengths) for step in range(length)
    ])  # fmt: skip


def small(**changes):
    said = {"width": 8, "heads": 1, "hidden": 6, "dropout": 0.0, "batch": 4, "windows": "lanes"}
    return replace(MODELS["gru4rec"].config, **{**said, "precision": "float32", **changes})


@pytest.mark.parametrize("steps", [1, 3, 50])
@pytest.mark.parametrize("blocks", [1, 2])
def test_lanes_hold_what_one_session_after_the_other_would(steps, blocks):
    """Spec 04 section 13, test 7."""
    data = sessions()
    learner = small(lane_steps=steps, blocks=blocks).learner(data, seed=0)
    network, events = learner.network.eval(), data.interactions
    batches, held = learner.batches(0), cleared(learner.network, 4)
    found = {}
    with torch.no_grad():
        for step in range(len(batches)):
            batch = batches[step]
            states = along(network, batch, held).flatten(0, 1)[batch.asking]
            firsts = batch.places.times.flatten()[batch.asking]  # of one event each: its name
            users = batch.places.items.flatten()[batch.asking]
            for state, answer, *name in zip(states, batch.answers, users, firsts):
                key = (*(int(one) for one in name), int(answer))
                found.setdefault(key, []).append(state)
        wanted = {}
        for user in range(events.num_users):
            low, high = events.offsets[user : user + 2]
            if high - low < 2:
                continue
            x = network.items(torch.from_numpy(events.items[low : high - 1].astype(np.int64)))[None]
            for layer in network.layers:
                x = layer.out(layer.chain(x)[0])
            for place, state in enumerate(network.last(x)[0]):
                event = low + place
                key = (
                    int(events.items[event]), int(events.times[event] // 1000),
                    int(events.items[event + 1]),
                )  # fmt: skip
                wanted.setdefault(key, []).append(state)
    assert batches.examples == sum(len(one) for one in wanted.values())
    assert found.keys() == wanted.keys()
    for key, states in wanted.items():
        assert len(found[key]) == len(states)
        for state in states:
            gaps = [float((state - other).abs().max()) for other in found[key]]
            assert min(gaps) < 1e-6


def test_a_lane_is_taken_by_the_session_that_began_next():
    data = sessions()
    lanes = Lanes.of(data.interactions, 4)
    events = data.interactions
    began = events.times[lanes.first]
    by_start = np.lexsort((lanes.lane, lanes.start))
    assert (np.diff(began[by_start]) >= 0).all()
    for lane in range(4):
        own = lanes.lane == lane
        ends = (lanes.start + lanes.steps)[own]
        np.testing.assert_array_equal(lanes.start[own], np.concatenate([[0], ends[:-1]]))


def test_training_that_stops_goes_on_with_the_same_states():
    data = sessions()
    whole, first = small().learner(data, seed=0), small().learner(data, seed=0)
    batches = whole.batches(0)
    for step in range(6):
        whole.step(batches[step], 0.01)
    for step in range(3):
        first.step(batches[step], 0.01)
    state = first.state()
    assert any(one.any() for name, one in state.items() if name.startswith("lanes."))
    second = small().learner(data, seed=0)
    second.load(state)
    for step in range(3, 6):
        second.step(batches[step], 0.01)
    for name, one in whole.state().items():
        np.testing.assert_array_equal(one, second.state()[name], name)


def test_what_everybody_does_next_is_learnt_in_lanes():
    data = world([(f"u{u}", (u + step) % 10) for u in range(60) for step in range(12 - u % 5)])
    options = small(
        width=16, hidden=16, batch=20, lane_steps=4, epochs=20, learning_rate=0.03,
        loss="bpr-max", negatives=8, drawn="mixed",
    )  # fmt: skip
    model = training.fit(options, data, seed=1)
    rows = data.items.rows(list(range(10)))
    histories = [[int(rows[(start + step) % 10]) for step in range(5)] for start in range(10)]
    best = model.score(Batch.of_histories(Jagged.from_lists(histories))).argmax(1)
    np.testing.assert_array_equal(best, [rows[(start + 5) % 10] for start in range(10)])


def test_nothing_but_a_chain_has_lanes():
    with pytest.raises(ConfigError, match="lanes"):
        replace(MODELS["sasrec"].config, windows="lanes")
