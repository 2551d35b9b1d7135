"""Returns-to-go: what they sum, that they are heard, and that what is wished for is obeyed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine import training
from grapevine.errors import ConfigError
from grapevine.models import MODELS
from grapevine.models.sequence.network import Network
from grapevine.models.sequence.reading import read
from grapevine.models.sequence.returns import Returns
from grapevine.random import stream
from grapevine.testing.worlds import world


def small(**changes):
    said = {"width": 16, "hidden": 16, "heads": 2, "length": 12, "dropout": 0.0, "batch": 32}
    config = MODELS["decision-transformer"].config
    return replace(config, **{**said, "precision": "float32", **changes})


def funnel():
    behaviours = ("view", "cart", "buy")
    events = [("u", "a", "view"), ("u", "b", "cart"), ("v", "b", "view"), ("u", "c", "buy")]
    return world(events, behaviours=behaviours)


def test_what_is_still_to_come_by_hand():
    events = funnel().interactions
    to_go = Returns(4).learn(events, "behaviours", 3)
    # u: 0 (view), 0.5 (cart), 1 (buy); v: one view.
    np.testing.assert_allclose(to_go, [1.5, 1.0, 0.0, 0.0])
    rated = replace(events, values=np.array([3, np.nan, 5, 1], np.float32))
    returns = Returns(4)
    np.testing.assert_allclose(returns.learn(rated, "values", 3), [2.0, 2.0, 0.0, 0.0])
    # Where no value is known of an event, its reward is that of the mean.
    np.testing.assert_allclose(returns.wish(events), np.full(4, float(returns.wished)))
    blank = replace(events, values=np.full(4, np.nan, np.float32))
    np.testing.assert_allclose(Returns(4).learn(blank, "values", 3), to_go)


def test_what_was_gained_since_is_part_of_what_was_to_come():
    events = funnel().interactions
    returns = Returns(4)
    returns.learn(events, "behaviours", 3)
    assert float(returns.wished) == pytest.approx(1.45)  # the 90th of 1.5 and 1.0
    wished = returns.wish(events)
    np.testing.assert_allclose(wished[:3], np.array([1.5, 1.0, 0.0]) + 1.45, rtol=1e-6)


def states(network, seen):
    network.eval()
    with torch.no_grad():
        return network(seen)


def test_a_place_hears_its_own_return_and_those_before_and_no_later_event():
    data = world([(f"u{u}", (u + step) % 10) for u in range(20) for step in range(9)])
    learner = small().learner(data, seed=0)
    seen = learner.batches(0)[0].places
    before = states(learner.network, seen)
    items, returns = seen.items.clone(), seen.returns.clone()
    items[:, 5:] = (items[:, 5:] + 1) % 10
    returns[:, 5:] += 1
    after = states(learner.network, replace(seen, items=items, returns=returns))
    torch.testing.assert_close(before[:, :5], after[:, :5])
    told = states(learner.network, replace(seen, returns=returns))
    assert not torch.isclose(before[:, 5], told[:, 5]).all(1).any()


def test_the_last_place_computed_alone_holds_what_it_holds_among_all():
    data = world([(f"u{u}", (u + step) % 10) for u in range(20) for step in range(9 - u % 4)])
    learner = small().learner(data, seed=0)
    seen = learner.batches(0)[0].places
    last = seen.there.sum(1) - 1
    among = states(learner.network, seen)[torch.arange(len(last)), last]
    with torch.no_grad():
        alone = learner.network.at(seen, last)
    torch.testing.assert_close(alone, among, rtol=1e-4, atol=1e-5)


def test_shuffled_returns_are_the_same_numbers_at_other_places():
    data = world([(f"u{u}", (u + step) % 10) for u in range(20) for step in range(9)])
    given = small().learner(data, seed=0).batches(0)[0].places
    shuffled = small(returns="shuffled").learner(data, seed=0).batches(0)[0].places
    assert torch.equal(given.items, shuffled.items)
    assert torch.equal(given.returns.flatten().sort()[0], shuffled.returns.flatten().sort()[0])
    assert (given.returns != shuffled.returns).float().mean() > 0.5


def test_without_returns_it_is_the_plain_model_of_the_next_item():
    data = world([(f"u{u}", (u + step) % 10) for u in range(20) for step in range(9)])
    learner = small(returns="none").learner(data, seed=0)
    plain = replace(MODELS["sasrec"].config, **{
        name: getattr(learner.config, name) for name in ("width", "hidden", "heads", "length",
        "dropout", "batch", "precision", "behaviours")
    }).learner(data, seed=0)  # fmt: skip
    one, other = learner.batches(0)[0], plain.batches(0)[0]
    assert one.places.returns is None
    torch.testing.assert_close(learner.loss(one)["softmax"], plain.loss(other)["softmax"])


def test_what_is_wished_for_is_what_is_recommended():
    """After "start" come "good" and a purchase, or, three times as often, "bad" and none."""
    draw = stream(0, "test")
    events = []
    for user in range(80):
        good = bool(draw.random() < 0.25)
        events.append((f"u{user}", "start", "view"))
        events.append((f"u{user}", "good" if good else "bad", "view"))
        events.append((f"u{user}", "end", "buy" if good else "view"))
    data = world(events, behaviours=("view", "buy"))
    start, good, bad = (int(row) for row in data.items.rows(["start", "good", "bad"]))
    history = data.interactions.where(data.interactions.items == start)
    batch = history.batch(np.arange(1))
    best = {}
    for returns in ("given", "none", "shuffled"):
        options = small(
            returns=returns, rewards="behaviours", epochs=20, learning_rate=0.02, batch=8
        )
        scores = np.asarray(training.fit(options, data, seed=1).score(batch))[0]
        best[returns] = "good" if scores[good] > scores[bad] else "bad"
    assert best == {"given": "good", "none": "bad", "shuffled": "bad"}


def test_what_was_learnt_of_returns_is_kept_with_the_weights():
    data = funnel()
    model = training.fit(small(epochs=1, rewards="behaviours"), data, seed=0)
    network = model.network
    assert isinstance(network, Network)
    assert network.returns is not None
    assert float(network.returns.wished) == pytest.approx(1.45)
    rows, times = np.arange(2), np.zeros(2, np.int64)
    with torch.no_grad():
        before = read(network, data.interactions, rows, times)
        network.returns.wished += 5
        after = read(network, data.interactions, rows, times)
    assert not torch.isclose(before, after).all(1).any()


@pytest.mark.parametrize("more", [{"encoder": "gru"}, {"asks": "cloze"}])
def test_returns_stand_between_the_events_of_a_transformer_alone(more):
    with pytest.raises(ConfigError, match="returns"):
        small(**more)
