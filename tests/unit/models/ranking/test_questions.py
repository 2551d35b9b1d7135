from dataclasses import replace

import numpy as np
import pytest

from grapevine.models.item_knn import ItemKNN
from grapevine.models.ranking.batches import Epoch, Material
from grapevine.models.ranking.config import Config
from grapevine.models.ranking.facts import Facts
from grapevine.models.ranking.questions import (
    Questions,
    Retrievers,
    Taken,
    fitted,
    pool_of,
    questions_of,
)
from grapevine.random import stream
from grapevine.testing.learners import Tiny
from grapevine.testing.worlds import world

CONFIG = Config(folds=3, negatives=2, popular=1, candidates=6, batch=8)


def shop(seed=0, users=20, items=12):
    """Views and purchases without a pattern."""
    draw, events = stream(seed, "shop"), []
    for user in range(users):
        for item in draw.permutation(items)[: draw.integers(2, 7)]:
            events.append((user, int(item), "view"))
            if draw.random() < 0.6:
                events.append((user, int(item), "buy"))
    return world(events, items=range(items), behaviours=("view", "buy"))


def facts_of(data):
    return Facts.of(data, data.interactions.counts() > 0)


def test_a_history_ends_before_what_is_asked_about():
    data = shop()
    asked = questions_of(data, CONFIG, 0)
    assert sorted(asked.rows) == list(range(len(data.interactions)))
    batch, events = asked.batch(), data.interactions
    for place, row in enumerate(asked.rows):
        first = events.offsets[asked.users[place]]
        here = slice(batch.offsets[place], batch.offsets[place + 1])
        assert batch.items[here].tolist() == events.items[first:row].tolist()
        assert batch.times[here].tolist() == events.times[first:row].tolist()
        assert batch.asked_at[place] == events.times[row]
        assert asked.answers[place] == events.items[row]


def test_where_the_order_says_nothing_all_other_events_are_the_history():
    data = shop()
    data = replace(data, schema=replace(data.schema, clock="none"))
    asked = questions_of(data, CONFIG, 0)
    batch, events = asked.batch(), data.interactions
    for place, row in enumerate(asked.rows):
        user = asked.users[place]
        every = np.arange(events.offsets[user], events.offsets[user + 1])
        here = slice(batch.offsets[place], batch.offsets[place + 1])
        assert batch.items[here].tolist() == events.items[every[every != row]].tolist()


def test_of_other_behaviours_there_are_no_more_questions_than_of_the_target(monkeypatch):
    monkeypatch.setattr("grapevine.models.ranking.questions.FEW", 1)
    data = shop()
    bought = len(data.target_interactions)
    kinds = questions_of(data, CONFIG, 0).behaviours
    assert (kinds == 1).sum() == (kinds == 0).sum() == bought < len(data.interactions) / 2
    few = questions_of(data, replace(CONFIG, questions=3), 0).behaviours
    assert (few == 1).sum() == (few == 0).sum() == 3
    assert (questions_of(data, replace(CONFIG, weights=(0.0, 1.0)), 0).behaviours == 1).all()


def test_what_is_retrieved_for_a_user_of_training_is_no_echo_of_its_events():
    data = shop()
    config = replace(CONFIG, candidates=12)
    asked = questions_of(data, config, 0)
    user = int(asked.users[-1])
    order = facts_of(data).order
    mine = asked.take(np.flatnonzero(asked.users == user))
    found = Retrievers(config, data, 0).lists(mine, order)
    # The same user with other events: with the same histories it is brought the same.
    events = data.interactions
    changed = events.items.copy()
    changed[events.users == user] = (changed[events.users == user] + 1) % events.num_items
    other = replace(data, interactions=replace(events, items=changed))
    again = Retrievers(config, other, 0).lists(mine, order)
    np.testing.assert_array_equal(found.items, again.items)
    np.testing.assert_array_equal(found.scores, again.scores)
    # A retriever of all events echoes them.
    echo = [fitted(ItemKNN.Config(behaviours="all"), one, 0).score(mine.batch())
            for one in (data, other)]  # fmt: skip
    assert (echo[0] != echo[1]).any()


@pytest.mark.parametrize("clock", ["exact", "none"])
def test_a_negative_is_nothing_that_the_user_went_on_to_take(clock):
    data = shop()
    data = replace(data, schema=replace(data.schema, clock=clock))
    events, asked = data.interactions, questions_of(data, CONFIG, 0)
    pool = pool_of(asked, Retrievers(CONFIG, data, 0), facts_of(data), CONFIG, 0)
    assert pool.items[:, 0].tolist() == asked.answers.tolist()
    users, drawn = asked.users, 0
    for place, row in enumerate(asked.rows):
        later = np.arange(row if clock == "exact" else len(events), len(events))
        later = later[events.users[later] == users[place]]
        later = later[events.behaviours[later] >= asked.behaviours[place]]
        taken = {*events.items[later].tolist(), int(asked.answers[place])}
        others = [item for item in pool.items[place, 1:].tolist() if item >= 0]
        assert not taken & {*others}
        drawn += len(others)
    assert drawn > 4 * len(asked)
    # What stands in the list is told with its place, and nothing else is.
    lists = Retrievers(CONFIG, data, 0).lists(asked, facts_of(data).order)
    there = pool.items >= 0
    np.testing.assert_array_equal(
        lists.places(pool.items.astype(np.int64))[there], pool.places[there]
    )
    assert not pool.scores[pool.places < 0].any()


def test_what_was_taken_later_is_by_the_behaviour_or_one_after_it():
    data = world([("u", "a", "view"), ("u", "b", "view"), ("u", "b", "buy"), ("u", "a", "view")],
                 behaviours=("view", "buy"))  # fmt: skip
    asked = Questions(data.interactions, np.array([0, 1, 2, 3]), True)
    rows = np.tile(data.items.rows(["a", "b"]), (4, 1))
    later = Taken.of(asked, 1).later(asked, rows)
    assert later.tolist() == [[True, True], [True, True], [False, True], [True, False]]


def test_each_question_of_an_epoch_comes_once_with_negatives_of_its_pool():
    data = shop()
    facts, asked = facts_of(data), questions_of(data, CONFIG, 0)
    pool = pool_of(asked, Retrievers(CONFIG, data, 0), facts, CONFIG, 0)
    epoch = Epoch(Material.of(asked, pool, facts), CONFIG, seed=0, epoch=1)
    steps = [epoch[step] for step in range(len(epoch))]
    answers = np.concatenate([step.seen.items[:, 0].numpy() for step in steps])
    assert sorted(answers) == sorted(asked.answers)
    assert epoch.examples == len(asked)
    assert sum(len(step.behaviours) for step in steps) == len(asked)
    for step in steps:
        assert step.keep.shape[1] == step.seen.items.shape[1] - 1 == 3
        users, items = step.seen.users.numpy(), step.seen.items.numpy()
        able = {(u, i) for u, of in zip(asked.users, pool.items) for i in of.tolist()}
        kept = np.argwhere(step.keep.numpy())
        assert {(users[row], items[row, 1 + place]) for row, place in kept} <= able
    # Another epoch has another order and other draws.
    other = Epoch(Material.of(asked, pool, facts), CONFIG, seed=0, epoch=2)[0]
    assert other.seen.items.tolist() != steps[0].seen.items.tolist()


def test_an_answer_is_not_given_away_by_its_own_event():
    # Nobody but ann ever took tea: it counts as taken by nobody, and as not there yet.
    data = world([("ann", "jam"), ("ann", "tea"), ("ben", "jam"), ("ben", "nut")])
    facts, asked = facts_of(data), questions_of(data, CONFIG, 0)
    pool = pool_of(asked, Retrievers(CONFIG, data, 0), facts, CONFIG, 0)
    step = Epoch(Material.of(asked, pool, facts), CONFIG, seed=0, epoch=0)[0]
    tea = int(data.items.rows(["tea"])[0])
    mine = np.flatnonzero(step.seen.items[:, 0].numpy() == tea)
    assert len(mine) == 1
    assert not step.seen.numbers[mine[0], 0, -4:].any()
    assert not step.seen.done[mine[0], 0]


def test_a_retriever_that_is_trained_is_trained_to_its_end():
    data, options = shop(), Tiny.Config(epochs=2)
    learner = options.learner(data, seed=3)
    for epoch in range(2):
        batches = learner.batches(epoch)
        for step in range(len(batches)):
            learner.step(batches[step], learner.rate(epoch, step, len(batches)))
    batch = data.interactions.batch(np.arange(4))
    found = fitted(options, data, 3).score(batch)
    np.testing.assert_array_equal(found, learner.model().score(batch))
