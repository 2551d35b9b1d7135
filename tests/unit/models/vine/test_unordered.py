from dataclasses import replace

import numpy as np
import pytest

from grapevine import training
from grapevine.models import MODELS
from grapevine.models.vine.unordered import reordered
from grapevine.testing.worlds import world

BEHAVIOURS = ("view", "buy")


def begun(users=120, seed=0):
    """Everybody looks at six of ten things, and buys one of those that is red, 0 to 4."""
    rng, events = np.random.default_rng(seed), []
    for user in range(users):
        seen = rng.permutation(10)[:6]
        events += [(f"u{user}", int(item), "view", 0) for item in sorted(seen)]
        events += [(f"u{user}", int(item), "buy", 0) for item in sorted(seen[seen < 5])[:2]]
    data = world(events, behaviours=BEHAVIOURS)
    return replace(data, schema=replace(data.schema, clock="none"))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_every_event_stays_with_its_user_and_one_of_the_target_comes_last(share):
    events = begun().interactions
    moved, order = reordered(events, 1, share, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(len(events)))
    np.testing.assert_array_equal(moved.items, events.items[order])
    np.testing.assert_array_equal(moved.behaviours, events.behaviours[order])
    np.testing.assert_array_equal(events.users[order], events.users)
    last = moved.behaviours[moved.offsets[1:] - 1] == 1
    buys = np.bincount(events.users[events.behaviours == 1], minlength=events.num_users)
    if share == 1:
        assert (last == (buys > 0)).all()
    else:
        assert share * 0.8 < last.mean() < share + 0.4
    # The rest is in no order of theirs.
    assert not (np.diff(order) == 1).all()


@pytest.mark.slow
def test_it_learns_what_is_bought_of_what_was_looked_at():
    data = begun()
    said = {"width": 16, "hidden": 16, "length": 12, "dropout": 0.0, "batch": 32, "tower": 16}
    config = replace(
        MODELS["vine"].config, **said, precision="float32", graph_layers=0, epochs=25,
        learning_rate=0.02,
    )  # fmt: skip
    learner = config.learner(data, seed=0)
    batch = learner.batches(0)[0]
    assert len(batch.answers) == len(batch.places.items)
    assert (learner.events.items[batch.after] == batch.answers.numpy()).all()
    model = training.fit(config, data, seed=0)
    asked = data.interactions.of(0).batch(np.arange(40))
    best = model.score(asked).argmax(1)
    for user, item in enumerate(best.tolist()):
        assert item in data.interactions.of(1).histories[user]
