import numpy as np
import pytest

from grapevine.errors import ConfigError
from grapevine.models.item_knn import ItemKNN
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


def dense(histories, num_items):
    x_UI = np.zeros((len(histories), num_items))
    for user, history in enumerate(histories):
        x_UI[user, history] = 1
    return x_UI


def keep_best(similarity, k):
    """Only the k best of each row, ties to the lower column."""
    kept = np.zeros_like(similarity)
    for row, values in enumerate(similarity):
        best = np.lexsort((np.arange(len(values)), -values))[:k]
        kept[row, best] = values[best]
    return kept


def cosine(x_UI, shrink=0.0):
    gram = x_UI.T @ x_UI
    length = np.sqrt(np.diag(gram))
    below = np.outer(length, length) + shrink
    return np.divide(gram, below, out=np.zeros_like(gram), where=gram > 0)


def jaccard(x_UI):
    gram = x_UI.T @ x_UI
    size = np.diag(gram)
    either = size[:, None] + size - gram
    return np.divide(gram, either, out=np.zeros_like(gram), where=gram > 0)


@pytest.mark.parametrize("k", [1, 7, 100])
@pytest.mark.parametrize("shrink", [0.0, 3.0])
def test_cosine_equals_the_dense_reference(world, random_histories, k, shrink):
    train = world(random_histories, 30)
    model = ItemKNN.Config(neighbours=k, shrink=shrink).fit(train)
    x_UI = dense(random_histories, 30)
    wanted = x_UI @ keep_best(cosine(x_UI, shrink), k)
    scores = model.score(train.interactions.batch(np.arange(80)))
    np.testing.assert_allclose(scores, wanted, rtol=1e-5, atol=1e-6)


def test_jaccard_equals_the_dense_reference(world, random_histories):
    train = world(random_histories, 30)
    model = ItemKNN.Config(neighbours=9, similarity="jaccard").fit(train)
    x_UI = dense(random_histories, 30)
    scores = model.score(train.interactions.batch(np.arange(80)))
    np.testing.assert_allclose(scores, x_UI @ keep_best(jaccard(x_UI), 9), rtol=1e-5, atol=1e-6)


def test_tfidf_weighs_users_by_the_length_of_their_history(world, random_histories):
    train = world(random_histories, 30)
    model = ItemKNN.Config(neighbours=9, weighting="tfidf").fit(train)
    x_UI = dense(random_histories, 30)
    idf = np.log(30) - np.log1p(x_UI.sum(1))
    similarity = keep_best(cosine(x_UI * idf[:, None]), 9)
    scores = model.score(train.interactions.batch(np.arange(80)))
    np.testing.assert_allclose(scores, x_UI @ similarity, rtol=1e-5, atol=1e-6)


def test_a_worked_figure():
    # Items 0 and 1 share one user of two each: cosine 1 / sqrt(2 * 2), Jaccard 1 / (2 + 2 - 1).
    x_UI = dense([[0, 1], [0], [1]], 2)
    assert cosine(x_UI)[0, 1] == pytest.approx(1 / 2)
    assert jaccard(x_UI)[0, 1] == pytest.approx(1 / 3)


def test_an_item_counts_once_however_often_it_was_taken(world):
    once = ItemKNN.Config().fit(world([[0, 1], [1, 2]], 3))
    often = ItemKNN.Config().fit(world([[0, 1, 0, 0], [1, 2, 2]], 3))
    for name, array in once.state().items():
        np.testing.assert_array_equal(array, often.state()[name])
    short, long = (Batch.of_histories(Jagged.from_lists([h])) for h in ([1, 0], [0, 1, 0]))
    np.testing.assert_array_equal(once.score(short), once.score(long))


def test_one_item_asks_for_its_neighbours_best_first(world):
    train = world([[0, 1], [0, 1], [0, 2], [2, 3]], 4)
    scores = ItemKNN.Config().fit(train).score(Batch.of_histories(Jagged.from_lists([[0]])))
    assert np.argsort(-scores[0]).tolist() == [0, 1, 2, 3]


def test_jaccard_with_weights_is_refused():
    with pytest.raises(ConfigError, match="Jaccard counts users"):
        ItemKNN.Config(similarity="jaccard", weighting="tfidf")
