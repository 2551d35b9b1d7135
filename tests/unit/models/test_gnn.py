import numpy as np
import pytest
import torch

from grapevine import training
from grapevine.errors import ConfigError
from grapevine.graph.levels import levels
from grapevine.models.gnn import Config
from grapevine.models.gnn.config import KINDS
from grapevine.models.gnn.learner import GNNLearner
from grapevine.models.gnn.network import attend_histories, drawn_neighbours, hear_histories
from grapevine.models.popularity import Popularity
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged

SAMPLED = [name for name, kind in KINDS.items() if not kind.symmetric]
EACH = [*((name, 0) for name in KINDS), *((name, 4) for name in SAMPLED)]


def learner_of(layer, train, **options):
    return GNNLearner(Config(layer=layer, width=8, **options), train, seed=1)


def found(model, batch, histories):
    """How many users have their own item before all others that they have not taken."""
    scores = np.array(model.score(batch))
    for user, history in enumerate(histories):
        scores[user, history] = -np.inf
    return (scores.argmax(1) == np.arange(len(histories))).sum()


@pytest.mark.parametrize(("layer", "neighbours"), EACH)
def test_the_planted_blocks_are_found(world, checkerboard, layer, neighbours):
    train = world(checkerboard, 24)
    config = Config(layer=layer, neighbours=neighbours, width=16, epochs=25)
    model = training.fit(config, train)
    batch = train.interactions.batch(np.arange(24))
    strangers = Batch.of_histories(batch.history)
    plain = found(Popularity.Config().fit(train), batch, checkerboard)
    assert found(model, batch, checkerboard) >= max(20, 2 * plain)
    assert found(model, strangers, checkerboard) >= max(18, 2 * plain)


@pytest.mark.parametrize("layer", SAMPLED)
def test_a_batch_with_all_neighbours_sees_what_the_whole_graph_sees(world, random_histories, layer):
    learner = learner_of(layer, world(random_histories, 30))
    lists = learner.neighbours
    table = np.full((len(lists), lists.lengths.max()), -1, np.int32)
    for node, heard in enumerate(lists):
        table[node, : len(heard)] = heard
    asked = np.array([3, 90, 3, 70, 109])
    met = levels(asked, table, 2)
    places = torch.from_numpy(met.places)
    rounds = [(size, drawn_neighbours(learner.config, places, size)) for size in met.sizes[1:]]
    learner.network.eval()
    part = learner.network(torch.from_numpy(met.nodes), rounds)[-1]
    whole = learner.network(None, [(len(learner.whole), learner.whole)] * 2)[-1]
    torch.testing.assert_close(part[met.asked], whole[asked])


ATTENDS = [name for name, kind in KINDS.items() if kind.attends]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layer", ATTENDS)
def test_a_stranger_who_holds_what_a_user_holds_attends_as_that_user(
    world, random_histories, layer, residual
):
    learner = learner_of(layer, world(random_histories, 30), residual=residual)
    with torch.no_grad():
        model = learner.model()
        before = learner.network(None, [(len(learner.whole), learner.whole)] * 2)[-2]
        for user in (0, 7, 31):
            history = learner.taken.take(np.array([user]))
            given = model.weight[0], model.said, before[user].numpy(), history
            heard = attend_histories(learner.config, *given)
            np.testing.assert_allclose(heard[0], model.users[user], atol=1e-5)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("layer", [name for name in KINDS if name not in ATTENDS])
def test_a_stranger_who_holds_what_a_user_holds_becomes_that_user(
    world, random_histories, layer, residual
):
    learner = learner_of(layer, world(random_histories, 30), residual=residual)
    with torch.no_grad():
        model = learner.model()
        before = learner.network(None, [(len(learner.whole), learner.whole)] * 2)[-2]
        for user in (0, 7, 31):
            heard = hear_histories(
                learner.config,
                learner.network.last,
                model.said,
                before[user].numpy(),
                model.degrees,
                learner.taken.take(np.array([user])),
            )
            np.testing.assert_allclose(heard[0], model.users[user], atol=1e-5)


def test_a_stranger_without_a_history_is_asked_for_what_users_hold_on_average(world, checkerboard):
    model = learner_of("mean", world(checkerboard, 24)).model()
    nobody = Batch.of_histories(Jagged.empty(1))
    out = model.weight @ np.concatenate([model.own, np.zeros(8, np.float32)]) + model.bias
    asked = model.products(nobody).queries[0]
    np.testing.assert_allclose(asked, out / np.linalg.norm(out), rtol=1e-5)


@pytest.mark.parametrize("neighbours", [0, 3])
def test_a_batch_is_named_by_its_epoch_and_step(world, random_histories, neighbours):
    learner = learner_of(
        "sage-mean", world(random_histories, 30), neighbours=neighbours, batch=100, negatives=9
    )
    ahead, epoch = learner.batches(1), learner.batches(1)
    assert len(epoch) == -(-len(learner.taken.values) // 100)
    for step in (2, 0):
        one, again = ahead[step], epoch[step]
        for name in ("users", "items", "negatives", "keep"):
            assert torch.equal(getattr(one, name), getattr(again, name))
    others = learner.batches(2)[0]
    assert not torch.equal(others.users[:50], epoch[0].users[:50])


def test_no_negative_was_taken(world, random_histories):
    learner = learner_of("gcn", world(random_histories, 30), negatives=20)
    batch = learner.batches(0)[0]
    users, items = batch.users.numpy(), batch.negatives.numpy() - 80
    taken = [[item in random_histories[user] for item in items] for user in users]
    np.testing.assert_array_equal(batch.keep.numpy(), ~np.array(taken))
    assert all(
        item - 80 in random_histories[user] for user, item in zip(users, batch.items.numpy())
    )


def test_heads_share_the_width_or_it_says_why():
    with pytest.raises(ConfigError, match=r"hint: set model.heads to a divisor of model.width"):
        Config(layer="gat", width=30)


def test_gcn_hears_all_neighbours_or_says_why(world):
    with pytest.raises(ConfigError, match=r"hint: set model.neighbours to 0"):
        Config(layer="gcn", neighbours=5)
