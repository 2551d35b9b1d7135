from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grapevine import training
from grapevine.models import MODELS
from grapevine.models.sequence.reading import seen_by
from grapevine.models.vine.links import KINDS, Links, Lookup
from grapevine.testing.worlds import world

EVENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=40)


def steps_of(log):
    """How often each item came right after each other one."""
    found = np.zeros((log.num_items, log.num_items))
    for items in log.histories:
        for one, other in pairwise(items):
            found[one, other] += one != other
    return found


def dense(links, column):
    out = np.zeros((links.num_items, links.num_items))
    for item in range(links.num_items):
        here = slice(links.offsets[item], links.offsets[item + 1])
        out[item, links.items[here]] = column[here]
    return out


@given(EVENTS)
def test_steps_are_counted(events):
    log = world(events).interactions
    links = Links.after(log, 99)
    steps = steps_of(log)
    np.testing.assert_array_equal(dense(links, links.weights), steps)
    whole = steps.sum(1, keepdims=True)
    np.testing.assert_allclose(dense(links, links.shares), steps / np.maximum(whole, 1), rtol=1e-6)
    few = Links.after(log, 1)
    assert (np.diff(few.offsets) == (steps.sum(1) > 0)).all()
    assert (dense(few, few.weights).max(1) == steps.max(1)).all()


@given(EVENTS)
def test_what_else_their_users_took_is_told_by_cosines(events):
    log = world(events).interactions
    links = Links.beside(log, 99)
    taken = np.zeros((log.num_users, log.num_items))
    taken[log.users, log.items] = 1
    root = np.sqrt(taken.sum(0))
    cosines = taken.T @ taken / np.outer(root, root)
    np.fill_diagonal(cosines, 0)
    np.testing.assert_allclose(dense(links, links.weights), cosines, rtol=1e-6)


def share_of(links, one, other):
    row = dense(links, links.weights)[one]
    return row[other] / row.sum() if row.sum() else 0.0


@given(EVENTS, st.data())
def test_a_step_that_is_asked_for_has_not_been_counted(events, data):
    log = world(events).interactions
    ask, steps = Lookup.of(Links.after(log, 99)), steps_of(log)
    one = data.draw(st.integers(0, log.num_items - 1))
    other = data.draw(st.integers(0, log.num_items - 1))
    for own in (False, True):
        left = steps[one].copy()
        left[other] -= own and left[other] > 0
        share = left[other] / left.sum() if left.sum() else 0
        found = ask(np.array([one]), np.array([other]), np.array([own]))
        np.testing.assert_allclose(found, share, rtol=1e-5)


@given(EVENTS, st.data())
def test_what_somebody_took_and_is_asked_for_has_not_been_counted(events, data):
    """The share is that of a log in which this user has left the item alone."""
    log = world(events).interactions
    user = data.draw(st.integers(0, log.num_users - 1))
    items = np.unique(log.histories[user])
    if len(items) < 2:
        return
    one, other = data.draw(st.permutations(items.tolist()))[:2]
    ask = Lookup.of(Links.beside(log, 99))
    found = ask(np.array([one]), np.array([other]), np.array([True]))
    without = log.where((log.users != user) | (log.items != other))
    wanted = share_of(Links.beside(without, 99), one, other)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)
    as_it_is = ask(np.array([one]), np.array([other]), np.array([False]))
    np.testing.assert_allclose(as_it_is, share_of(ask.links, one, other), rtol=1e-5)


def test_no_links_say_nothing():
    log = world([("u", "a"), ("v", "b")]).interactions
    for links in (Links.after(log, 5), Links.beside(log, 5)):
        found = Lookup.of(links)(np.array([0, 1]), np.array([1, 0]), np.array([True, False]))
        assert found.tolist() == [0, 0]


def pairs(users=150, kinds=60, seed=0, items=()):
    """After each of many things comes its own other half; nothing else follows anything."""
    rng, events = np.random.default_rng(seed), []
    for user in range(users):
        for place, kind in enumerate(rng.permutation(kinds)[:4]):
            at = 10 * place
            events += [(user, f"left{kind}", "view", at), (user, f"right{kind}", "buy", at + 5)]
    return world(events, items=items, behaviours=("view", "buy"))


def small(**changes):
    said = {"width": 16, "hidden": 16, "length": 12, "dropout": 0.0, "batch": 32, "tower": 16}
    said |= {"precision": "float32", "graph_layers": 0, "learning_rate": 0.01, "begun": False}
    return replace(MODELS["vine"].config, **said, **changes)


@pytest.mark.slow
def test_what_few_have_done_is_passed_on():
    data = pairs()
    names = data.items.ids.to_list()
    lefts = [place for place, name in enumerate(names) if name.startswith("left")]
    rights = [names.index("right" + names[place].removeprefix("left")) for place in lefts]
    log = data.interactions
    keep = np.zeros(len(log), bool)
    first = np.array([np.flatnonzero(log.items == item)[0] for item in lefts])
    keep[first] = True
    asked = log.where(keep)
    users = np.flatnonzero(np.diff(asked.offsets) == 1)
    wanted = [rights[lefts.index(int(items[0]))] for items in asked.histories if len(items) == 1]
    hits = {}
    for passed in (False, True):
        model = training.fit(small(passed=passed, epochs=6, honest=0.5), data, seed=0)
        best = model.score(asked.batch(users)).argmax(1)
        hits[passed] = np.mean(best == wanted)
    assert hits[True] > 0.9 > 2 * hits[False]


def test_scores_are_chances_and_a_saved_model_gives_them_again():
    data = pairs(40, 20)
    model = training.fit(small(passed=True, epochs=1), data, seed=0)
    assert model.ways == KINDS
    asked = data.interactions.batch(np.arange(6))
    chances = np.exp(model.score(asked).astype(np.float64))
    # Whoever passes a question on has somebody to pass it to in this log.
    np.testing.assert_allclose(chances.sum(1), 1, rtol=1e-4)
    again = type(model).restore(model.config, model.state())
    np.testing.assert_array_equal(again.score(asked), model.score(asked))
    alone = data.interactions.batch(np.array([3]))
    np.testing.assert_allclose(model.score(alone)[0], model.score(asked)[3], rtol=1e-3, atol=1e-4)


def test_an_item_of_the_history_is_told_by_the_pointer_alone():
    data = pairs(40, 20)
    model = training.fit(replace(small(passed=True, epochs=1), begun=True), data, seed=0)
    asked = data.interactions.batch(np.arange(4))
    chances = np.exp(model.score(asked).astype(np.float64))
    events, asked_at = model.heard(asked)
    seen, lengths = seen_by(model.network, events, np.arange(4), asked_at)
    with torch.no_grad():
        h = model.network.at(seen, lengths - 1)
        pointed = model.network.point(h, seen, torch.arange(4), lengths - 1)
    own = np.zeros((4, len(data.items)))
    items = seen.items.numpy()[pointed.question, pointed.column]
    own[pointed.question, items] = pointed.of_pairs()[:, 0].exp()
    for row, items in enumerate(asked.history):
        np.testing.assert_allclose(chances[row, items], own[row, items], rtol=1e-4)
    # And the others have no more than what is left.
    assert (chances.sum(1) <= 1 + 1e-4).all()
    np.testing.assert_allclose(1 - own.sum(1), pointed.of_others().exp().numpy(), rtol=1e-4)


def test_where_nobody_is_held_back_nothing_is_passed_on():
    data = pairs(3, 10)
    # Seeds by which none of three users is.
    learners = [small(passed=True, honest=0.01).learner(data, seed=seed) for seed in range(3)]
    assert not any(learner.aside.any() for learner in learners)
    assert all(learner.model().ways == () for learner in learners)
    learner = small(passed=True, honest=0.9).learner(data, seed=0)
    assert learner.aside.any()
    assert learner.model().ways == KINDS


def test_where_order_says_nothing_no_steps_are_counted():
    data = pairs(30, 10)
    timeless = replace(data, schema=replace(data.schema, clock="none"))
    model = training.fit(small(passed=True, epochs=1), timeless, seed=0)
    assert model.ways == ("beside",)
    assert np.isfinite(model.score(data.interactions.batch(np.arange(3)))).all()


def test_what_nobody_has_met_comes_last():
    unknown = pairs(30, 10, items=["never"])
    for config in (small(passed=True, epochs=1), replace(small(epochs=1), begun=True)):
        model = training.fit(replace(config, item_vectors="ids"), unknown, seed=0)
        scores = model.score(unknown.interactions.batch(np.array([0, 1])))
        never = unknown.items.ids.to_list().index("never")
        assert (scores.argmin(1) == never).all()
        assert np.isfinite(scores).all()
