"""One half of alternating least squares, for all rows at once.

Each row x (a user) solves `(Y'Y + lambda I + (c - 1) Y_S'Y_S) x = c Y_S'1`, where Y_S are the
factors of the items it took, c their confidence, and 1 that of all others (Hu, Koren, Volinsky,
ICDM 2008, equation 4). With `Y'Y + lambda I = L L'`, `Z = Y L^-T` and `w = L'x` this is

    (I + (c - 1) Z_S'Z_S) w = c Z_S'1,    x . y = w . z

Since `Z_S'Z_S <= Z'Z < I`, the condition number is at most c: conjugate gradients (Takacs,
Pilaszy, Tikk, RecSys 2011) need few steps, and a step costs only the items that the row took,
not the square of the width.
"""

# N = rows that are solved, M = rows that are given, D = width of the factors

import numpy as np
from jaxtyping import Float32, Float64
from numba import njit, prange
from scipy.linalg import solve_triangular

from grapevine.graph.cooccurrence import BLOCKS
from grapevine.structs.jagged import Jagged

TOLERANCE = np.float32(1e-6)
"""A residual this small beside the first one is rounding."""


def whiten(
    y_MD: Float32[np.ndarray, "M D"], regularization: float
) -> tuple[Float32[np.ndarray, "M D"], Float64[np.ndarray, "D D"]]:
    """`Z = Y L^-T` and L, where `L L' = Y'Y + regularization I`.

    Raises:
        numpy.linalg.LinAlgError: the sum is not positive definite in floating point.
    """
    gram_DD = _grams(y_MD).sum(axis=0, dtype=np.float64)
    gram_DD[np.diag_indices_from(gram_DD)] += regularization
    lower_DD = np.linalg.cholesky(gram_DD)
    return _times(y_MD, _inverse(lower_DD).T), lower_DD


def _inverse(lower_DD: Float64[np.ndarray, "D D"]) -> Float64[np.ndarray, "D D"]:
    return solve_triangular(lower_DD, np.eye(len(lower_DD)), lower=True)


def _times(
    x_ND: Float32[np.ndarray, "N D"], m_DD: Float64[np.ndarray, "D D"]
) -> Float32[np.ndarray, "N D"]:
    return _product(x_ND, np.ascontiguousarray(m_DD, np.float32))


@njit(parallel=True, nogil=True, cache=True)
def _product(x_ND: np.ndarray, m_DD: np.ndarray) -> np.ndarray:
    """`x m`, block by block; for a BLAS that was told to use one thread."""
    out = np.empty_like(x_ND)
    size = (len(x_ND) + BLOCKS - 1) // BLOCKS
    for block in prange(BLOCKS):
        start = min(block * size, len(x_ND))
        stop = min(start + size, len(x_ND))
        out[start:stop] = np.dot(x_ND[start:stop], m_DD)
    return out


@njit(parallel=True, nogil=True, cache=True)
def _grams(y_MD: np.ndarray) -> np.ndarray:
    """`y'y` of each block of rows."""
    width = y_MD.shape[1]
    parts = np.empty((BLOCKS, width, width), np.float32)
    size = (len(y_MD) + BLOCKS - 1) // BLOCKS
    for block in prange(BLOCKS):
        part = y_MD[min(block * size, len(y_MD)) : min((block + 1) * size, len(y_MD))]
        parts[block] = np.dot(part.T, part)
    return parts


def half_sweep(
    taken: Jagged,
    x_ND: Float32[np.ndarray, "N D"],
    y_MD: Float32[np.ndarray, "M D"],
    *,
    confidence: float,
    regularization: float,
    steps: int,
) -> Float32[np.ndarray, "N D"]:
    """Better factors for every row, from where they stand: `steps` of conjugate gradients each.

    Args:
        taken: distinct rows of `y_MD` that each row of `x_ND` took.
        x_ND: factors to start from.
        y_MD: factors of the other side, held fixed.
        confidence: c of a pair that happened, where one that did not has 1.
        regularization: lambda.
        steps: how many steps; 3 are enough where the start is the last sweep's result.
    """
    z_MD, lower_DD = whiten(y_MD, regularization)
    w_ND = _times(x_ND, lower_DD)
    solve_rows(taken.offsets, taken.values, z_MD, np.float32(confidence), w_ND, steps)
    # x = L^-T w, for each row.
    return _times(w_ND, _inverse(lower_DD))


def fold_in(
    taken: Jagged, z_MD: Float32[np.ndarray, "M D"], *, confidence: float
) -> Float32[np.ndarray, "N D"]:
    """The exact w of rows never seen before, to the rounding of float32."""
    w_ND = np.zeros((len(taken), z_MD.shape[1]), np.float32)
    solve_rows(taken.offsets, taken.values, z_MD, np.float32(confidence), w_ND, 100)
    return w_ND


# Sums may be taken in any order, so that they run several at a time. The order is fixed when the
# loop is compiled: neither the batch nor the number of threads changes a bit.
@njit(parallel=True, nogil=True, cache=True, fastmath={"reassoc", "contract"})
def solve_rows(
    offsets: np.ndarray,
    taken: np.ndarray,
    z_MD: np.ndarray,
    confidence: np.float32,
    w_ND: np.ndarray,
    steps: int,
) -> None:
    """Improve each row of `w_ND` in place by at most so many steps of conjugate gradients."""
    width = z_MD.shape[1]
    extra = confidence - np.float32(1.0)
    for block in prange(BLOCKS):
        residual = np.empty(width, np.float32)
        direction = np.empty(width, np.float32)
        image = np.empty(width, np.float32)
        for row in range(block, len(w_ND), BLOCKS):
            w = w_ND[row]
            items = taken[offsets[row] : offsets[row + 1]]
            residual[:] = -w
            for item in items:
                z = z_MD[item]
                held = np.float32(0.0)
                for d in range(width):
                    held += z[d] * w[d]
                pull = confidence - extra * held
                for d in range(width):
                    residual[d] += pull * z[d]
            direction[:] = residual
            error = np.float32(0.0)
            for d in range(width):
                error += residual[d] * residual[d]
            goal = TOLERANCE * TOLERANCE * error
            for _ in range(steps):
                if error <= goal:
                    break
                image[:] = direction
                for item in items:
                    z = z_MD[item]
                    held = np.float32(0.0)
                    for d in range(width):
                        held += z[d] * direction[d]
                    held *= extra
                    for d in range(width):
                        image[d] += held * z[d]
                curvature = np.float32(0.0)
                for d in range(width):
                    curvature += direction[d] * image[d]
                stride = error / curvature
                last_error = error
                error = np.float32(0.0)
                for d in range(width):
                    w[d] += stride * direction[d]
                    residual[d] -= stride * image[d]
                for d in range(width):  # in a loop that writes nothing: see `core.kernels.memory`
                    error += residual[d] * residual[d]
                turn = error / last_error
                for d in range(width):
                    direction[d] = residual[d] + turn * direction[d]
