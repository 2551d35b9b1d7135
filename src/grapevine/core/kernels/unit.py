"""Rows scaled to length one, a pass each way.

A loss that compares directions scales the whole table of items in every step. Torch's own
`normalize` makes a table of each of its ten products on the way back, and one of zeros for the rows
that are not asked; of tens of thousands of items that takes as long as their scores.

T = rows, D = width
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor
from torch.nn.functional import normalize

from grapevine.core.kernels.memory import compiled
from grapevine.core.kernels.threads import threads_for

EPS = 1e-12
"""The least length that a row is divided by, as in torch."""
BLOCK = 64
"""Rows that a thread takes at a time."""


def unit_rows(
    x_TD: Float[Tensor, "rows width"], count: int | None = None
) -> Float[Tensor, "count width"]:
    """`normalize(x[:count], dim=1)` of torch, and its gradient, to rounding.

    Args:
        x_TD: any rows; float32 on the processor takes the quick way.
        count: how many of them, from the first; all if not given. The others get no gradient.
    """
    # Before the length is looked at, which would be a constant of a graph that is exported.
    if x_TD.dtype != torch.float32 or not compiled(x_TD):
        return normalize(x_TD if count is None else x_TD[:count], dim=1)
    apply: Callable[..., Tensor] = cast("Any", _UnitRows).apply
    return apply(x_TD, len(x_TD) if count is None else count)


class _UnitRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_TD: Tensor, count: int) -> Tensor:
        x = x_TD.detach()[:count].contiguous()
        out, over = torch.empty_like(x), torch.empty(count)
        with threads_for(x.numel()):
            _scale(x.numpy(), out.numpy(), over.numpy())
        ctx.rows = len(x_TD)
        ctx.save_for_backward(out, over)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        out, over = ctx.saved_tensors
        by_x = torch.empty(ctx.rows, out.shape[1])
        by_x[len(out) :] = 0
        with threads_for(out.numel()):
            _scale_back(
                out.numpy(), over.numpy(), gradients[0].contiguous().numpy(), by_x.numpy()
            )  # fmt: skip
        return by_x, None


# A function of its own, which writes nothing (see `memory`); inlined by numba it loses its flags.
@njit(cache=True, fastmath={"reassoc", "contract"})
def _product(a: np.ndarray, b: np.ndarray) -> Any:
    total = np.float32(0)
    for d in range(len(a)):
        total += a[d] * b[d]
    return total


@njit(parallel=True, nogil=True, cache=True)
def _scale(x: np.ndarray, out: np.ndarray, over: np.ndarray) -> None:
    for block in prange((len(x) + BLOCK - 1) // BLOCK):
        for row in range(block * BLOCK, min((block + 1) * BLOCK, len(x))):
            length = np.sqrt(_product(x[row], x[row]))
            # Where the length is cut off it is a constant, and the row is only multiplied. One that
            # is no number is not cut off.
            over[row] = np.float32(-1 / EPS) if length <= EPS else np.float32(1) / length
            for d in range(x.shape[1]):
                out[row, d] = x[row, d] * abs(over[row])


@njit(parallel=True, nogil=True, cache=True)
def _scale_back(out: np.ndarray, over: np.ndarray, by_out: np.ndarray, by_x: np.ndarray) -> None:
    for block in prange((len(out) + BLOCK - 1) // BLOCK):
        for row in range(block * BLOCK, min((block + 1) * BLOCK, len(out))):
            along = np.float32(0)
            if not over[row] < 0:
                along = _product(out[row], by_out[row])
            for d in range(out.shape[1]):
                by_x[row, d] = abs(over[row]) * (by_out[row, d] - along * out[row, d])
