import numpy as np
import pytest

from grapevine.core.kernels.spmm import Sparse
from grapevine.core.spectrum import leading, polynomial
from grapevine.structs.jagged import Jagged


def sparse(dense):
    lists = Jagged.from_lists([np.flatnonzero(row) for row in dense])
    return Sparse(lists, dense.shape[1], dense[dense != 0].astype(np.float32))


def random_matrix(rows, columns, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random((rows, columns)) < 0.4, rng.random((rows, columns)), 0)


@pytest.mark.parametrize(("rows", "columns", "rank"), [(40, 25, 25), (25, 40, 25), (200, 150, 20)])
def test_finds_the_largest_eigenvalues_and_their_subspace(rows, columns, rank):
    dense = random_matrix(rows, columns)
    values, vectors = leading(sparse(dense), rank, seed=0, rounds=12)
    _, s, vt = np.linalg.svd(dense)
    np.testing.assert_allclose(values, s[:rank] ** 2, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(rank), atol=1e-4)
    if rank == min(rows, columns):
        np.testing.assert_allclose(vectors @ vectors.T, vt[:rank].T @ vt[:rank], atol=1e-3)
    # Each vector is an eigenvector: what is left of G v - lambda v is small.
    rest = dense.T @ (dense @ vectors) - vectors * values
    assert np.linalg.norm(rest, axis=0)[:5].max() < 0.02 * values[0]


def test_planted_directions_come_back_whatever_the_seed():
    rng = np.random.default_rng(3)
    u, v = (np.linalg.qr(rng.normal(size=(n, 3)))[0] for n in (90, 120))
    dense = u @ np.diag([9.0, 7.0, 5.0]) @ v.T + 0.01 * rng.normal(size=(90, 120))
    for seed in range(3):
        values, vectors = leading(sparse(dense), 3, seed=seed, rounds=2)
        np.testing.assert_allclose(values, [81, 49, 25], rtol=0.01)
        np.testing.assert_allclose(vectors @ vectors.T, v @ v.T, atol=0.01)


def test_a_matrix_of_little_rank_has_vectors_all_the_same():
    dense = np.outer(np.ones(6), np.arange(1.0, 6.0))
    values, vectors = leading(sparse(dense), 5, seed=1, rounds=3)
    np.testing.assert_allclose(values, [6 * 55, 0, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(5), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1)])
def test_no_edges_and_single_rows(shape):
    for dense in (np.zeros(shape), np.ones(shape)):
        values, vectors = leading(sparse(dense), 3, seed=0, rounds=2)
        np.testing.assert_allclose(values, [dense.sum()], atol=1e-5)
        assert vectors.shape == (shape[1], 1)
        assert np.isfinite(vectors).all()


def test_the_same_seed_gives_the_same_bits():
    matrix = sparse(random_matrix(60, 50))
    first, second = (leading(matrix, 8, seed=4, rounds=3) for _ in range(2))
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("coefficients", [[2.0], [0.0, 1.0], [1.0, -2.0, 0.5, 0.25]])
def test_equals_the_dense_matrix_polynomial(coefficients):
    dense = random_matrix(12, 9) / 3
    x = np.random.default_rng(2).normal(size=(9, 4)).astype(np.float32)
    gram = dense.T @ dense
    powers = [np.linalg.matrix_power(gram, n) for n in range(len(coefficients))]
    wanted = sum(c * power for c, power in zip(coefficients, powers)) @ x
    found = polynomial(sparse(dense), np.array(coefficients), x)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
