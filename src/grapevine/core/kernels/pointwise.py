"""Attention whose weights are the SiLU of each product, a few sequences at a time (HSTU).

Nothing of the size of all weights is ever kept: products are made for as many sequences as fit into
the cache, bent where they stand, multiplied on and forgotten, and made again on the way back. By
torch's own operations each of some ten steps reads and writes all of them.

B = sequences, H = heads, L = queries, S = keys, K = width of a key, V = width of a value
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from numba import njit, prange
from torch import Tensor

from grapevine.core.kernels.rowloss import exp
from grapevine.core.kernels.threads import threads_for

AT_ONCE = 2**18
"""Weights that are made at once: a megabyte of float32."""
ONE, ZERO = np.float32(1), np.float32(0)
NONE = np.empty((0, 0, 0), np.float32)
ALL = np.empty((0, 0, 0), np.bool_)


def pointwise(
    q: Float[Tensor, "batch heads queries key"],
    k: Float[Tensor, "batch heads keys key"],
    v: Float[Tensor, "batch heads keys value"],
    *,
    bias: Float[Tensor, "#batch 1 queries keys"] | None,
    mask: Bool[Tensor, "*batch queries keys"] | None,
    scale: float,
) -> Float[Tensor, "batch heads queries value"]:
    """`silu(q k' scale + bias) v` over the pairs of the mask, in float32 on the processor.

    Args:
        q: what the receivers ask.
        k: what the senders are asked for.
        v: what the senders say.
        bias: the same for all heads.
        mask: `(L, S)` or `(B, 1, L, S)` who hears whom; everyone if not given.
        scale: of the products.
    """
    apply: Callable[..., Tensor] = cast("Any", _Pointwise).apply
    heard = ALL if mask is None else mask.reshape(-1, *mask.shape[-2:]).contiguous().numpy()
    return apply(q, k, v, bias, heard, scale)


class _Pointwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        bias: Tensor | None,
        heard: np.ndarray,
        scale: float,
    ) -> Tensor:
        q, k, v = (one.detach().contiguous() for one in (q, k, v))
        out = q.new_empty(*q.shape[:3], v.shape[3])
        added = NONE if bias is None else bias.detach()[:, 0].contiguous().numpy()
        for here in _parts(q, k):
            weights = torch.matmul(q[here], k[here].transpose(-1, -2))
            with threads_for(weights.numel()):
                _bend(weights.numpy(), added, heard, here.start, np.float32(scale))
            torch.matmul(weights, v[here], out=out[here])
        ctx.save_for_backward(q, k, v)
        ctx.rest = added, heard, scale
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v = ctx.saved_tensors
        added, heard, scale = ctx.rest
        pull = gradients[0].contiguous()
        by_q, by_k, by_v = (torch.empty_like(one) for one in (q, k, v))
        by_bias = torch.zeros(added.shape)
        for here in _parts(q, k):
            weights = torch.matmul(q[here], k[here].transpose(-1, -2))
            pulled = torch.matmul(pull[here], v[here].transpose(-1, -2))
            with threads_for(weights.numel()):
                _bend_back(
                    weights.numpy(), pulled.numpy(), added, by_bias.numpy(), heard, here.start,
                    np.float32(scale),
                )  # fmt: skip
            torch.matmul(weights.transpose(-1, -2), pull[here], out=by_v[here])
            torch.matmul(pulled, k[here], out=by_q[here])
            torch.matmul(pulled.transpose(-1, -2), q[here], out=by_k[here])
        back = by_bias[:, None] if len(added) else None
        return by_q, by_k, by_v, back, None, None


def _parts(q: Tensor, k: Tensor) -> list[slice]:
    """Sequences that are taken together."""
    at_once = max(AT_ONCE // max(q.shape[1] * q.shape[2] * k.shape[2], 1), 1)
    return [slice(at, min(at + at_once, len(q))) for at in range(0, len(q), at_once)]


@njit(inline="always", cache=True)
def _open(x: np.float32) -> np.float32:
    """The sigmoid."""
    low = exp(-abs(x))
    return (ONE if x >= ZERO else low) / (ONE + low)


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _bend(
    products: np.ndarray, bias: np.ndarray, heard: np.ndarray, first: int, scale: np.float32
) -> None:
    """Weights in the place of products."""
    sequences, heads, queries, keys = products.shape
    for row in prange(sequences * queries):
        at, query = row // queries, row % queries
        of_bias = first + at if len(bias) > 1 else 0
        of_heard = first + at if len(heard) > 1 else 0
        for head in range(heads):
            line = products[at, head, query]
            if len(bias):
                more = bias[of_bias, query]
                for key in range(keys):
                    x = line[key] * scale + more[key]
                    line[key] = x * _open(x)
            else:
                for key in range(keys):
                    x = line[key] * scale
                    line[key] = x * _open(x)
            if len(heard):
                lets = heard[of_heard, query]
                for key in range(keys):
                    line[key] = line[key] if lets[key] else ZERO


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _bend_back(
    products: np.ndarray,
    pulled: np.ndarray,
    bias: np.ndarray,
    by_bias: np.ndarray,
    heard: np.ndarray,
    first: int,
    scale: np.float32,
) -> None:
    """Weights in the place of products, and gradients by the products in that of those by weights.

    A row of the bias is that of one query of one sequence, or of one query of all: then of all
    sequences in turn, so that no two threads add to the same.
    """
    sequences, heads, queries, keys = products.shape
    for query in prange(queries):
        for at in range(sequences):
            of_bias = first + at if len(bias) > 1 else 0
            of_heard = first + at if len(heard) > 1 else 0
            for head in range(heads):
                line, pull = products[at, head, query], pulled[at, head, query]
                if len(heard):
                    lets = heard[of_heard, query]
                    for key in range(keys):
                        pull[key] = pull[key] if lets[key] else ZERO
                for key in range(keys):
                    x = line[key] * scale
                    if len(bias):
                        x += bias[of_bias, query, key]
                    share = _open(x)
                    line[key] = x * share
                    pull[key] *= share * (ONE + x * (ONE - share))
                if len(heard):
                    lets = heard[of_heard, query]
                    for key in range(keys):
                        line[key] = line[key] if lets[key] else ZERO
                if len(bias):
                    more = by_bias[of_bias, query]
                    for key in range(keys):
                        more[key] += pull[key]
                for key in range(keys):
                    pull[key] *= scale
