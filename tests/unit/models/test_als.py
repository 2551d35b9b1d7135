import numpy as np
import pytest

from grapevine.errors import ConfigError
from grapevine.models.als import ALS
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


def loss(model, batch, histories):
    """Equation 3 of the paper over all pairs, for the best users of these items."""
    config, z = model.config, model.items.astype(np.float64)
    matrix = np.zeros((len(histories), len(z)))
    for user, history in enumerate(histories):
        matrix[user, history] = 1
    # The whitened vectors are those of the factors up to L, and Z'Z = I - lambda (L L')^-1.
    inverse_DD = (np.eye(z.shape[1]) - z.T @ z) / config.regularization
    scores = model.score(batch).astype(np.float64)
    weight = 1 + (config.alpha - 1) * matrix
    users = np.linalg.lstsq(z, scores.T, rcond=None)[0].T
    ridge = np.einsum("ud,de,ue->", users, inverse_DD, users)
    factors = np.trace(z @ np.linalg.inv(inverse_DD) @ z.T)
    return (weight * (matrix - scores) ** 2).sum() + config.regularization * (ridge + factors)


def test_every_sweep_lowers_the_loss(world, random_histories):
    train = world(random_histories, 30)
    batch = train.interactions.batch(np.arange(80))
    losses = [
        loss(
            ALS.Config(factors=6, iterations=n, regularization=1.0, alpha=5.0, steps=8).fit(train),
            batch,
            random_histories,
        )
        for n in (1, 2, 3, 5, 8)
    ]
    assert losses == sorted(losses, reverse=True)


def test_with_full_width_and_little_ridge_it_tells_back_what_happened(world, random_histories):
    train = world(random_histories, 30)
    model = ALS.Config(factors=30, regularization=1e-3, iterations=10).fit(train)
    scores = model.score(train.interactions.batch(np.arange(80)))
    matrix = np.zeros((80, 30))
    for user, history in enumerate(random_histories):
        matrix[user, history] = 1
    np.testing.assert_allclose(scores, matrix, atol=0.1)


def test_events_since_training_count(world, checkerboard):
    model = ALS.Config(factors=2).fit(world(checkerboard, 24))
    even, odd = model.score(Batch.of_histories(Jagged.from_lists([[0, 2], [1, 3]])))
    assert even[::2].min() > even[1::2].max()
    assert odd[1::2].min() > odd[::2].max()


def test_a_regularization_lost_in_rounding_is_refused_with_what_to_do(world):
    train = world([list(range(30))] * 40, 30)
    with pytest.raises(ConfigError, match=r"hint: set model.regularization above 1e-30"):
        ALS.Config(factors=60, regularization=1e-30).fit(train)
