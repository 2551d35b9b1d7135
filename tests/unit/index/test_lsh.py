import numpy as np
import pytest

from grapevine.errors import ConfigError
from grapevine.index.exact import exact
from grapevine.index.lsh import HashedIndex, Hyperplanes
from grapevine.index.vector_index import comparable


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 3, np.pi / 2, 2.5, np.pi])
@pytest.mark.parametrize("bits", [1, 3])
def test_tokens_collide_as_often_as_the_angle_says(angle, bits):
    bands = 4_000
    planes = Hyperplanes.draw(2, bands=bands, bits=bits)
    pair = np.array([[1, 0], [np.cos(angle), np.sin(angle)]], np.float32)
    one, two = planes.tokens(pair)
    expected = (1 - angle / np.pi) ** bits
    error = np.sqrt(max(expected * (1 - expected), 1e-9) / bands)
    assert abs((one == two).mean() - expected) <= 4 * error


def test_a_token_names_its_band_and_its_sides():
    normals = np.array([[[1, 0], [0, 1]], [[-1, 0], [0, 1]]], np.float32)
    planes = Hyperplanes(normals)
    assert planes.num_tokens == 8
    assert planes.tokens(np.array([[2, 3], [2, -3]], np.float32)).tolist() == [[3, 6], [1, 4]]


def test_length_does_not_matter(clustered):
    planes = Hyperplanes.draw(24, bands=8, bits=6)
    assert (planes.tokens(clustered) == planes.tokens(5 * clustered)).all()


def test_more_bands_are_more_of_the_same_and_recall_only_grows(clustered, queries):
    unit = comparable(clustered, "cosine")
    truth = exact(comparable(queries, "cosine"), unit, 10)
    recalls = []
    for bands in (2, 8, 32):
        index = HashedIndex.build(clustered, bands=bands, bits=8)
        found = index.search(queries, 10, candidates=len(clustered))
        recalls.append(np.mean([np.isin(a, b).mean() for a, b in zip(truth.items, found.items)]))
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.6 < recalls[-1]


def test_scores_are_true_cosines(clustered, queries):
    found = HashedIndex.build(clustered, bands=8, bits=4).search(queries, 3)
    unit = comparable(clustered, "cosine")
    asked = comparable(queries, "cosine")
    assert np.allclose(found.scores, np.einsum("qw,qkw->qk", asked, unit[found.items]), atol=1e-5)


@pytest.mark.parametrize(("bands", "bits"), [(0, 4), (4, 0), (4, 21), (2**20, 15)])
def test_tokens_that_do_not_fit_are_refused(bands, bits):
    with pytest.raises(ConfigError, match="cannot be tokens"):
        Hyperplanes.draw(4, bands=bands, bits=bits)
