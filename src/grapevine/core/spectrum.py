"""The largest eigenvalues of an item-item graph that is only known through its edges.

With A the weighted matrix of users and items, the graph of items is `G = A'A`, and its
eigenvectors are the right singular vectors of A. G is never formed: a random block of vectors is
sent through it a few times and what comes out is rotated (Halko, Martinsson, Tropp: Finding
structure with randomness. SIAM Review 53, 2011, algorithms 4.4 and 5.3; arXiv:0909.4061).

I = items, K = eigenvectors
"""

import numpy as np
from jaxtyping import Float32, Float64

from grapevine.core.kernels.spmm import Sparse, multiply
from grapevine.random import stream

SPARE = 32
"""Vectors beyond those asked for; they make the last ones converge sooner."""


def leading(
    matrix: Sparse, rank: int, *, seed: int, rounds: int
) -> tuple[Float32[np.ndarray, " rank"], Float32[np.ndarray, "items rank"]]:
    """The largest eigenvalues of `A'A`, falling, and their vectors, orthonormal.

    Which of two opposite vectors comes back is chance, and so is the rotation among equal
    eigenvalues: use them where neither matters.

    Args:
        matrix: A, users times items.
        rank: how many; as many as the matrix has rows or columns at most.
        seed: names the block to start from.
        rounds: how often the block is sent through the graph before it is rotated.
    """
    least = min(matrix.shape)
    rank = min(rank, least)
    back = matrix.transposed()
    width = min(rank + SPARE, least)
    start = stream(seed, "spectrum").standard_normal((matrix.num_columns, width), np.float32)
    basis_IK = _orthonormal(start)
    for _ in range(rounds):
        basis_IK = _orthonormal(multiply(back, multiply(matrix, basis_IK)))
    image = multiply(matrix, basis_IK)
    values, turn = np.linalg.eigh((image.T @ image).astype(np.float64))
    order = np.argsort(-values, kind="stable")[:rank]
    largest = np.maximum(values[order], 0).astype(np.float32)
    return largest, basis_IK @ turn[:, order].astype(np.float32)


def polynomial(
    matrix: Sparse, coefficients: Float64[np.ndarray, " terms"], x_IK: Float32[np.ndarray, "I K"]
) -> Float32[np.ndarray, "I K"]:
    """`p(A'A) x` for the polynomial with these coefficients, the constant first, by Horner's rule.

    Args:
        matrix: A, users times items.
        coefficients: at least one.
        x_IK: signals on the items, one a column.
    """
    back = matrix.transposed()
    out_IK = np.float32(coefficients[-1]) * x_IK
    for coefficient in coefficients[-2::-1]:
        out_IK = multiply(back, multiply(matrix, out_IK)) + np.float32(coefficient) * x_IK
    return out_IK


def _orthonormal(
    x_IK: Float32[np.ndarray, "items rank"],
) -> Float32[np.ndarray, "items rank"]:
    """A basis of the columns: by Cholesky, or where they nearly depend on each other, by QR."""
    gram = (x_IK.T @ x_IK).astype(np.float64)
    try:
        lower = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        return np.linalg.qr(x_IK)[0]
    pivots = np.diag(lower)
    # Cholesky squares the condition number: half of the digits of float32 must be left.
    if pivots.min(initial=np.inf) < 1e-2 * pivots.max(initial=0.0):
        return np.linalg.qr(x_IK)[0]
    return x_IK @ np.linalg.inv(lower).T.astype(np.float32)
