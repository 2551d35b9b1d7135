import numpy as np
import pytest

from grapevine.errors import ConfigError
from grapevine.models import ease
from grapevine.models.ease import EASE


def reference(histories, num_items, regularization):
    x_UI = np.zeros((len(histories), num_items))
    for user, history in enumerate(histories):
        x_UI[user, history] = 1
    inverse = np.linalg.inv(x_UI.T @ x_UI + regularization * np.eye(num_items))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return x_UI, weights


@pytest.mark.parametrize("regularization", [0.5, 10.0, 500.0])
def test_equals_the_dense_inverse(world, random_histories, regularization):
    train = world(random_histories, 30)
    model = EASE.Config(regularization=regularization).fit(train)
    x_UI, weights = reference(random_histories, 30, regularization)
    np.testing.assert_allclose(model.weights, weights, atol=1e-5)
    scores = model.score(train.interactions.batch(np.arange(80)))
    np.testing.assert_allclose(scores, x_UI @ weights, atol=1e-4)


def test_repeats_count_once_in_training_and_when_asked(world):
    once, often = (world(h, 3) for h in ([[0, 1], [1, 2]], [[0, 1, 0, 0], [1, 2, 2]]))
    scores = [
        EASE.Config().fit(data).score(data.interactions.batch(np.arange(2)))
        for data in (once, often)
    ]
    np.testing.assert_array_equal(scores[0], scores[1])


def test_refuses_a_catalogue_that_cannot_fit_with_the_figure():
    ease.check_fits(3_706, 1_000_000_000)
    with pytest.raises(ConfigError, match=r"40,981 items need 7\.4 GB, 1\.0 GB are free\nhint: "):
        ease.check_fits(40_981, 1_000_000_000)


def test_refusal_comes_before_any_work(world, monkeypatch):
    monkeypatch.setattr(ease, "available_bytes", lambda: 100)
    with pytest.raises(ConfigError, match="5 items need"):
        EASE.Config().fit(world([[0, 1], [4]], 5))


def test_free_memory_is_a_sensible_figure():
    assert 2**20 < ease.available_bytes() < 2**50
