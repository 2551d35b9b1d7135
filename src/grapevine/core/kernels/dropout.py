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

BLOCK = 4096
"""Numbers that a thread takes at a time."""

Draws = tuple[np.uint32, np.uint32, np.uint32, np.float32]
"""Below which draw a number is left out, the two halves of the key, and what the rest is times."""


def dropout(x: Float[Tensor, "*any"], share: float, key: int) -> Float[Tensor, "*any"]:
    """Each number left out with a chance, the others divided by what is left (Srivastava, 2014).

    Args:
        x: float32 on the processor.
        share: of the numbers left out, in [0, 1).
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


def draws(share: float, key: int) -> Draws:
    """What compiled loops want to know of a share and a key."""
    bound = min(round(share * 2**32), 2**32 - 1)
    low, high = key & 0xFFFFFFFF, (key >> 32) & 0xFFFFFFFF
    return np.uint32(bound), np.uint32(low), np.uint32(high), np.float32(1 / (1 - bound / 2**32))


@njit(inline="always", cache=True)
def stir(x: Any) -> Any:
    """A bijection of 32 bits in which each bit of x moves half of the others.

    The constants are of C. Wellons, Prospecting for hash functions (2018), "lowbias32". Of 32 bits,
    for processors multiply sixteen of those at once and few of 64.
    """
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(x * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


@njit(inline="always", cache=True)
def keeps(place: Any, drawn: Any) -> Any:
    """What the number at a place is multiplied by: 0 where it is left out."""
    bound, low, high, scale = drawn
    draw = stir(np.uint32(stir(np.uint32(np.uint32(place) + low)) ^ high))
    return scale if draw >= bound else np.float32(0)


def _kept(x: Tensor, share: float, key: int) -> Tensor:
    x = x.detach().contiguous()
    out = torch.empty_like(x)
    with threads_for(x.numel()):
        _keep(x.view(-1).numpy(), out.view(-1).numpy(), draws(share, key))
    return out


@njit(parallel=True, nogil=True, cache=True)
def _keep(x: np.ndarray, out: np.ndarray, drawn: Draws) -> None:
    for block in prange((len(x) + BLOCK - 1) // BLOCK):
        for place in range(block * BLOCK, min((block + 1) * BLOCK, len(x))):
            out[place] = x[place] * keeps(place, drawn)
