"""What is said goes through a gate, is dropped and added to what is there, in one pass each way.

T = rows, D = width
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor

from grapevine.core.kernels.activations import ROWS, sigmoid
from grapevine.core.kernels.dropout import Draws, draws, keeps
from grapevine.core.kernels.fused import raw
from grapevine.core.kernels.spmm import narrow, widen
from grapevine.core.kernels.threads import threads_for


def gated_add(
    x: Float[Tensor, "*rows width"],
    said: Float[Tensor, "*rows width"],
    gate: Float[Tensor, "*rows width"],
    *,
    share: float,
    key: int,
) -> Float[Tensor, "*rows width"]:
    """`x + dropout(said) * sigmoid(gate)`, in float32: what is said goes through a gate (LiGR).

    Args:
        x: float32.
        said: float32 or bfloat16.
        gate: of the type of what is said.
        share: of the numbers left out.
        key: names the draws.
    """
    apply: Callable[..., Tensor] = cast("Any", _GatedAdd).apply
    flat = (one.reshape(-1, x.shape[-1]) for one in (x, said, gate))
    return apply(*flat, share, key).view(x.shape)


class _GatedAdd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, said: Tensor, gate: Tensor, share: float, key: int) -> Tensor:
        said, gate = said.detach().contiguous(), gate.detach().contiguous()
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        ctx.save_for_backward(said, gate)
        ctx.drawn = draws(share, key)
        with threads_for(x.numel()):
            _add_gated(raw(x.contiguous()), raw(said), raw(gate), ctx.drawn, raw(out))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        said, gate = ctx.saved_tensors
        out = gradients[0].contiguous()
        by_said, by_gate = torch.empty_like(said), torch.empty_like(gate)
        with threads_for(out.numel()):
            _add_gated_back(raw(out), raw(said), raw(gate), ctx.drawn, raw(by_said), raw(by_gate))
        return out, by_said, by_gate, None, None


@njit(parallel=True, nogil=True, cache=True)
def _add_gated(
    x: np.ndarray, said: np.ndarray, gate: np.ndarray, drawn: Draws, out: np.ndarray
) -> None:
    rows, width = x.shape
    for block in prange((rows + ROWS - 1) // ROWS):
        for row in range(block * ROWS, min((block + 1) * ROWS, rows)):
            for d in range(width):
                open_ = sigmoid(np.float32(widen(gate[row, d])))
                told = np.float32(widen(said[row, d])) * keeps(row * width + d, drawn)
                out[row, d] = x[row, d] + told * open_


@njit(parallel=True, nogil=True, cache=True)
def _add_gated_back(
    pull: np.ndarray,
    said: np.ndarray,
    gate: np.ndarray,
    drawn: Draws,
    by_said: np.ndarray,
    by_gate: np.ndarray,
) -> None:
    rows, width = pull.shape
    for block in prange((rows + ROWS - 1) // ROWS):
        for row in range(block * ROWS, min((block + 1) * ROWS, rows)):
            for d in range(width):
                open_ = sigmoid(np.float32(widen(gate[row, d])))
                passed = pull[row, d] * keeps(row * width + d, drawn) * open_
                told = np.float32(widen(said[row, d]))
                by_said[row, d] = narrow(passed, by_said)
                by_gate[row, d] = narrow(passed * told * (np.float32(1) - open_), by_gate)
