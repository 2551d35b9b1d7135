"""Sequence models: what they may see, that they learn what is there, and what batches hold."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine import training
from grapevine.data.split import leave_last_out
from grapevine.evaluation.rank import measure
from grapevine.models import MODELS
from grapevine.models.sequence import SASRec
from grapevine.models.sequence.batches import EpochBatches
from grapevine.models.sequence.reading import read
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import world

CAUSAL = ("sasrec", "gsasrec", "gru4rec", "hstu", "mlp4rec", "decision-transformer")
EVERY = (*CAUSAL, "bert4rec")


def small(name, **changes):
    said = {"width": 16, "hidden": 16, "heads": 2, "length": 12, "dropout": 0.0, "batch": 16}
    return replace(MODELS[name].config, **{**said, "precision": "float32", **changes})


CLOZE = {"last_masked": 1.0, "decay": "constant", "warm_up": 5.0}


def learnt(name, data, **changes):
    """A model that had enough; of a cloze the last event is masked, which is learnt sooner."""
    more = CLOZE if name == "bert4rec" else {"negatives": 4}
    return training.fit(small(name, learning_rate=0.01, **more, **changes), data, seed=1)


def circling(users=60, length=12, items=10, vary=0):
    """Everybody goes round 0, 1, ... 9, 0 from a start of their own, some not as far as others."""
    return [
        (f"u{u}", (u + step) % items)
        for u in range(users)
        for step in range(length - (u // items) % (vary + 1))
    ]


def asked(model, *histories):
    return np.asarray(model.score(Batch.of_histories(Jagged.from_lists(histories))))


def row_of(data, item):
    return int(data.items.rows([item])[0])


@pytest.mark.parametrize("name", EVERY)
def test_what_everybody_does_next_is_learnt(name):
    data = world(circling(vary=6))
    model = learnt(name, data, epochs=60)
    rows = [row_of(data, item) for item in range(10)]
    for start in range(10):
        history = [rows[(start + step) % 10] for step in range(6)]
        assert asked(model, history)[0].argmax() == rows[(start + 6) % 10]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "hstu", "bert4rec"])
def test_what_depends_on_the_event_before_the_last_is_learnt_too(name):
    """The last item is always the same one; only the one before it tells what comes next."""
    rng = np.random.default_rng(0)
    events = []
    for user in range(150):
        for first in rng.integers(4, size=1 + user % 4):
            events += [(f"u{user}", one) for one in (f"a{first}", "same", f"b{first}")]
    data = world(events)
    model = learnt(name, data, epochs=40)
    same = row_of(data, "same")
    for first in range(4):
        history = [row_of(data, f"a{first}"), same]
        assert asked(model, history)[0].argmax() == row_of(data, f"b{first}")
    # Who knows the last item alone says the same of all four.
    chain = MODELS["markov"].config.fit(data)
    told = {asked(chain, [row_of(data, f"a{a}"), same])[0].argmax() for a in range(4)}
    assert len(told) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("length", "tells"), [(5, True), (3, False)])
def test_what_the_first_event_decides_is_learnt_within_the_window_alone(length, tells):
    """Three events in any order stand between the first and the one that it decides."""
    rng = np.random.default_rng(0)
    events = [
        (f"u{user}", item)
        for user in range(64)
        for item in (f"a{user % 2}", *rng.permutation(["x", "y", "z"]), f"b{user % 2}")
    ]
    data = world(events)
    model = learnt("sasrec", data, epochs=30, length=length, blocks=1)
    between = [row_of(data, item) for item in "xyz"]
    told = [
        int(asked(model, [row_of(data, f"a{first}"), *between])[0].argmax()) for first in range(2)
    ]
    right = [row_of(data, f"b{first}") for first in range(2)]
    assert (told == right) == tells
    assert set(told) <= set(right)


def states(learner, batch):
    learner.network.eval()
    with torch.no_grad():
        return learner.network(batch.places)


@pytest.mark.parametrize("name", EVERY)
def test_only_a_cloze_hears_what_came_later(name):
    learner = small(name).learner(world(circling()), seed=0)
    batch = learner.batches(0)[0]
    before = states(learner, batch)
    items = batch.places.items.clone()
    items[:, 5:] = (items[:, 5:] + 1) % 10
    after = states(learner, replace(batch, places=replace(batch.places, items=items)))
    same = torch.allclose(before[:, :5], after[:, :5])
    assert same == (name in CAUSAL)
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@pytest.mark.parametrize("name", EVERY)
def test_a_history_is_read_alike_alone_and_beside_longer_ones(name):
    data = world(circling())
    learner = small(name).learner(data, seed=0)
    learner.network.eval()
    events = data.interactions
    cut = events.where(np.arange(len(events)) % 12 < 1 + events.users % 12)
    rows = np.arange(20)
    times = np.zeros(20, np.int64)
    with torch.no_grad():
        together = read(learner.network, cut, rows, times)
        alone = torch.cat([read(learner.network, cut, rows[u : u + 1], times[:1]) for u in rows])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", EVERY)
def test_the_last_place_computed_alone_holds_what_it_holds_among_all(name):
    learner = small(name).learner(world(circling(vary=6)), seed=0)
    network = learner.network.eval()
    seen = learner.batches(0)[0].places
    last = seen.there.sum(1) - 1
    with torch.no_grad():
        among = network(seen)[torch.arange(len(last)), last]
        torch.testing.assert_close(network.at(seen, last), among, rtol=1e-4, atol=1e-5)


def test_each_place_is_asked_for_the_event_after_it():
    data = world(circling(users=5))
    batches = EpochBatches(small("sasrec", batch=2), data.interactions, 0, 0)
    assert batches.examples == 5 * 11
    for step in range(len(batches)):
        batch = batches[step]
        seen = batch.places.items.flatten()[batch.asking]
        names = data.items.ids
        follows = [names[row] for row in batch.answers.tolist()]
        assert [(names[row] + 1) % 10 for row in seen.tolist()] == follows


@pytest.mark.parametrize("windows", ["random", "latest"])
def test_of_a_long_history_so_many_events_are_learnt_from(windows):
    data = world(circling(users=8, length=40))
    config = small("sasrec", windows=windows, length=7)
    batches = EpochBatches(config, data.interactions, 0, 3)
    firsts, stops = batches.windows
    assert (stops - firsts == 8).all()
    offsets = data.interactions.offsets
    assert (firsts >= offsets[:-1]).all()
    assert (stops <= offsets[1:]).all()
    assert (stops == offsets[1:]).all() == (windows == "latest")


def test_some_histories_end_early_at_any_event():
    data = world(circling(users=2000, length=6))
    batches = EpochBatches(small("sasrec", ends_early=0.5), data.interactions, 0, 3)
    firsts, stops = batches.windows
    assert (firsts == data.interactions.offsets[:-1]).all()
    share = np.bincount(stops - firsts, minlength=7) / len(firsts)
    # Half of them end anywhere from the second event on, and the rest where they end.
    np.testing.assert_allclose(share, [0, 0, 0.1, 0.1, 0.1, 0.1, 0.6], atol=0.04)


def test_every_history_is_in_an_epoch_once():
    data = world(circling(users=37))
    batches = EpochBatches(small("sasrec", batch=4), data.interactions, 0, 1)
    assert sorted(np.concatenate(batches.batches)) == list(range(37))
    other = EpochBatches(small("sasrec", batch=4), data.interactions, 0, 2)
    assert [one.tolist() for one in batches.batches] != [one.tolist() for one in other.batches]


def test_like_lengths_share_a_step_unless_they_are_left_as_drawn():
    data = world(circling(users=200, vary=9))

    def spread(pool):
        batches = EpochBatches(small("sasrec", batch=10, pool=pool), data.interactions, 0, 1)
        assert sorted(np.concatenate(batches.batches)) == list(range(200))
        firsts, stops = batches.windows
        return np.mean([np.ptp((stops - firsts)[one]) for one in batches.batches])

    # Of ten lengths twenty steps have half each where all are sorted, and nearly all as drawn.
    assert spread(pool=20) < 1
    assert spread(pool=1) > 6


def test_a_cloze_masks_its_share_and_of_some_the_last_alone():
    data = world(circling(users=200))
    config = small("bert4rec", masked=0.25, last_masked=0.3, batch=200)
    batch = EpochBatches(config, data.interactions, 0, 0)[0]
    hidden = batch.places.items == data.interactions.num_items + 1
    counts = hidden.sum(1)
    alone = (counts == 1) & hidden[:, -1]
    assert set(counts.tolist()) == {1, 3}
    assert 0.2 < alone.float().mean() < 0.4
    assert (batch.places.items[~hidden] < data.interactions.num_items).all()


def test_with_all_masked_a_place_knows_nothing_but_where_it_is():
    data = world(circling())
    learner = small("bert4rec", masked=1.0, last_masked=0.0).learner(data, seed=0)
    batch = learner.batches(0)[0]
    found = states(learner, batch)
    torch.testing.assert_close(found, found[:1].expand_as(found), rtol=1e-4, atol=1e-6)
    blind = small("bert4rec", masked=1.0, last_masked=0.0, positions="none").learner(data, seed=0)
    found = states(blind, batch)
    torch.testing.assert_close(found, found[:1, :1].expand_as(found), rtol=1e-4, atol=1e-6)


def test_the_softmax_of_a_step_is_torchs_own():
    learner = small("sasrec").learner(world(circling()), seed=0)
    batch = learner.batches(0)[0]
    learner.network.eval()
    (found,) = learner.loss(batch).values()
    h = learner.network(batch.places).flatten(0, 1)[batch.asking]
    wanted = torch.nn.functional.cross_entropy(h @ learner.network.vectors().T, batch.answers)
    torch.testing.assert_close(found, wanted)


def test_a_published_loss_by_hand_on_three_items():
    """SASRec's: log of the sigmoid for what came next, and against one item that did not."""
    data = world([("u", item) for item in "abc"])
    config = SASRec.Config.paper(width=4, dropout=0.0, attention_dropout=0.0)
    learner = config.learner(data, seed=0)
    learner.network.eval()
    batch = learner.batches(0)[0]
    (found,) = learner.loss(batch).values()
    with torch.no_grad():
        scores = learner.network(batch.places)[0] @ learner.network.vectors().T
    answers = batch.answers
    possible = set()
    for first in {0, 1, 2} - {int(answers[0])}:
        for second in {0, 1, 2} - {int(answers[1])}:
            yes = scores[torch.arange(2), answers].sigmoid().log()
            no = (1 - scores[[0, 1], [first, second]].sigmoid()).log()
            possible.add(round(float(-(yes + no).mean() / 2), 5))
    assert round(float(found.detach()), 5) in possible


def test_later_events_count_and_of_too_many_the_latest():
    data = world(circling())
    model = training.fit(small("sasrec", epochs=1, length=4), data, seed=0)
    long, cut = asked(model, [0, 1, 2, 3, 4, 5, 6]), asked(model, [3, 4, 5, 6])
    np.testing.assert_allclose(long, cut, rtol=1e-5)


def test_times_are_heard_by_hstu_alone():
    data = world(circling())
    for config, hears in ((small("hstu"), True), (small("hstu", times=False), False)):
        model = training.fit(replace(config, epochs=2, learning_rate=0.05), data, seed=0)
        batch = data.interactions.batch(np.arange(5))
        later = replace(batch, asked_at=batch.asked_at + 10**9)
        assert (np.asarray(model.score(batch)) != np.asarray(model.score(later))).any() == hears


def test_a_run_learns_better_than_popularity_where_order_is_all():
    rng = np.random.default_rng(3)
    events = [
        (f"u{user}", (start + step) % 30)
        for user, start in enumerate(rng.integers(30, size=200))
        for step in range(int(rng.integers(5, 12)))
    ]
    parts = leave_last_out(world(events))
    model = training.fit(small("sasrec", epochs=25, learning_rate=0.01), parts.train, seed=0)
    plain = training.fit(MODELS["popularity"].config, parts.train, seed=0)
    assert measure(model, parts.test, "ndcg@10") > 0.9
    assert measure(plain, parts.test, "ndcg@10") < 0.5


def test_the_model_may_be_the_mean_of_its_steps():
    """Weights of step 1, 2, 3 by hand; a state goes on where it was."""
    options = small("sasrec", average=0.5, blocks=1)
    learner = options.learner(world(circling()), seed=0)
    batches = learner.batches(0)
    weight = learner.network.items.weight
    mean = weight.detach().clone()
    for step in range(3):
        learner.step(batches[step], 0.01)
        stays = min(0.5, (2 + step) / (11 + step))
        mean = stays * mean + (1 - stays) * weight.detach()
    torch.testing.assert_close(torch.from_numpy(learner.model().weights["items.weight"]), mean)
    assert not torch.allclose(mean, weight.detach())
    other = options.learner(world(circling()), seed=0)
    other.load(learner.state())
    for one in (learner, other):
        one.step(batches[3], 0.01)
    for name, one in learner.state().items():
        np.testing.assert_array_equal(other.state()[name], one)
