from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine import training
from grapevine.models import MODELS
from grapevine.models.vine.held import Held
from grapevine.models.vine.labels import furthest
from grapevine.random import stream
from grapevine.testing.worlds import world

BEHAVIOURS = ("view", "buy")
EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.sampled_from(BEHAVIOURS)), min_size=1
)


@given(EVENTS, st.integers(0, 3))
def test_what_became_of_a_moment_is_told_and_nothing_else(events, seed):
    log = world([(9, 9, "view"), *events], behaviours=BEHAVIOURS).interactions
    users, known = np.arange(log.num_users), np.arange(log.num_items)
    held = Held.of(log, furthest(log), users, known, stream(seed, "held"), drawn=4)
    able = np.flatnonzero(np.diff(log.offsets) > 1)
    assert held.batch.users.tolist() == able.tolist()
    for row, user in enumerate(able.tolist()):
        here = slice(log.offsets[user], log.offsets[user + 1])
        before = held.batch.offsets[row + 1] - held.batch.offsets[row]
        assert 1 <= before < here.stop - here.start
        later = slice(here.start + before, here.stop)
        best = {}
        for item, kind in zip(log.items[later].tolist(), log.behaviours[later].tolist()):
            best[item] = max(best.get(item, -1), kind)
        met = {
            int(item): int(far) for item, far in zip(held.items[row], held.reached[row]) if far >= 0
        }
        assert met == best
        there = held.weights[row] > 0
        drawn = there & (held.reached[row] < 0)
        assert not set(held.items[row][drawn].tolist()) & set(best)
        # Those that were drawn stand for all that were not met.
        if drawn.any():
            assert held.weights[row].sum() == pytest.approx(log.num_items)


def halves(users=200, seed=0):
    """Everybody looks at three of ten red things and buys the even ones; nobody at grey ones."""
    rng, events = np.random.default_rng(seed), []
    for user in range(users):
        for place, item in enumerate(rng.permutation(10)[:3].tolist()):
            events.append((user, f"red{item}", "view", 20 * place))
            if item % 2 == 0:
                events.append((user, f"red{item}", "buy", 20 * place + 1))
    return world(events, items=[f"grey{n}" for n in range(40)], behaviours=BEHAVIOURS)


@pytest.mark.slow
def test_chances_come_true():
    config = replace(
        MODELS["vine"].config, width=16, hidden=16, length=12, dropout=0.0, batch=32, tower=16,
        precision="float32", graph_layers=0, learning_rate=0.01, epochs=15, chances=1.0,
        item_vectors="ids",
    )  # fmt: skip
    data = halves()
    model = training.fit(config, data, seed=0)
    table = model.calibration
    assert table.counts.sum(1).tolist() == pytest.approx([table.counts.sum(1)[0]] * 2)
    some = table.counts > 0
    noise = 4 * np.sqrt(table.predicted / np.maximum(table.counts, 1)) + 0.05
    assert (np.abs(table.predicted - table.observed) < noise)[some].all()
    names = data.items.ids.to_list()
    red = np.array([place for place, name in enumerate(names) if name.startswith("red")])
    first = data.interactions.where(np.arange(len(data.interactions)) < 1)
    chances = model.chances(first.batch(np.array([0])), red[None])[0]
    left = red != data.interactions.items[0]
    even = np.array([int(names[place][-1]) % 2 == 0 for place in red])
    assert chances[left & even, 1].mean() > 5 * chances[left & ~even, 1].mean()
    assert (chances[:, 1] <= chances[:, 0]).all()
    alone = training.fit(replace(config, honest=0.0, passed=False, epochs=1), data, seed=0)
    np.testing.assert_array_equal(alone.platt, [[1, 0], [1, 0]])


def test_where_order_says_nothing_a_moment_is_one_of_a_drawn_order():
    """A log that lists all views of a user before all buys is asked as one that mixes them."""
    said = {"width": 16, "hidden": 16, "length": 12, "tower": 16, "item_vectors": "ids"}
    data = halves()
    log = data.interactions
    order = np.lexsort((log.behaviours, log.users))
    listed = replace(
        data, schema=replace(data.schema, clock="none"), interactions=replace(
            log, items=log.items[order], behaviours=log.behaviours[order], times=0 * log.times
        ),
    )  # fmt: skip
    config = replace(MODELS["vine"].config, **said, precision="float32", graph_layers=0)
    held = config.learner(listed, seed=0).asked_of
    bought = held.batch.behaviours == 1
    # In the order of the list buys come last, so that nearly none would stand in a history.
    assert 0.2 < bought.mean() < 0.55
