"""Biases that start at popularity: they are what each loss would come to, and no place to stay."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine import training
from grapevine.errors import ConfigError
from grapevine.models import MODELS
from grapevine.models.sequence.config import Config
from grapevine.models.sequence.learner import SequenceLearner
from grapevine.models.sequence.losses import LOSSES, Asked
from grapevine.models.sequence.network import Network
from grapevine.models.sequence.prior import UNSEEN, starting_bias
from grapevine.models.sequence.proposal import Proposal
from grapevine.structs.batch import Batch
from grapevine.testing.worlds import world

COUNTS = np.array([40, 0, 3, 1, 20, 9, 0, 27])
SHARES = (COUNTS + UNSEEN) / (COUNTS + UNSEEN).sum()


def test_shares_of_a_softmax_are_those_of_the_events():
    bias = torch.from_numpy(starting_bias(Config(), COUNTS))
    torch.testing.assert_close(bias.softmax(0), torch.from_numpy(SHARES).float())


@pytest.mark.parametrize("loss", ["softmax", "bce", "gbce"])
@pytest.mark.parametrize("negatives", [1, 5])
def test_nothing_is_left_to_learn_where_histories_tell_nothing(loss, negatives):
    """Of events with these shares exactly no gradient is left but that of the draws."""
    config = Config(loss=loss, negatives=negatives, prior=True, width=8, precision="float32")
    answers = torch.arange(len(COUNTS)).repeat_interleave(torch.from_numpy(2 * COUNTS + 1))
    answers = answers.repeat(100)

    def pull(bias):
        network = Network(config, len(COUNTS))
        network.bias.data.copy_(torch.as_tensor(bias))
        nothing = torch.zeros(len(answers), config.width)
        asked = Asked(nothing, answers, network, config, Proposal.of(config, COUNTS), 7)
        return torch.autograd.grad(LOSSES[loss](asked), network.bias)[0].norm()

    assert pull(starting_bias(config, COUNTS)) < 0.03 * pull(np.zeros(len(COUNTS), np.float32))


@pytest.fixture(scope="module")
def walks():
    """Users go round one of ten circles each; some circles are taken more often."""
    rng, events = np.random.default_rng(0), []
    for user in range(120):
        circle, start = min(rng.geometric(0.3) - 1, 9), rng.integers(8)
        events += [
            (f"u{user}", f"{circle}-{(start + step) % 8}", "buy", 1000 * (step + 1))
            for step in range(12)
        ]
    return world(events, behaviours=("buy",))


def small(name, **changes):
    said = {"width": 16, "hidden": 16, "heads": 2, "length": 12, "dropout": 0.0, "batch": 32}
    return replace(MODELS[name].config, **{**said, "precision": "float32", **changes})


@pytest.mark.parametrize("name", ["sasrec", "gsasrec", "bert4rec"])
def test_a_network_that_knows_nothing_answers_with_popularity(name, walks):
    learner = SequenceLearner(small(name, prior=True), walks, seed=0)
    for one, weight in learner.network.named_parameters():
        if one != "bias":
            weight.data.zero_()
    model = learner.model()
    scores = np.asarray(model.score(met(0)))[0]
    counts = walks.target_interactions.counts()
    assert (np.diff(scores[np.argsort(-counts, kind="stable")]) <= 1e-6).all()
    assert scores.std() > 0


def test_an_item_that_nobody_met_has_the_lowest_bias():
    """All biases are below 0, so that none at all would be too much."""
    seen = [(f"u{user}", item, "buy") for user in range(20) for item in ("a", "b", "c")]
    data = world(seen, items=("new",), behaviours=("buy",))
    model = training.fit(small("gsasrec", epochs=1, negatives=2), data, seed=0)
    new = data.items.rows(["new"])[0]
    assert model.bias[new] == model.bias.min() < 0
    assert np.asarray(model.score(met(0)))[0, new] == model.bias[new]


def test_a_run_of_before_there_were_such_biases_is_asked_without(walks):
    model = training.fit(small("gsasrec", prior=False, epochs=1), walks, seed=0)
    older = type(model).restore(replace(model.config, prior=True), model.state())
    np.testing.assert_array_equal(older.score(met(0)), model.score(met(0)))


def met(item):
    """One stranger who met an item."""
    return Batch(
        users=np.array([-1]),
        offsets=np.array([0, 1]),
        items=np.array([item], np.int32),
        behaviours=np.array([0], np.uint8),
        times=np.array([0]),
        asked_at=np.array([1000]),
    )


def test_a_loss_of_yes_and_no_leaves_popularity_sooner(walks):
    """How many of the next places are named first after as few steps, with the bias and without."""
    found = {}
    for prior in (False, True):
        config = small("gsasrec", prior=prior, epochs=24, negatives=16, learning_rate=0.005)
        found[prior] = named_first(training.fit(config, walks, seed=0), walks)
    assert found[True] > found[False] + 0.3


def named_first(model, data):
    """Share of the items after one of which the next on its circle comes before all others."""
    ids = list(data.items.ids)
    places = [(place, int(name[0]), int(name[2])) for place, name in enumerate(ids)]
    scores = np.concatenate([np.asarray(model.score(met(place))) for place, *_ in places])
    named = [ids[row] for row in scores.argmax(1)]
    return np.mean([f"{a}-{(b + 1) % 8}" == one for (_, a, b), one in zip(places, named)])


def test_a_loss_that_bends_what_is_low_cannot_start_there():
    with pytest.raises(ConfigError, match="bpr-max"):
        small("gru4rec", prior=True, loss="bpr-max")


def test_items_that_may_be_new_have_no_share_of_what_was():
    with pytest.raises(ConfigError, match="prior"):
        small("sasrec", prior=True, item_vectors="ids+features")
