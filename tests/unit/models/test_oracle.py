"""The best possible answer must be the best, and its chances must be true."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from grapevine import training
from grapevine.data import shop, split
from grapevine.data.folder import open_dataset
from grapevine.data.shop.visits import BUY, CART
from grapevine.errors import DataError
from grapevine.models import MODELS
from grapevine.models.base import Trained
from grapevine.models.oracle import Oracle
from grapevine.models.ranking import Config as Ranking
from grapevine.models.sequence import Config as Sequence
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged, offsets_of


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return open_dataset(shop.make(tmp_path_factory.mktemp("oracle") / "shop", users=1_500))


@pytest.fixture(scope="module")
def parts(data):
    return split.leave_last_out(data)


def ndcg(scores, test, target):
    """Mean NDCG@10 over all items not yet bought, ties by half."""
    scores = np.array(scores, np.float64)
    batch = test.questions(0, len(test))
    for row, bought in enumerate(batch.seen(target)):
        scores[row, bought] = -np.inf
    wanted = scores[np.arange(len(scores)), test.targets.values][:, None]
    rank = 1 + (scores > wanted).sum(1) + ((scores == wanted).sum(1) - 1) / 2
    gain = np.where(rank <= 10, 1 / np.log2(rank + 1), 0)
    return gain.mean()


def looks_at(config):
    """What the events of a model may be; some are of all behaviours by their nature."""
    if isinstance(config, Ranking):
        return ("all",)
    if not hasattr(config, "behaviours"):
        return ("",)
    return ("all",) if getattr(config, "behaviour_input", False) else ("target", "all")


RIVALS = {
    (name, behaviours): replace(row.config, behaviours=behaviours)
    if hasattr(row.config, "behaviours")
    else row.config
    for name, row in MODELS.items()
    if row.model is not Oracle
    for behaviours in looks_at(row.config)
}


@pytest.fixture(scope="module")
def bounds(parts):
    """NDCG@10 of the oracle, and of the one that does not look into carts."""
    train, test = parts
    batch = test.questions(0, len(test))
    return [
        ndcg(Oracle.Config(carts=carts).fit(train).score(batch), test, train.schema.target_row)
        for carts in (True, False)
    ]


@pytest.mark.parametrize(("name", "behaviours"), RIVALS)
def test_no_model_comes_near_the_oracle(parts, bounds, name, behaviours):
    train, test = parts
    config = RIVALS[name, behaviours]
    # A few epochs tell as much of the bound, and the suite must not take an hour.
    if isinstance(config, Ranking):
        config = replace(config, epochs=1, questions=1000, candidates=30, length=10, folds=2)
    elif isinstance(config, Trained):
        config = replace(config, epochs=3)
    if isinstance(config, Sequence):
        config = replace(config, epochs=1, width=16, hidden=16, blocks=1)
    model = training.fit(config, train)
    found = ndcg(model.score(test.questions(0, len(test))), test, train.schema.target_row)
    with_carts, taste = bounds
    # A model of all behaviours looks at the carts, and may do better than taste alone.
    assert with_carts > found
    if behaviours != "all":
        assert with_carts > 2 * found
        assert taste > 1.5 * found


def test_the_oracle_is_the_best(parts, bounds):
    train, test = parts
    with_carts, taste = bounds
    assert with_carts > 0.6
    assert with_carts > 2 * taste
    scores = np.random.default_rng(0).random((len(test), len(train.items)))
    chance = ndcg(scores, test, train.schema.target_row)
    # Ten places of n items, each with its gain: the expected NDCG of a shuffled list.
    expected = (1 / np.log2(np.arange(2, 12))).sum() / (len(train.items) - 6)
    assert abs(chance - expected) < 4 * np.sqrt(expected / len(test))


def random_purchases(data, seed=0):
    """For each user one purchase at random, asked with all that came before it."""
    events = data.interactions
    rng = np.random.default_rng(seed)
    users, targets, histories, asked = [], [], [], []
    for user in range(events.num_users):
        start, stop = events.offsets[user : user + 2]
        places = start + np.flatnonzero(events.behaviours[start:stop] == BUY)
        if len(places):
            place = rng.choice(places)
            users.append(user)
            targets.append(events.items[place])
            asked.append(events.times[place])
            histories.append(np.arange(start, place))
    index = np.concatenate(histories)
    batch = Batch(
        users=np.array(users),
        offsets=offsets_of(np.array([len(part) for part in histories])),
        items=events.items[index],
        behaviours=events.behaviours[index],
        times=events.times[index],
        asked_at=np.array(asked),
    )
    return batch, np.array(targets)


def test_chances_are_true(data):
    """Of what is given a chance of p, a share of p is bought: in ten classes of p."""
    batch, targets = random_purchases(data)
    chance = np.exp(Oracle.Config().fit(data).score(batch).astype(np.float64))
    np.testing.assert_allclose(chance.sum(1), 1, rtol=1e-5)
    bought = np.zeros(chance.shape, bool)
    bought[np.arange(len(targets)), targets] = True
    edges = np.quantile(chance[chance > 1e-4], np.linspace(0, 1, 11))
    for low, high in itertools.pairwise(edges):
        here = (chance >= low) & (chance <= high)
        spread = np.sqrt((chance[here] * (1 - chance[here])).sum()) + 1
        assert abs(bought[here].sum() - chance[here].sum()) < 4 * spread


def test_everything_bought_comes_from_an_open_cart(data):
    batch, targets = random_purchases(data, seed=1)
    scores = Oracle.Config().fit(data).score(batch)
    assert (scores[np.arange(len(targets)), targets] > np.log(1e-6)).all()
    for row, bought in enumerate(batch.seen(BUY)):
        assert np.isneginf(scores[row, bought]).all()


def test_without_carts_the_history_changes_only_what_was_bought(data):
    oracle = Oracle.Config(carts=False).fit(data)
    batch, _ = random_purchases(data)
    purchases = batch.history.where(batch.behaviours == BUY)
    keep = batch.behaviours == BUY
    fewer = Batch(
        users=batch.users,
        offsets=purchases.offsets,
        items=batch.items[keep],
        behaviours=batch.behaviours[keep],
        times=batch.times[keep],
        asked_at=batch.asked_at,
    )
    np.testing.assert_array_equal(oracle.score(batch), oracle.score(fewer))
    # With carts the same, as soon as none are to be seen.
    np.testing.assert_allclose(Oracle.Config().fit(data).score(fewer), oracle.score(fewer))


def test_a_stranger_s_history_says_something(data):
    """The likely shopper is nearer to the true one than the average shopper is."""
    oracle = Oracle.Config(carts=False).fit(data)
    events = data.interactions
    users = np.argsort(-np.diff(events.offsets))[:200]
    asked = np.full(200, events.times.max())
    known = events.batch(users, asked)
    histories = Batch(
        users=np.full(200, -1),
        offsets=known.offsets,
        items=known.items,
        behaviours=np.full(len(known.items), CART - 1, np.uint8),
        times=known.times,
        asked_at=asked,
    )
    nothing = Batch.of_histories(Jagged.from_lists([[]] * 200))
    true, likely, average = (np.exp(oracle.score(b)) for b in (known, histories, nothing))
    assert np.abs(true - likely).sum(1).mean() < 0.75 * np.abs(true - average).sum(1).mean()
    np.testing.assert_allclose(average[0], average[1])


def test_strangers_and_users_may_ask_together(data):
    oracle = Oracle.Config().fit(data)
    events = data.interactions
    batch = events.batch(np.array([3, -1, 8]))
    np.testing.assert_allclose(
        oracle.score(batch)[[0, 2]], oracle.score(events.batch(np.array([3, 8]))), rtol=1e-5
    )


def test_it_comes_back_from_its_state(data):
    oracle = Oracle.Config().fit(data)
    again = Oracle.restore(oracle.config, oracle.state())
    batch = data.interactions.batch(np.arange(20))
    np.testing.assert_array_equal(again.score(batch), oracle.score(batch))


def test_only_a_shop_has_an_oracle(data):
    with pytest.raises(DataError, match="no truth"):
        Oracle.Config().fit(replace(data, path=None))
    renamed = replace(data.schema, behaviours=("click", "keep", "cart", "buy"))
    with pytest.raises(DataError, match="`keep` is not a behaviour"):
        Oracle.Config().fit(replace(data, schema=renamed))
