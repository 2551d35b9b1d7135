import numpy as np
import pytest

from grapevine.errors import ConfigError
from grapevine.models.bpr import BPR, _means
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


def test_means_by_hand():
    items_ID = np.array([[1, 0], [3, 2], [5, 7]], np.float32)
    histories = Jagged.from_lists([[], [0, 1], [2], []])
    np.testing.assert_array_equal(_means(histories, items_ID), [[0, 0], [2, 1], [5, 7], [0, 0]])
    assert _means(Jagged.from_lists([[], []]), items_ID).tolist() == [[0, 0], [0, 0]]


def test_a_known_user_keeps_its_vector_and_a_stranger_comes_close(world, checkerboard):
    train = world(checkerboard, 24)
    model = BPR.Config(factors=8, learning_rate=0.1).fit(train)
    known = model.score(train.interactions.batch(np.arange(24)))
    np.testing.assert_allclose(known, model.users @ model.items.T + model.bias, rtol=1e-5)
    strangers = model.score(Batch.of_histories(train.interactions.histories))
    for user in range(24):
        assert np.corrcoef(known[user], strangers[user])[0, 1] > 0.95


def test_without_a_history_the_bias_alone_ranks(world):
    train = world([[0, 1], [0, 2], [0, 1], [0, 3]], 5)
    model = BPR.Config(factors=4).fit(train)
    scores = model.score(Batch.of_histories(Jagged.from_lists([[]])))
    np.testing.assert_array_equal(scores[0], model.bias)


def test_steps_that_are_too_long_are_refused_with_what_to_do(world, checkerboard):
    config = BPR.Config(factors=4, learning_rate=1e6, regularization=1.0)
    with pytest.raises(ConfigError, match=r"hint: set model.learning_rate below 1000000"):
        config.fit(world(checkerboard, 24))
