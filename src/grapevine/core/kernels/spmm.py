"""A sparse matrix times a dense one: every row the weighted sum of the rows it names.

Each row of the result is summed by one thread, in the order of its list, so that no bit depends on
the number of threads. Rows are dealt out in blocks of like numbers of edges, not of rows: the lists
of popular items are long.

R = rows, C = columns, E = edges, D = width
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Shaped, UInt16
from numba import njit, prange, types
from numba.extending import overload
from torch import Tensor

from grapevine.core.kernels.memory import empty
from grapevine.core.kernels.threads import threads_for
from grapevine.structs.jagged import Jagged, offsets_of

BLOCKS = 64
"""Blocks of rows, several for each thread, so that a slow one is not waited for long."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """A matrix of which most entries are zero, row by row (CSR).

    Attributes:
        rows: the columns of each row's entries; a column named twice counts twice.
        num_columns: C; every column is below it.
        weights: `(E,)` the entries, or None where all are one.
    """

    rows: Jagged
    num_columns: int
    weights: Float[np.ndarray, " edges"] | None = None

    def __post_init__(self) -> None:
        columns = self.rows.values
        if len(columns) and not 0 <= columns.min() <= columns.max() < self.num_columns:
            raise ValueError(
                f"columns must lie in [0, {self.num_columns}): "
                f"got {columns.min()} .. {columns.max()}"
            )
        if self.weights is not None and len(self.weights) != len(columns):
            raise ValueError(f"got {len(self.weights)} weights for {len(columns)} entries")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.rows), self.num_columns

    def transposed(self) -> "Sparse":
        """The same entries, column by column; those of one column in the order of the rows."""
        order = np.argsort(self.rows.values, kind="stable")
        of_rows = np.repeat(np.arange(len(self.rows), dtype=np.int32), self.rows.lengths)
        counts = np.bincount(self.rows.values, minlength=self.num_columns)
        lists = Jagged(offsets_of(counts), of_rows[order])
        weights = None if self.weights is None else self.weights[order]
        return Sparse(lists, len(self.rows), weights)


def blocks_of(
    lengths: Int64[np.ndarray, " rows"], blocks: int = BLOCKS
) -> Int64[np.ndarray, " blocks_plus_one"]:
    """Where each block of rows starts; a row costs as much as its entries, and one more."""
    costs = offsets_of(lengths + 1)
    return np.searchsorted(costs, np.linspace(0, int(costs[-1]), blocks + 1)).astype(np.int64)


def multiply(
    matrix: Sparse,
    x: Shaped[np.ndarray, "columns width"],
    out: Shaped[np.ndarray, "rows width"] | None = None,
) -> Shaped[np.ndarray, "rows width"]:
    """The product, in the type of x; of rounded rows (`rounded`) in float32.

    A row without entries is zero.

    Args:
        matrix: of any shape.
        x: `(C, D)` float32, float64, or uint16: the upper halves of float32.
        out: `(R, D)` where to write it.

    Raises:
        ValueError: x or out has another shape than the matrix asks for.
    """
    wanted = len(matrix.rows), x.shape[1]
    if len(x) != matrix.num_columns:
        raise ValueError(f"a matrix of {matrix.num_columns} columns cannot take {len(x)} rows")
    if out is None:
        out = empty(wanted, np.float32 if x.dtype == np.uint16 else x.dtype)
    if out.shape != wanted:
        raise ValueError(f"the product is {wanted}: it does not fit into {out.shape}")
    rows, starts = matrix.rows, blocks_of(matrix.rows.lengths)
    with threads_for(len(rows.values) * x.shape[1]):
        _multiply(starts, rows.offsets, rows.values, matrix.weights, np.ascontiguousarray(x), out)
    return out


def spmm(
    matrix: Sparse, x: Float[Tensor, "columns width"], transpose: Sparse | None = None
) -> Float[Tensor, "rows width"]:
    """The product as a step of a torch network, on the processor.

    Args:
        matrix: of any shape; no gradient goes to its weights.
        x: float32 or float64, or bfloat16, which is summed in float32.
        transpose: for the way back: the matrix itself where it is symmetric, made anew for each
            call where it is not given and needed.
    """
    apply: Callable[..., Tensor] = cast("Any", _Multiply).apply
    return apply(x, matrix, transpose)


class _Multiply(torch.autograd.Function):
    """The gradient of `A x` with respect to x is `A' g`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Sparse, transpose: Sparse | None) -> Tensor:
        ctx.matrix, ctx.transpose, ctx.dtype = matrix, transpose, x.dtype
        return torch.as_tensor(multiply(matrix, _as_numpy(x)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        turned = ctx.transpose or ctx.matrix.transposed()
        back = multiply(turned, _as_numpy(gradients[0]))
        return torch.as_tensor(back).to(ctx.dtype), None, None


def _as_numpy(x: Tensor) -> np.ndarray:
    x = x.detach().contiguous()
    return x.view(torch.uint16).numpy() if x.dtype == torch.bfloat16 else x.numpy()


def rounded(x: Float32[np.ndarray, "rows width"]) -> UInt16[np.ndarray, "rows width"]:
    """The upper halves of float32 (bfloat16), to nearest, ties to even: half the memory to read."""
    out = np.empty(x.shape, np.uint16)
    _round(x, out)
    return out


def widen(value: Any) -> Any:
    """The float32 whose upper half a uint16 is; a float is itself."""
    return np.uint32(int(value) << 16).view(np.float32) if value.dtype == np.uint16 else value


@overload(widen, inline="always")
def _widen(value: Any) -> Any:
    def as_float(value: Any) -> Any:
        return np.uint32(np.uint32(value) << np.uint32(16)).view(np.float32)

    def as_it_is(value: Any) -> Any:
        return value

    return as_float if value == types.uint16 else as_it_is


@njit(inline="always", cache=True)
def halve(value: np.float32) -> np.uint16:
    """The upper half of the float32 nearest to it that has no lower half."""
    bits = np.float32(value).view(np.uint32)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    return np.uint16((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16))


def narrow(value: Any, like: np.ndarray) -> Any:
    """The value as an array stores it: rounded where that is uint16."""
    return halve(value) if like.dtype == np.uint16 else value


@overload(narrow, inline="always")
def _narrow(value: Any, like: Any) -> Any:
    def as_half(value: Any, like: Any) -> Any:
        return halve(value)

    def as_it_is(value: Any, like: Any) -> Any:
        return value

    return as_half if like.dtype == types.uint16 else as_it_is


@njit(parallel=True, nogil=True, cache=True)
def _round(x: np.ndarray, out: np.ndarray) -> None:
    for row in prange(len(x)):
        for d in range(x.shape[1]):
            out[row, d] = halve(x[row, d])


# The sum of a row waits in its place in `out`. Four entries at once read and write it a quarter as
# often; eight gain no more where each has a weight.
@njit(parallel=True, nogil=True, cache=True, fastmath={"contract"})
def _multiply(
    starts: np.ndarray,
    offsets: np.ndarray,
    columns: np.ndarray,
    weights: np.ndarray | None,
    x: np.ndarray,
    out: np.ndarray,
) -> None:
    width = x.shape[1]
    for block in prange(len(starts) - 1):
        for row in range(starts[block], starts[block + 1]):
            total = out[row]
            total[:] = 0
            place, stop = offsets[row], offsets[row + 1]
            while place + 4 <= stop:
                a, b = columns[place], columns[place + 1]
                c, e = columns[place + 2], columns[place + 3]
                if weights is None:
                    for d in range(width):
                        near = widen(x[a, d]) + widen(x[b, d])
                        total[d] += near + widen(x[c, d]) + widen(x[e, d])
                else:
                    u, v = weights[place], weights[place + 1]
                    w, z = weights[place + 2], weights[place + 3]
                    for d in range(width):
                        near = u * widen(x[a, d]) + v * widen(x[b, d])
                        total[d] += near + w * widen(x[c, d]) + z * widen(x[e, d])
                place += 4
            while place < stop:
                a = columns[place]
                weight = 1 if weights is None else weights[place]
                for d in range(width):
                    total[d] += weight * widen(x[a, d])
                place += 1
