"""A bias added and bent in one pass, and the way back: what follows a product of matrices.

Torch writes a bias into the whole result before the product and bends what comes out in a second
pass; here the product is read once and written once. Numbers are float32, or uint16: the upper
halves of float32 (bfloat16). "swiglu" bends one half of what comes out of the product, and
multiplies the other by it (Shazeer, arXiv:2002.05202), so that half as many numbers are written.

T = rows, O = width, K = width of what is written: O, or half of it
"""

from typing import Literal

import numpy as np
from numba import njit, prange

from grapevine.core.kernels.rowloss import exp
from grapevine.core.kernels.spmm import narrow, widen

Bent = Literal["none", "relu", "gelu", "swiglu"]
NONE, RELU, GELU, SWIGLU = 0, 1, 2, 3
CODES: dict[Bent, int] = {"none": NONE, "relu": RELU, "gelu": GELU, "swiglu": SWIGLU}

ROWS = 64
"""Rows that a thread takes at a time, and whose sums by column are added up on their own."""

# erfc(z) for z >= 0 to 1.5e-7: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
P = np.float32(0.3275911)
A1, A2, A3 = np.float32(0.254829592), np.float32(-0.284496736), np.float32(1.421413741)
A4, A5 = np.float32(-1.453152027), np.float32(1.061405429)
ROOT_HALF, BY_ROOT_2PI = np.float32(0.70710678118), np.float32(0.39894228040)
ONE, HALF, ZERO = np.float32(1), np.float32(0.5), np.float32(0)


@njit(inline="always", cache=True)
def below(x: np.float32, density: np.float32) -> np.float32:
    """The chance that a standard normal number is below x, given `e^(-x^2 / 2)`."""
    t = ONE / (ONE + P * abs(x) * ROOT_HALF)
    tail = HALF * t * (A1 + t * (A2 + t * (A3 + t * (A4 + t * A5)))) * density
    return ONE - tail if x > ZERO else tail


@njit(inline="always", cache=True)
def sigmoid(x: np.float32) -> np.float32:
    """`1 / (1 + e^-x)`, whatever x is."""
    small = exp(-abs(x))
    share = ONE / (ONE + small)
    return share if x > ZERO else small * share


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def bend(x: np.ndarray, bias: np.ndarray, out: np.ndarray, code: int) -> None:
    """Write `f(x + bias)`; x and out may be the same, but for "swiglu".

    Args:
        x: `(T, O)`.
        bias: `(O,)` float32.
        out: `(T, K)`, of the type of x.
        code: which f: see `CODES`; "gelu" is `x` times the chance below x (arXiv:1606.08415).
    """
    rows, width = out.shape
    for block in prange((rows + ROWS - 1) // ROWS):
        for row in range(block * ROWS, min((block + 1) * ROWS, rows)):
            if code == GELU:
                for d in range(width):
                    one = np.float32(widen(x[row, d])) + bias[d]
                    share = below(one, exp(-HALF * one * one))
                    out[row, d] = narrow(one * share, out)
            elif code == RELU:
                for d in range(width):
                    one = np.float32(widen(x[row, d])) + bias[d]
                    out[row, d] = narrow(max(one, ZERO), out)
            elif code == SWIGLU:
                for d in range(width):
                    one = np.float32(widen(x[row, d])) + bias[d]
                    other = np.float32(widen(x[row, width + d])) + bias[width + d]
                    out[row, d] = narrow(one * sigmoid(one) * other, out)
            else:
                for d in range(width):
                    out[row, d] = narrow(np.float32(widen(x[row, d])) + bias[d], out)


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def bend_back(
    pull: np.ndarray,
    x: np.ndarray,
    bias: np.ndarray,
    out: np.ndarray,
    sums: np.ndarray,
    code: int,
) -> None:
    """The gradient by x, and its sums by column: those are the gradient by the bias.

    Args:
        pull: `(T, K)` the gradient by what `bend` wrote.
        x: `(T, O)` what `bend` was given; not read with "none".
        bias: `(O,)`.
        out: `(T, O)` where the gradient by x goes; not written with "none", where it is `pull`.
        sums: `(T / ROWS, O)` float32.
        code: which f.
    """
    rows, width = pull.shape
    for block in prange((rows + ROWS - 1) // ROWS):
        sums[block] = 0
        for row in range(block * ROWS, min((block + 1) * ROWS, rows)):
            if code == GELU:
                for d in range(width):
                    one = np.float32(widen(x[row, d])) + bias[d]
                    density = exp(-HALF * one * one)
                    slope = below(one, density) + one * density * BY_ROOT_2PI
                    passed = np.float32(widen(pull[row, d])) * slope
                    sums[block, d] += passed
                    out[row, d] = narrow(passed, out)
            elif code == RELU:
                for d in range(width):
                    open_ = np.float32(widen(x[row, d])) + bias[d] > ZERO
                    passed = np.float32(widen(pull[row, d])) if open_ else ZERO
                    sums[block, d] += passed
                    out[row, d] = narrow(passed, out)
            elif code == SWIGLU:
                for d in range(width):
                    one = np.float32(widen(x[row, d])) + bias[d]
                    other = np.float32(widen(x[row, width + d])) + bias[width + d]
                    share, passed = sigmoid(one), np.float32(widen(pull[row, d]))
                    by_one = passed * other * share * (ONE + one * (ONE - share))
                    by_other = passed * one * share
                    sums[block, d] += by_one
                    sums[block, width + d] += by_other
                    out[row, d] = narrow(by_one, out)
                    out[row, width + d] = narrow(by_other, out)
            else:
                for d in range(width):
                    sums[block, d] += np.float32(widen(pull[row, d]))
