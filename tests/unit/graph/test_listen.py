import numpy as np
import pytest

from grapevine.graph.listen import TILE, listen_dense, listen_sparse
from grapevine.structs.jagged import Jagged


@pytest.mark.parametrize("num_items", [1, 40, TILE + 3])
def test_both_equal_the_matrix_product(num_items):
    rng = np.random.default_rng(0)
    similarity = rng.normal(size=(num_items, num_items)).astype(np.float32)
    similarity[rng.random(similarity.shape) < 0.5] = 0
    histories = Jagged.from_lists([rng.integers(0, num_items, n) for n in (0, 3, 1, 25)])
    weights = rng.random(len(histories.values)).astype(np.float32)
    matrix, ones = np.zeros((2, 4, num_items))
    lists = np.repeat(np.arange(4), histories.lengths)
    np.add.at(matrix, (lists, histories.values), weights)
    np.add.at(ones, (lists, histories.values), 1)

    near = Jagged.from_lists([np.flatnonzero(row) for row in similarity])
    sparse = listen_sparse(
        histories.offsets, histories.values, weights, near.offsets, near.values,
        similarity[similarity != 0],
    )  # fmt: skip
    np.testing.assert_allclose(sparse, matrix @ similarity, rtol=1e-4, atol=1e-5)
    full = listen_dense(histories.offsets, histories.values, similarity)
    np.testing.assert_allclose(full, ones @ similarity, rtol=1e-4, atol=1e-5)
