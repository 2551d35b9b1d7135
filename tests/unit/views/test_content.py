import numpy as np
import pytest

from grapevine.structs.features import Features
from grapevine.structs.jagged import Jagged
from grapevine.views.content import Content, rarity_of, side_by_side


def catalogue(items: int, seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    words = [rng.integers(0, 40, rng.integers(1, 9)) for _ in range(items)]
    numbers = rng.normal(size=(items, 2)).astype(np.float32)
    return Features(tokens={"title": Jagged.from_lists(words)}, numbers=numbers)


def test_with_all_directions_the_products_are_those_of_tf_idf():
    features = catalogue(30)
    rows = side_by_side(features, rarity_of(features, 40), buckets=40, degree=True).toarray()
    content = Content.fit(features, buckets=40, degree=True, width=64)
    vectors = content.vectors(features)
    np.testing.assert_allclose(vectors @ vectors.T, rows @ rows.T, atol=1e-5)
    # The degree, the last number, is no content.
    assert features.numbers is not None
    features.numbers[:, -1] += 5
    np.testing.assert_array_equal(content.vectors(features), vectors)


@pytest.mark.parametrize("items", [12, 200])
def test_fewer_directions_keep_what_they_can(items):
    features = catalogue(items)
    whole = Content.fit(features, buckets=40, degree=True, width=500).vectors(features)
    content = Content.fit(features, buckets=40, degree=True, width=5)
    short = content.vectors(features)
    assert short.shape == (items, 5)
    values = np.linalg.svd(whole, compute_uv=False)
    np.testing.assert_allclose((short**2).sum(), (values[:5] ** 2).sum(), rtol=1e-4)


def test_it_comes_back_from_its_arrays():
    features = catalogue(20)
    content = Content.fit(features, buckets=40, degree=True, width=4)
    again = Content.from_arrays(content.arrays())
    new = catalogue(5, seed=1)
    np.testing.assert_array_equal(again.vectors(new), content.vectors(new))
    assert again.width == 4
