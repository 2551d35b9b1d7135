import numpy as np

from grapevine.models.random import Random
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


def test_hits_as_often_as_chance_allows(world):
    num_users, num_items, k = 4000, 50, 10
    train = world([[0]] * num_users, num_items)
    scores = Random.Config().fit(train).score(train.interactions.batch(np.arange(num_users)))
    held_out = np.arange(num_users) % num_items
    rank = (scores > scores[np.arange(num_users), held_out][:, None]).sum(1)
    # Binomial(4000, 0.2): four standard deviations are 0.0253.
    assert abs((rank < k).mean() - k / num_items) < 0.0253


def test_scores_are_uniform_and_independent_between_users_and_items(world):
    train = world([[0]] * 400, 500)
    scores = Random.Config().fit(train).score(train.interactions.batch(np.arange(400)))
    deciles = np.histogram(scores, bins=10, range=(0, 1))[0]
    # Chi-square with 9 degrees of freedom: 27.9 is the 0.1 % point.
    assert ((deciles - 20_000) ** 2 / 20_000).sum() < 27.9
    for matrix in (scores, scores.T):
        apart = np.corrcoef(matrix)[np.triu_indices(len(matrix), 1)]
        assert abs(apart.mean()) < 0.002
        assert abs(apart).max() < 0.3


def test_strangers_are_told_apart_by_their_histories_and_seeds_differ(world):
    train = world([[0], [1]], 8)
    first, second = (Random.Config().fit(train, seed=seed) for seed in (0, 1))
    batch = Batch.of_histories(Jagged.from_lists([[1, 2], [2, 1], [1, 2]]))
    scores = first.score(batch)
    np.testing.assert_array_equal(scores[0], scores[2])
    assert (scores[0] != scores[1]).all()
    assert (scores != second.score(batch)).all()
