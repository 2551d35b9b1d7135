import numpy as np
import pytest

from grapevine.data.schema import Schema
from grapevine.errors import DataError
from grapevine.models.markov import Markov
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


def ask(model, *histories):
    return model.score(Batch.of_histories(Jagged.from_lists(histories)))


def test_finds_the_planted_cycle(world):
    num_items = 12
    histories = [[(start + step) % num_items for step in range(4)] for start in range(num_items)]
    model = Markov.Config().fit(world(histories, num_items))
    scores = ask(model, *[[item] for item in range(num_items)])
    np.testing.assert_array_equal(scores.argmax(1), (np.arange(num_items) + 1) % num_items)


def test_worked_by_hand(world):
    # Steps: 0 -> 1 twice, 0 -> 2 once, 1 -> 0 once, and none between users.
    model = Markov.Config(backoff=0.0).fit(world([[0, 1, 0], [0, 1], [], [0, 2], [2]], 3))
    scores = ask(model, [0], [1], [2], [1, 0])
    wanted = [[0, 2 / 3, 1 / 3], [1, 0, 0], [0, 0, 0], [0, 2 / 3, 1 / 3]]
    np.testing.assert_allclose(scores, wanted, rtol=1e-6)


def test_backs_off_to_popularity(world):
    model = Markov.Config(backoff=0.01).fit(world([[0, 1], [0, 1], [2]], 4))
    np.testing.assert_allclose(ask(model, [])[0], [0.004, 0.004, 0.002, 0], rtol=1e-6)
    np.testing.assert_allclose(ask(model, [0])[0], [0.004, 1.004, 0.002, 0], rtol=1e-6)


def test_earlier_events_count_less(world):
    train = world([[0, 2], [1, 3]], 4)
    model = Markov.Config(last=2, decay=0.25, backoff=0.0).fit(train)
    np.testing.assert_allclose(ask(model, [1, 1, 0])[0], [0, 0, 1, 0.25])
    np.testing.assert_allclose(ask(model, [0])[0], [0, 0, 1, 0])


def test_empty_users_at_either_end_part_nothing(world):
    model = Markov.Config(backoff=0.0).fit(world([[], [], [0, 1], [], []], 2))
    np.testing.assert_array_equal(ask(model, [0], [1]), [[0, 1], [0, 0]])


def test_needs_the_order_of_events(world):
    with pytest.raises(DataError, match=r"needs the order.*\nhint: `item-knn`"):
        Markov.Config().fit(world([[0, 1]], 2, schema=Schema(clock="none")))
