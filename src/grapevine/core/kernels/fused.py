"""What stands between the products of a Transformer layer, one pass each instead of five.

At the widths of recommenders a layer spends as much time on norms, biases, dropout and sums, each
of which reads and writes all states, as on its products of matrices. Here a norm writes what the
product reads, in bfloat16 if that is what it wants, and what comes out of a product is dropped,
added and written at once. States themselves stay float32.

T = rows (places of all histories), D = width, O = width afterwards
"""

from collections.abc import Callable
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from numba import njit, prange
from torch import Tensor

from grapevine.core.kernels.activations import CODES, ROWS, SWIGLU, Bent, bend, bend_back
from grapevine.core.kernels.dropout import Draws, draws, keeps
from grapevine.core.kernels.spmm import narrow, widen
from grapevine.core.kernels.threads import threads_for

Precision = Literal["float32", "bfloat16"]
LOW: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def normed(
    x: Float[Tensor, "*rows width"],
    gain_D: Float[Tensor, " width"],
    shift_D: Float[Tensor, " width"],
    *,
    eps: float,
    precision: Precision,
) -> Float[Tensor, "*rows width"]:
    """`layer_norm(x)`, in the type of the precision.

    Args:
        x: float32.
        gain_D: of the norm.
        shift_D: of the norm.
        eps: of the norm.
        precision: of what comes out.
    """
    apply: Callable[..., Tensor] = cast("Any", _Normed).apply
    return apply(x.reshape(-1, x.shape[-1]), gain_D, shift_D, eps, precision).view(x.shape)


def bent_linear(
    y: Float[Tensor, "*rows width"],
    weight_OD: Float[Tensor, "out width"],
    bias_O: Float[Tensor, " out"],
    bent: Bent = "none",
) -> Float[Tensor, "*rows bent"]:
    """`f(y W' + b)`, in the type of y; with "swiglu" half as wide as the product.

    Args:
        y: float32 or bfloat16, which is the precision of the product.
        weight_OD: W.
        bias_O: b.
        bent: f.

    Raises:
        ValueError: "swiglu" of a width that has no halves.
    """
    if bent == "swiglu" and len(weight_OD) % 2:
        raise ValueError(f"swiglu multiplies two halves, and a width of {len(weight_OD)} has none")
    apply: Callable[..., Tensor] = cast("Any", _BentLinear).apply
    out = apply(y.reshape(-1, y.shape[-1]), weight_OD, bias_O, CODES[bent])
    return out.view(*y.shape[:-1], out.shape[-1])


def linear_add(
    x: Float[Tensor, "*rows width"],
    y: Float[Tensor, "*rows inner"],
    weight_DK: Float[Tensor, "width inner"],
    bias_D: Float[Tensor, " width"],
    *,
    share: float,
    key: int,
) -> Float[Tensor, "*rows width"]:
    """`x + dropout(y W' + b)`, in float32.

    Args:
        x: float32.
        y: float32 or bfloat16, which is the precision of the product.
        weight_DK: W.
        bias_D: b.
        share: of the numbers left out.
        key: names the draws.
    """
    apply: Callable[..., Tensor] = cast("Any", _LinearAdd).apply
    rows, flat = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
    return apply(rows, flat, weight_DK, bias_D, share, key).view(x.shape)


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor, shift: Tensor, eps: float, precision: Precision
    ) -> Tensor:
        x = x.detach().contiguous()
        out = torch.empty(x.shape, dtype=LOW[precision])
        told = torch.empty(len(x), 2)  # mean, and one by the deviation
        with threads_for(x.numel()):
            _norm(raw(x), raw(gain), raw(shift), np.float32(eps), raw(out), raw(told))
        ctx.save_for_backward(x, gain, told)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, gain, told = ctx.saved_tensors
        pull, by_x = gradients[0].contiguous(), torch.empty_like(x)
        sums = torch.empty(-(-len(x) // ROWS), 2, x.shape[1])
        with threads_for(x.numel()):
            _norm_back(raw(pull), raw(x), raw(told), raw(gain), raw(by_x), raw(sums))
        by_gain, by_shift = sums.sum(0)
        return by_x, by_gain, by_shift, None, None


class _BentLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, weight: Tensor, bias: Tensor, code: int) -> Tensor:
        y, light = y.detach().contiguous(), weight.detach().to(y.dtype)
        said = torch.mm(y, light.T)
        # What is bent is needed on the way back, what is only added to is not.
        width = len(weight) // 2 if code == SWIGLU else len(weight)
        out = said.new_empty(len(said), width) if code else said
        with threads_for(said.numel()):
            bend(raw(said), raw(bias), raw(out), code)
        ctx.code = code
        ctx.save_for_backward(y, light, bias, said if code else None)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        y, light, bias, said = ctx.saved_tensors
        pull = gradients[0].contiguous()
        out = pull if said is None else torch.empty_like(said)
        by_bias = torch.empty(-(-len(y) // ROWS), len(bias))
        with threads_for(pull.numel()):
            before = raw(pull if said is None else said)
            bend_back(raw(pull), before, raw(bias), raw(out), raw(by_bias), ctx.code)
        by_weight = torch.mm(out.T, y).float()
        return torch.mm(out, light), by_weight, by_bias.sum(0), None


class _LinearAdd(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, share: float, key: int
    ) -> Tensor:
        y, light = y.detach().contiguous(), weight.detach().to(y.dtype)
        said = torch.mm(y, light.T)
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        ctx.save_for_backward(y, light)
        ctx.drawn = draws(share, key)
        with threads_for(x.numel()):
            _add(raw(x.contiguous()), raw(said), raw(bias), ctx.drawn, raw(out))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        y, light = ctx.saved_tensors
        out = gradients[0].contiguous()
        by_said = torch.empty(out.shape, dtype=y.dtype)
        sums = torch.empty(-(-len(out) // ROWS), out.shape[1])
        with threads_for(out.numel()):
            _add_back(raw(out), ctx.drawn, raw(by_said), raw(sums))
        by_y, by_weight = torch.mm(by_said, light), torch.mm(by_said.T, y).float()
        return out, by_y, by_weight, sums.sum(0), None, None


def raw(x: Tensor) -> np.ndarray:
    """The same memory as numpy sees it; bfloat16 as uint16."""
    x = x.detach()
    return (x.view(torch.uint16) if x.dtype == torch.bfloat16 else x).numpy()


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _norm(
    x: np.ndarray,
    gain: np.ndarray,
    shift: np.ndarray,
    eps: np.float32,
    out: np.ndarray,
    told: np.ndarray,
) -> None:
    rows, width = x.shape
    for block in prange((rows + ROWS - 1) // ROWS):
        for row in range(block * ROWS, min((block + 1) * ROWS, rows)):
            total = np.float32(0)
            for d in range(width):
                total += x[row, d]
            mean = total / np.float32(width)
            square = np.float32(0)
            for d in range(width):
                square += (x[row, d] - mean) * (x[row, d] - mean)
            scale = np.float32(1) / np.sqrt(square / np.float32(width) + eps)
            told[row, 0], told[row, 1] = mean, scale
            for d in range(width):
                out[row, d] = narrow((x[row, d] - mean) * scale * gain[d] + shift[d], out)


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _norm_back(
    pull: np.ndarray,
    x: np.ndarray,
    told: np.ndarray,
    gain: np.ndarray,
    out: np.ndarray,
    sums: np.ndarray,
) -> None:
    rows, width = x.shape
    for block in prange((rows + ROWS - 1) // ROWS):
        sums[block] = 0
        by_gain, by_shift = sums[block, 0], sums[block, 1]
        for row in range(block * ROWS, min((block + 1) * ROWS, rows)):
            mean, scale = told[row, 0], told[row, 1]
            plain = crossed = np.float32(0)
            for d in range(width):
                normal = (x[row, d] - mean) * scale
                wide = np.float32(widen(pull[row, d]))
                by_shift[d] += wide
                by_gain[d] += wide * normal
                plain += wide * gain[d]
                crossed += wide * gain[d] * normal
            plain /= np.float32(width)
            crossed /= np.float32(width)
            for d in range(width):
                normal = (x[row, d] - mean) * scale
                wide = np.float32(widen(pull[row, d]))
                out[row, d] = (wide * gain[d] - plain - normal * crossed) * scale


@njit(parallel=True, nogil=True, cache=True)
def _add(x: np.ndarray, said: np.ndarray, bias: np.ndarray, drawn: Draws, out: np.ndarray) -> None:
    rows, width = x.shape
    for block in prange((rows + ROWS - 1) // ROWS):
        for row in range(block * ROWS, min((block + 1) * ROWS, rows)):
            for d in range(width):
                told = np.float32(widen(said[row, d])) + bias[d]
                out[row, d] = x[row, d] + told * keeps(row * width + d, drawn)


@njit(parallel=True, nogil=True, cache=True)
def _add_back(pull: np.ndarray, drawn: Draws, out: np.ndarray, sums: np.ndarray) -> None:
    rows, width = pull.shape
    for block in prange((rows + ROWS - 1) // ROWS):
        sums[block] = 0
        for row in range(block * ROWS, min((block + 1) * ROWS, rows)):
            for d in range(width):
                passed = pull[row, d] * keeps(row * width + d, drawn)
                sums[block, d] += passed
                out[row, d] = narrow(passed, out)
