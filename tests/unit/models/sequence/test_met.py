"""Items that are drawn for an answer, and who has met them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine.errors import ConfigError
from grapevine.models import MODELS
from grapevine.models.sequence import losses
from grapevine.models.sequence.losses import Asked
from grapevine.models.sequence.met import Met
from grapevine.models.sequence.network import Network
from grapevine.models.sequence.proposal import Proposal
from grapevine.testing.worlds import world

EVENTS = [("a", 1), ("a", 2), ("a", 1), ("b", 3), ("c", 2), ("c", 4), ("c", 5), ("c", 6)]


def config(**changes):
    small = {"width": 8, "heads": 1, "length": 8, "dropout": 0.0, "loss": "bce", "negatives": 3}
    return replace(MODELS["sasrec"].config, **{**small, "unmet": True, **changes})


@pytest.fixture
def drawn(monkeypatch):
    """What each step drew."""
    found, gathered = [], losses._gathered

    def noted(asked, loss, items):
        found.append(items)
        return gathered(asked, loss, items)

    monkeypatch.setattr(losses, "_gathered", noted)
    return found


def test_who_has_met_what_is_told_by_the_event_that_answers():
    data = world(EVENTS)
    met, events = Met.of(data.interactions), data.interactions
    after = np.arange(len(events))
    everything = np.tile(np.arange(events.num_items), (len(after), 1))

    found = met.among(after, everything)

    for place, user in enumerate(events.users):
        theirs = set(events.items[events.users == user].tolist())
        assert set(np.flatnonzero(found[place]).tolist()) == theirs


def test_nothing_is_drawn_that_its_user_has_met(drawn):
    data = world(EVENTS, items=range(1, 20))
    learner = config(batch=4).learner(data, seed=0)

    for epoch in range(20):
        batch = learner.batches(epoch)[0]
        learner.step(batch, 0.01)
        assert not learner.met.among(batch.after, drawn[-1]).any()

    assert len(np.unique(np.concatenate(drawn))) > 12


def test_where_not_all_items_may_be_answers_it_is_still_of_items(monkeypatch):
    options, rows = config(negatives=40), torch.tensor([0, 2, 3, 6, 7])
    asked = Asked(
        torch.zeros(3, 8), torch.tensor([2, 3, 2]), Network(options, 8), options,
        Proposal.of(options, np.ones(5, np.int64)), 7, rows, lambda items: np.isin(items, [3, 6]),
    )  # fmt: skip
    drawn = []
    monkeypatch.setattr(
        losses, "_gathered", lambda asked, loss, items: drawn.append(items) or torch.zeros(())
    )

    losses.bce(asked)

    assert np.unique(drawn[0]).tolist() == [0, 1, 4]  # places among the rows


def test_who_has_met_everything_is_told_something_else_than_the_answer(drawn):
    data = world([("a", 1), ("a", 2), ("a", 1), ("a", 2)])
    learner = config(negatives=50).learner(data, seed=0)
    batch = learner.batches(0)[0]
    learner.step(batch, 0.01)

    assert (drawn[0] == 1 - batch.answers.numpy()[:, None]).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss": "softmax"}, "draws none"),
        ({"asks": "cloze"}, "neither masks"),
        ({"encoder": "gru", "windows": "lanes"}, "nor lanes"),
    ],
)
def test_what_cannot_be_known_is_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        config(**options)
