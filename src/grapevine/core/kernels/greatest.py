"""The greatest of what each row's senders say, number by number, with no message for each edge.

Each row of the result is made by one thread, in the order of its list, so that no bit depends on
the number of threads.

R = rows, C = columns, D = width
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor

from grapevine.core.kernels.memory import tensor_of
from grapevine.core.kernels.spmm import Sparse, blocks_of


def greatest(
    matrix: Sparse, x: Float[Tensor, "columns width"], transpose: Sparse
) -> Float[Tensor, "rows width"]:
    """The greatest over the entries of each row, as a step of a torch network; 0 for an empty row.

    Args:
        matrix: of any shape; its weights are not looked at.
        x: float32, float64 or bfloat16. Values that tie for the greatest share the gradient.
        transpose: the same entries, column by column: the way back.
    """
    apply: Callable[..., Tensor] = cast("Any", _Greatest).apply
    return apply(x, matrix, transpose)


class _Greatest(torch.autograd.Function):
    """The gradient of a maximum goes to where it is reached."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Sparse, transpose: Sparse) -> Tensor:
        said = _as_numpy(x)
        rows = matrix.rows
        peak = np.zeros((len(rows), said.shape[1]), said.dtype)
        ties = np.ones_like(peak)
        _forward(blocks_of(rows.lengths), rows.offsets, rows.values, said, peak, ties)
        ctx.said, ctx.peak, ctx.ties, ctx.transpose = said, peak, ties, transpose
        ctx.dtype = x.dtype
        return tensor_of(peak).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        rows = ctx.transpose.rows
        pull = _as_numpy(gradients[0]) / ctx.ties
        back = np.zeros_like(ctx.said)
        starts = blocks_of(rows.lengths)
        _backward(starts, rows.offsets, rows.values, ctx.said, ctx.peak, pull, back)
        return tensor_of(back).to(ctx.dtype), None, None


def _as_numpy(x: Tensor) -> np.ndarray:
    """Numpy has no bfloat16; wider, the greatest is the same."""
    x = x.detach().contiguous()
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()


@njit(parallel=True, nogil=True, cache=True)
def _forward(
    starts: np.ndarray,
    offsets: np.ndarray,
    columns: np.ndarray,
    x: np.ndarray,
    peak: np.ndarray,
    ties: np.ndarray,
) -> None:
    for block in prange(len(starts) - 1):
        for row in range(starts[block], starts[block + 1]):
            first, stop = offsets[row], offsets[row + 1]
            if first == stop:
                continue
            best, count = peak[row], ties[row]
            best[:] = x[columns[first]]
            for place in range(first + 1, stop):
                said = x[columns[place]]
                for d in range(len(best)):
                    # What is not a number must be told on, not hidden.
                    if said[d] > best[d] or said[d] != said[d]:
                        best[d] = said[d]
                        count[d] = 1
                    elif said[d] == best[d]:
                        count[d] += 1


@njit(parallel=True, nogil=True, cache=True)
def _backward(
    starts: np.ndarray,
    offsets: np.ndarray,
    receivers: np.ndarray,
    x: np.ndarray,
    peak: np.ndarray,
    pull: np.ndarray,
    back: np.ndarray,
) -> None:
    for block in prange(len(starts) - 1):
        for sender in range(starts[block], starts[block + 1]):
            said, total = x[sender], back[sender]
            for place in range(offsets[sender], offsets[sender + 1]):
                receiver = receivers[place]
                for d in range(len(total)):
                    if said[d] == peak[receiver, d]:
                        total[d] += pull[receiver, d]
