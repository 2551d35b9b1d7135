"""The losses of the sequence models: what they draw, and that small and large catalogues agree."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from grapevine import training
from grapevine.models import MODELS
from grapevine.models.sequence import losses
from grapevine.models.sequence import network as networks
from grapevine.models.sequence.losses import LOSSES, Asked
from grapevine.models.sequence.network import Network
from grapevine.models.sequence.proposal import Proposal
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import world

COUNTS = np.array([40, 0, 3, 1, 20, 9, 0, 27])


def config(**changes):
    said = {"width": 8, "hidden": 8, "heads": 1, "length": 12, "dropout": 0.0, "batch": 16}
    return replace(MODELS["sasrec"].config, **{**said, "precision": "float32", **changes})


def lost(options, *, positions=50, seed=0):
    """A loss of random states, and the gradients by states and items."""
    torch.manual_seed(seed)
    network = Network(options, len(COUNTS))
    network.items.weight.data.normal_()
    h = torch.randn(positions, options.width).requires_grad_()
    answers = torch.from_numpy(
        stream(seed, "answers").choice(8, positions, p=COUNTS / COUNTS.sum())
    )
    asked = Asked(h, answers, network, options, Proposal.of(options, COUNTS), 7)
    found = LOSSES[options.loss](asked)
    by_h, by_items = torch.autograd.grad(found, (h, network.items.weight))
    whole = cross_entropy(network.ask(h) @ network.vectors().T, answers)
    return found.detach(), by_h, by_items.to_dense(), whole.detach()


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_over_large_catalogues_are_those_over_small_ones(loss, monkeypatch):
    """Many draws, so that it does not matter which of them were drawn."""
    options = config(loss=loss, negatives=4000)
    small = lost(options)
    monkeypatch.setattr(networks, "EVERYTHING", 3)
    for one, other in zip(small[:3], lost(options)[:3]):
        assert (one - other).norm() < 0.1 * one.norm()


def test_what_few_are_is_a_matter_of_how_many_items_there_are(monkeypatch):
    many = config(loss="bce", negatives=4000)
    for negatives, ratio, gathers in ((1, 7, True), (1, 8, False), (2, 3, True), (2, 4, False)):
        monkeypatch.setattr(losses, "ALL", ratio)
        few = replace(many, negatives=negatives)
        asked = Asked(
            torch.zeros(1, 8), torch.zeros(1).long(), Network(few, len(COUNTS)), few,
            Proposal.of(few, COUNTS), 7,
        )  # fmt: skip
        assert losses._all_is_less(asked) != gathers


@pytest.mark.parametrize("loss", ["bce", "gbce", "bpr"])
def test_few_draws_lose_gathered_what_they_lose_among_all(loss, monkeypatch):
    """As above; whether draws are few is a matter of `ALL`."""
    options = config(loss=loss, negatives=4000)
    among_all = lost(options)
    monkeypatch.setattr(losses, "ALL", 0)
    gathered = lost(options)
    assert not torch.equal(among_all[1], gathered[1])  # the other way was taken
    for one, other in zip(among_all[:3], gathered[:3]):
        assert (one - other).norm() < 0.1 * one.norm()


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("log_q", ["none", "refined"])
def test_a_sampled_softmax_of_all_items_is_the_softmax(log_q, cosine):
    options = config(loss="sampled-softmax", negatives=8, log_q=log_q, cosine=cosine)
    sampled, full = lost(options), lost(replace(options, loss="softmax"))
    if not cosine:
        torch.testing.assert_close(sampled[0], full[3])
    for one, other in zip(sampled[:3], full[:3]):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("drawn", ["popularity", "in-batch", "mixed"])
def test_the_corrections_come_nearer_to_the_softmax(drawn):
    truth = _of_met(np.full(8, True) if drawn == "mixed" else COUNTS > 0)
    errors = {}
    for log_q in ("none", "classic", "refined"):
        options = config(loss="sampled-softmax", drawn=drawn, negatives=400, log_q=log_q)
        errors[log_q] = float((lost(options, positions=400)[2] - truth[2]).norm())
    assert errors["classic"] < 0.7 * errors["none"]
    assert errors["refined"] < 0.7 * errors["none"]


def _of_met(met):
    """The softmax among the items that can be drawn: no others are ever told off."""
    torch.manual_seed(0)
    options = config()
    network = Network(options, len(COUNTS))
    network.items.weight.data.normal_()
    h = torch.randn(400, options.width).requires_grad_()
    answers = torch.from_numpy(stream(0, "answers").choice(8, 400, p=COUNTS / COUNTS.sum()))
    scores = network.ask(h) @ network.vectors().T
    found = cross_entropy(scores.masked_fill(~torch.from_numpy(met), -1e9), answers)
    return found, *torch.autograd.grad(found, (h, network.items.weight))


@pytest.mark.parametrize("drawn", ["uniform", "popularity", "in-batch", "mixed"])
def test_items_are_drawn_as_often_as_is_said(drawn):
    options = config(drawn=drawn, alpha=0.5, negatives=4)
    proposal = Proposal.of(options, COUNTS)
    assert proposal.chances.sum() == pytest.approx(1)
    found, total = np.zeros(len(COUNTS)), 0
    for step in range(3000):
        draw = stream(3, step)
        answers = draw.choice(len(COUNTS), 64, p=COUNTS / COUNTS.sum())
        negatives = proposal.draw(answers, draw)
        assert negatives.total == negatives.times.sum() == 4
        np.add.at(found, negatives.items, negatives.times)
        total += negatives.total
    np.testing.assert_allclose(found / total, proposal.chances, atol=0.02)
    if drawn == "popularity":
        np.testing.assert_allclose(proposal.chances, np.sqrt(COUNTS) / np.sqrt(COUNTS).sum())


def test_no_items_at_all_are_no_proposal_to_fail_on():
    for drawn in ("uniform", "popularity", "in-batch", "mixed"):
        proposal = Proposal.of(config(drawn=drawn), np.zeros(3, np.int64))
        assert np.isfinite(proposal.chances).all()


SAMPLED = {
    "bce": {"negatives": 1},
    "bpr": {"negatives": 4},
    "bpr-max": {"negatives": 6, "drawn": "mixed"},
    "sampled-softmax": {"negatives": 6, "drawn": "popularity"},
}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("loss", SAMPLED)
def test_what_everybody_does_next_is_learnt_with_every_loss(loss, large, monkeypatch):
    if large:
        monkeypatch.setattr(networks, "EVERYTHING", 5)
    events = [(f"u{u}", (u + step) % 10) for u in range(60) for step in range(12 - u % 5)]
    data = world(events)
    options = config(loss=loss, epochs=32, learning_rate=0.01, width=16, batch=8, **SAMPLED[loss])
    model = training.fit(options, data, seed=1)
    rows = data.items.rows(list(range(10)))
    histories = [[int(rows[(start + step) % 10]) for step in range(5)] for start in range(10)]
    best = model.score(Batch.of_histories(Jagged.from_lists(histories))).argmax(1)
    right = best == np.array([rows[(start + 5) % 10] for start in range(10)])
    assert right.sum() >= 8  # by chance it is one


def test_a_large_table_has_gradients_of_the_rows_of_a_step_alone(monkeypatch):
    monkeypatch.setattr(networks, "EVERYTHING", 5)
    data = world([(f"u{u}", i) for u in range(3) for i in range(4)], items=range(100, 160))
    options = config(loss="sampled-softmax", negatives=5, tied=False)
    learner = options.learner(data, seed=0)
    before = learner.network.asked.weight.detach().clone()
    learner.step(learner.batches(0)[0], 0.1)
    moved = (learner.network.asked.weight != before).any(1)
    assert 4 <= int(moved.sum()) <= 9
    assert learner.network.items.weight.grad.is_sparse
    state = learner.state()
    other = options.learner(data, seed=0)
    other.load(state)
    for name, one in other.state().items():
        np.testing.assert_array_equal(one, state[name])
