from dataclasses import replace

import numpy as np
import pytest

from grapevine import training
from grapevine.models.pinsage import Config
from grapevine.models.pinsage.batches import EpochBatches, Ground
from grapevine.models.pinsage.pairs import latest, others, pairs_of
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import world

FUNNEL = world(
    [
        ("u", "a", "click"),
        ("u", "b", "click"),
        ("u", "a", "buy"),
        ("u", "a", "buy"),
        ("u", "c", "buy"),
        ("v", "c", "buy"),
        ("v", "b", "click"),
    ],
    behaviours=("click", "buy"),
)
A, B, C = range(3)


def asked(pairs, events):
    return [
        (events.items[first:stop].tolist(), int(answer))
        for first, stop, answer in zip(pairs.firsts, pairs.stops, pairs.answers)
    ]


def test_a_user_is_asked_for_each_new_answer_after_all_before_it():
    events = FUNNEL.interactions
    pairs = pairs_of(events, Config(pairs="user", answers="target"), target=1)
    # The second time that a is bought is no news, and nothing comes before what v buys first.
    assert asked(pairs, events) == [([A, B], A), ([A, B, A, A], C)]
    assert [pairs.known[key].tolist() for key in pairs.keys.tolist()] == [[A, C], [A, C]]
    everything = pairs_of(events, Config(pairs="user", answers="all"), target=1)
    assert asked(everything, events) == [([A], B), ([A, B, A, A], C), ([C], B)]


def test_an_item_is_asked_for_what_came_right_after_it():
    events = FUNNEL.interactions
    pairs = pairs_of(events, Config(pairs="item", answers="all"), target=1)
    assert asked(pairs, events) == [([A], B), ([B], A), ([A], C), ([C], B)]
    # Known answers of a: b and c, beside a itself.
    assert pairs.known[int(pairs.keys[0])].tolist() == [A, B, C]
    wider = pairs_of(events, Config(pairs="item", answers="all", window=2), target=1)
    assert len(wider) == 6
    bought = pairs_of(events, Config(pairs="item", answers="target"), target=1)
    assert asked(bought, events) == [([B], A), ([A], C)]


def test_the_latest_events_come_first():
    found = latest(np.array([0, 5]), np.array([3, 6]), 2)
    assert found.tolist() == [[2, 1], [5, -1]]


def test_an_epoch_holds_every_pair_once_and_the_next_one_in_another_order(planted):
    config = Config(behaviours="all")
    pairs = pairs_of(planted().interactions, config, target=0)
    first, again, second = (pairs.order(config, 7, epoch) for epoch in (0, 0, 1))
    np.testing.assert_array_equal(np.sort(first), np.arange(len(pairs)))
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
    assert len(pairs.order(replace(config, epoch_pairs=10), 7, 0)) == 10


@pytest.mark.parametrize("size", [10, 50])
def test_quotas_hold_in_every_batch(size):
    events = [
        (f"u{user}", f"i{step}", "buy" if step % 10 == 9 else "click")
        for user in range(20)
        for step in range(20)
    ]
    data = world(events, behaviours=("click", "buy"))
    config = Config(answers="all", quotas=(0.5, 0.5))
    pairs = pairs_of(data.interactions, config, target=1)
    kinds = pairs.kinds[pairs.order(config, 0, 0)]
    for start in range(0, len(kinds) - size, size):
        assert abs(int(kinds[start : start + size].sum()) - size // 2) <= 2


def test_without_an_order_the_history_is_all_the_other_events():
    events = FUNNEL.interactions
    pairs = pairs_of(events, Config(answers="target"), target=1, ordered=False)
    draw = np.random.default_rng(0)
    found = others(pairs.firsts, pairs.stops, pairs.places, 9, draw)
    told = [
        (sorted(events.items[row[row >= 0]].tolist()), int(answer))
        for row, answer in zip(found, pairs.answers)
    ]
    assert told == [([A, A, B, C], A), ([A, A, A, B], C), ([B], C)]
    few = others(pairs.firsts, pairs.stops, pairs.places, 2, draw)
    assert few.shape == (3, 2)
    for row, first, stop, place in zip(few, pairs.firsts, pairs.stops, pairs.places):
        there = row[row >= 0]
        assert len(set(there.tolist())) == min(2, stop - first - 1)
        assert ((there >= first) & (there < stop) & (there != place)).all()


@pytest.mark.parametrize("why", ["no clock", "not wanted"])
def test_without_an_order_places_count_alike_whatever_the_order(planted, small, why):
    data, config = planted(), replace(small, epochs=2, in_order=why == "no clock")
    if why == "no clock":
        data = replace(data, schema=replace(data.schema, clock="none"))
    model = training.fit(config, data, seed=0)
    assert not model.place.any()
    history = [3, 7, 11, 19, 2, 5]
    asked = model.ask(Batch.of_histories(Jagged.from_lists([history, history[::-1]])))
    np.testing.assert_allclose(asked[0], asked[1], atol=1e-6)
    np.testing.assert_allclose(asked[0], model.items[history].mean(0), atol=1e-6)


def test_a_history_without_order_holds_nothing_that_was_done_with_the_answer():
    ground = Ground.of(Config(in_order=False), FUNNEL, seed=0)
    event = EpochBatches(ground, 0)._asked(np.arange(len(ground.pairs)), stream(0, "draw"))
    items = np.where(event >= 0, ground.events.items[event], -1)
    found = [
        (int(answer), {*history.tolist()} - {-1})
        for answer, history in zip(ground.pairs.answers, items, strict=True)
    ]
    # u looked at a and b, and bought a and c; v bought c and looked at b.
    assert found == [(A, {B, C}), (C, {A, B}), (C, {B})]
