from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine import training
from grapevine.core import losses
from grapevine.errors import CheckFailed, ConfigError
from grapevine.models.contrast import ContrastLearner
from grapevine.models.evidence import evidence
from grapevine.models.lightgcn import LightGCN
from grapevine.models.tables import own
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import checkerboard, world

DATA = world(checkerboard(20, 16))


def config(**options):
    return LightGCN.Config(**{"width": 8, "epochs": 30, "rounded": False, **options})


def normalised(data):
    """The symmetrically normalised matrix of users, then items."""
    rows = data.interactions
    users, items = rows.num_users, rows.num_items
    out = np.zeros((users + items, users + items))
    out[rows.users, users + rows.items] = 1
    out += out.T
    degree = np.maximum(out.sum(1), 1)
    return out / np.sqrt(np.outer(degree, degree))


def layer_mean(data, layers):
    matrix = normalised(data)
    powers = [np.linalg.matrix_power(matrix, k) for k in range(layers + 1)]
    return sum(powers) / (layers + 1)


@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize("layers", [0, 1, 3])
def test_vectors_are_the_mean_of_dense_products(layers, cosine):
    learner = config(layers=layers, cosine=cosine).learner(DATA, seed=4)
    model = learner.model()
    table = learner.state()["table"]
    both = np.vstack([model.users, model.items])
    np.testing.assert_allclose(both, layer_mean(DATA, layers) @ table, atol=1e-6)


@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize("loss", ["bpr", "softmax"])
def test_a_step_is_the_one_that_torch_takes(loss, cosine):
    options = config(
        layers=2, loss=loss, cosine=cosine, negatives=6, in_batch=5, log_q=True, regularization=0.1
    )
    learner = options.learner(DATA, seed=1)
    theirs = torch.from_numpy(learner.state()["table"]).double().requires_grad_(True)
    optimiser = torch.optim.Adam([theirs], lr=0.01)
    powers = torch.from_numpy(layer_mean(DATA, 2))
    for epoch in range(3):
        batch = learner.batches(epoch)[0]
        found = learner.step(batch, 0.01)
        users, positives, negatives = map(torch.from_numpy, batch.groups)
        held = powers @ theirs
        if cosine:
            held = torch.nn.functional.normalize(held)
        near = (held[users] * held[positives]).sum(1)
        if loss == "bpr":
            lost = losses.bpr(near, (held[users] * held[negatives]).sum(1)[:, None])
        else:
            counts = torch.bincount(positives, minlength=len(theirs))
            chance = counts[negatives] / len(positives)  # the batch holds all pairs
            lost = losses.sampled_softmax(
                near,
                held[users] @ held[negatives].T,
                positives[:, None] != negatives,
                log_expected_S=(5 * chance + 6 / 16).log().double(),
                temperature=options.temperature,
            )
        assert found == {loss: pytest.approx(lost.item(), rel=1e-4)}
        ridge = sum((theirs[group] ** 2).sum() for group in (users, positives, negatives))
        optimiser.zero_grad()
        (lost + 0.1 * ridge / 2 / len(users)).backward()
        optimiser.step()
        np.testing.assert_allclose(
            learner.state()["table"], theirs.detach().numpy(), rtol=1e-3, atol=2e-5
        )


def test_an_epoch_holds_every_pair_once_and_another_order_each_time():
    learner = LightGCN.Config(batch=7).learner(DATA)
    learner.batch = 7
    epochs = [[learner.batches(e)[s] for s in range(len(learner.batches(e)))] for e in (0, 1)]
    seen = [
        [pair for b in epoch for pair in zip(*(g.tolist() for g in b.groups[:2]), strict=True)]
        for epoch in epochs
    ]
    rows = DATA.interactions
    pairs = zip(rows.users.tolist(), (rows.num_users + rows.items).tolist(), strict=True)
    assert sorted(seen[0]) == sorted(pairs) == sorted(seen[1])
    assert seen[0] != seen[1]
    again = learner.batches(1)[2]
    np.testing.assert_array_equal(np.concatenate(again.groups), np.concatenate(epochs[1][2].groups))


def test_the_rate_goes_down_unless_it_is_to_stay():
    down, level = (config(epochs=4, decay=d).learner(DATA) for d in ("cosine", "constant"))
    rates = [down.rate(epoch, step, 2) for epoch in range(4) for step in range(2)]
    assert rates[0] == down.learning_rate
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * rates[0]
    assert {level.rate(epoch, 0, 2) for epoch in range(4)} == {level.learning_rate}


def test_going_on_from_a_state_is_going_on():
    straight, stopped = (config(rounded=True).learner(DATA, seed=2) for _ in range(2))
    for epoch in range(4):
        straight.step(straight.batches(epoch)[0], 0.01)
    for epoch in range(2):
        stopped.step(stopped.batches(epoch)[0], 0.01)
    other = config(rounded=True).learner(DATA, seed=2)
    other.load(stopped.state())
    for epoch in (2, 3):
        other.step(other.batches(epoch)[0], 0.01)
    for name, value in straight.state().items():
        np.testing.assert_array_equal(other.state()[name], value, name)


@pytest.mark.parametrize(
    "options", [{}, {"loss": "bpr", "cosine": False}, {"layers": 0, "epochs": 60}]
)
def test_it_tells_the_two_tastes_apart(options):
    model = training.fit(config(**options), DATA)
    rows = DATA.interactions
    known = model.score(rows.batch(np.arange(rows.num_users)))
    numbers = np.array([int(item) for item in DATA.items.ids])
    # A stranger with two even items wants the other even ones, and one with an item alone too.
    even = [int(np.flatnonzero(numbers == n)[0]) for n in (0, 4)]
    asked = model.score(Batch.of_histories(Jagged.from_lists([even, even[:1], []])))
    users = np.array([int(user) for user in DATA.users.ids])
    alike = users[:, None] % 2 == numbers % 2
    assert known[alike].mean() > known[~alike].mean() + 0.5 * known.std()
    for row in asked[:2]:
        assert row[numbers % 2 == 0].min() > row[numbers % 2 == 1].max()
    assert (asked[2] == asked[2, 0]).all()


def test_a_stranger_takes_one_convolution_from_its_items():
    model = training.fit(config(epochs=2, cosine=False, popularity=0), DATA)
    asked = model.products(Batch.of_histories(Jagged.from_lists([[3, 5, 3]]))).queries[0]
    degrees = DATA.interactions.counts()
    wanted = sum(model.items[i] / np.sqrt(2 * degrees[i]) for i in (3, 5))
    np.testing.assert_allclose(asked, wanted, rtol=1e-5)


def test_a_score_is_what_the_softmax_compares_and_what_it_took_out():
    rows = DATA.interactions
    users, counts = np.arange(rows.num_users), rows.counts()
    model = training.fit(config(epochs=2, temperature=0.2, popularity=0.5), DATA)
    lengths = (np.linalg.norm(x, axis=1) for x in (model.users, model.items))
    cosines = model.users @ model.items.T / np.outer(*lengths)
    scores = model.score(rows.batch(users))
    np.testing.assert_allclose(scores, cosines / 0.2 + 0.5 * np.log(1 + counts), rtol=1e-4)
    # A softmax that corrects itself, and another loss, took nothing out.
    for options in ({"log_q": True}, {"loss": "bpr"}, {"in_batch": 0, "negatives": 4}):
        left = replace(model, config=replace(model.config, **options))
        np.testing.assert_allclose(left.score(rows.batch(users)), cosines / 0.2, rtol=1e-4)


def test_the_paper_is_one_option_away():
    paper = LightGCN.Config.paper(width=8, epochs=2)
    assert (paper.loss, paper.cosine, paper.width, paper.put_back) == ("bpr", False, 8, 0.0)
    training.fit(paper, DATA)


def test_someone_of_whom_nothing_is_known_gets_what_is_popular_and_no_reason():
    data = world([*checkerboard(20, 16), *((user, 0) for user in range(20))])
    model = training.fit(config(epochs=2), data)
    score = model.score(Batch.of_histories(Jagged.from_lists([[]])))
    np.testing.assert_allclose(score[0], np.log1p(model.degrees), rtol=1e-6)
    # Taking the only thing of a history away leaves what is popular to all.
    one = Batch.of_histories(Jagged.from_lists([[3]]))
    away = model.score(one)[0] - score[0]
    for item, parts in enumerate(evidence(model, one, range(16), 3)):
        assert bool(parts) == (away[item] > 0)


def test_where_a_negative_is_the_positive():
    found = own(np.array([3, 7, 3]), np.array([1, 3, 3, 9, 7]))
    assert found.tolist() == [1, 2, 9, 11, 12]
    assert own(np.array([3]), np.array([1])).tolist() == []


def test_what_is_not_finite_stops_with_nothing_updated():
    learner = config().learner(DATA)
    assert isinstance(learner, ContrastLearner)
    learner.convolution.table[3] = np.nan
    learner.load(learner.state())
    before = learner.state()
    with pytest.raises(CheckFailed, match="step 1: the loss or its gradient is not finite"):
        learner.step(learner.batches(0)[0], 0.01)
    for name, value in learner.state().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_softmax_needs_negatives():
    with pytest.raises(ConfigError, match="without negatives learns nothing"):
        LightGCN.Config(negatives=0, in_batch=0)
