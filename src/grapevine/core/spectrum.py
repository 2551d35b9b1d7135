"""The largest eigenvalues of an item-item graph that is only known through its edges.

With A the weighted matrix of users and items, the graph of items is `G = A'A`, and its
eigenvectors are the right singular vectors of A. G is never formed: a random block of vectors is
sent through it, what comes out is rotated to the best vectors within the block (Halko, Martinsson,
Tropp: Finding structure with randomness. SIAM Review 53, 2011; arXiv:0909.4061), and between
rotations a Chebyshev polynomial of G holds down all that lies below the block (Zhou, Saad,
Tiago, Chelikowsky: Self-consistent-field calculations using Chebyshev-filtered subspace iteration.
Journal of Computational Physics 219, 2006).

I = items, K = eigenvectors
"""

import numpy as np
from jaxtyping import Float32, Float64

from grapevine.core.kernels.spmm import Sparse, multiply
from grapevine.random import stream

SPARE = 32
"""Vectors beyond those asked for; they make the last ones converge sooner."""


DEGREE = 3
"""Of the Chebyshev polynomial. Of a higher one float32 loses the small eigenvalues."""


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
        rounds: how often the block is sharpened after its first rotation.
    """
    least = min(matrix.shape)
    width = min(rank + SPARE, least)
    back = matrix.transposed()
    start = stream(seed, "spectrum").standard_normal((len(matrix.rows), width), np.float32)
    values, basis_IK = _rotated(matrix, _orthonormal(multiply(back, start)))
    for _ in range(rounds if width < least else 1):
        # Small eigenvalues are found last, so that the block still grows: the least is no more
        # than the one it will have.
        sharper_IK = _amplified(matrix, back, basis_IK, float(values[-1]))
        values, basis_IK = _rotated(matrix, _orthonormal(sharper_IK))
    rank = min(rank, least)
    return np.maximum(values[:rank], 0).astype(np.float32), basis_IK[:, :rank]


def _rotated(
    matrix: Sparse, basis_IK: Float32[np.ndarray, "I K"]
) -> tuple[Float64[np.ndarray, " K"], Float32[np.ndarray, "I K"]]:
    """The best eigenvalues and vectors within the span of an orthonormal basis (Rayleigh, Ritz)."""
    image = multiply(matrix, basis_IK)
    values, turn = np.linalg.eigh((image.T @ image).astype(np.float64))
    return values[::-1], basis_IK @ turn[:, ::-1].astype(np.float32)


def _amplified(
    matrix: Sparse, back: Sparse, x_IK: Float32[np.ndarray, "I K"], below: float
) -> Float32[np.ndarray, "I K"]:
    """`T(2 G / below - 1) x`: at most 1 for eigenvalues up to `below`, steeply more above."""
    if below < 1e-6:  # the block holds all that there is
        return x_IK
    scale = np.float32(2 / below)
    last, now = x_IK, scale * multiply(back, multiply(matrix, x_IK)) - x_IK
    for _ in range(DEGREE - 1):
        now, last = 2 * (scale * multiply(back, multiply(matrix, now)) - now) - last, now
    return now


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


def _orthonormal(x_IK: Float32[np.ndarray, "I K"]) -> Float32[np.ndarray, "I K"]:
    """A basis of the columns: by Cholesky, or where they nearly depend on each other, by QR."""
    x_IK = x_IK / np.maximum(np.linalg.norm(x_IK, axis=0), np.float32(1e-30))
    gram = (x_IK.T @ x_IK).astype(np.float64)
    try:
        lower = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        return np.linalg.qr(x_IK)[0]
    # Cholesky squares the condition number: half of the digits of float32 must be left.
    if np.diag(lower).min(initial=1.0) < 1e-2:
        return np.linalg.qr(x_IK)[0]
    return x_IK @ np.linalg.inv(lower).T.astype(np.float32)
