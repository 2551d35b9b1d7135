"""Dropout from a counter: which numbers are left out depends on a key and their places alone.

Torch draws them one after another on one thread, and keeps the mask. Here each block of numbers
names its own draws, so that threads share the work and no bit depends on how many there are; on the
way back the mask is drawn again, which costs less than to have kept it.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor, nn

from grapevine.core.kernels.threads import threads_for
from grapevine.graph.counter import mix

BLOCK = 4096
"""Numbers that a thread takes at a time; a multiple of 4, for a draw is enough for four."""


def dropout(x: Float[Tensor, "*any"], share: float, key: int) -> Float[Tensor, "*any"]:
    """Each number left out with a chance, the others divided by what is left (Srivastava, 2014).

    Args:
        x: float32 on the processor.
        share: of the numbers left out, in [0, 1); kept to one part in 65,536.
        key: names the draws; the same key leaves the same places out.
    """
    apply: Callable[..., Tensor] = cast("Any", _Dropout).apply
    return apply(x, share, key)


class Dropout(nn.Module):
    """`torch.nn.Dropout`, several times as fast; draws are named by torch's own generator.

    Args:
        share: of the numbers left out in training.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The same outside training."""
        if not self.training or self.share == 0:
            return x
        if x.dtype != torch.float32 or x.device.type != "cpu" or self.share == 1:
            return nn.functional.dropout(x, self.share)
        return dropout(x, self.share, int(torch.randint(2**62, ())))


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, share: float, key: int) -> Tensor:
        ctx.share, ctx.key = share, key
        return _kept(x, share, key)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _kept(gradients[0], ctx.share, ctx.key), None, None


def _kept(x: Tensor, share: float, key: int) -> Tensor:
    x = x.detach().contiguous()
    out = torch.empty_like(x)
    bound = round(share * 65536)
    scale = np.float32(65536 / (65536 - bound))
    with threads_for(x.numel()):
        _keep(x.view(-1).numpy(), out.view(-1).numpy(), np.uint64(bound), scale, np.uint64(key))
    return out


@njit(parallel=True, nogil=True, cache=True)
def _keep(
    x: np.ndarray, out: np.ndarray, bound: np.uint64, scale: np.float32, key: np.uint64
) -> None:
    low = np.uint64(0xFFFF)
    for block in prange((len(x) + BLOCK - 1) // BLOCK):
        start, stop = block * BLOCK, min((block + 1) * BLOCK, len(x))
        place = start
        while place + 4 <= stop:
            draw = mix(key, np.uint64(place))
            for lane in range(4):
                kept = ((draw >> np.uint64(16 * lane)) & low) >= bound
                out[place + lane] = x[place + lane] * scale if kept else np.float32(0)
            place += 4
        if place < stop:
            draw = mix(key, np.uint64(place))
            for lane in range(stop - place):
                kept = ((draw >> np.uint64(16 * lane)) & low) >= bound
                out[place + lane] = x[place + lane] * scale if kept else np.float32(0)
