"""Softmax attention in bfloat16, for histories: short, many, and on processors.

Torch's own kernel for processors works in float32 where there are no matrix units, and reaches a
fifth of what products in bfloat16 do. Here all products of some sequences are made at once, in
bfloat16; shares are computed in float32 where the products stand, and kept for the way back.

B = sequences and heads, L = queries, S = keys, K = width of a key, V = width of a value
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from numba import njit, prange
from torch import Tensor

from grapevine.core.kernels.dropout import Draws, draws, keeps
from grapevine.core.kernels.fused import raw
from grapevine.core.kernels.memory import compiled
from grapevine.core.kernels.rowloss import exp, greatest
from grapevine.core.kernels.spmm import narrow, widen
from grapevine.core.kernels.threads import threads_for

SHORTEST, LONGEST = 32, 512
"""Keys from which there is something to gain, and up to which all shares are kept."""

AT_ONCE = 2**20
"""Shares that are made at once: two megabytes."""

STEP = 32
"""Shares of a row that compiled loops take at once."""

LEAST = np.uint16(0xFF80)
"""Minus infinity in bfloat16."""

ALL = np.empty((0, 0), np.bool_)


def weighed(
    q: Float[Tensor, "batch heads queries key"],
    k: Float[Tensor, "batch heads keys key"],
    v: Float[Tensor, "batch heads keys value"],
    *,
    there: Bool[Tensor, "batch keys"] | None = None,
    causal: bool = False,
    scale: float,
    dropout: float = 0.0,
    key: int = 0,
) -> Float[Tensor, "batch heads queries value"]:
    """`dropout(softmax(q k' scale)) v` in bfloat16; 0 for a query that may hear nobody.

    Args:
        q: what the receivers ask, bfloat16.
        k: what the senders are asked for.
        v: what the senders say.
        there: which keys exist; all if not given.
        causal: whether a query hears the keys up to its own place alone.
        scale: of the products, above 0.
        dropout: share of the shares left out, in [0, 1).
        key: names the draws, as in `kernels.dropout`.
    """
    apply: Callable[..., Tensor] = cast("Any", _Weighed).apply
    heard = ALL if there is None else there.contiguous().numpy()
    return apply(q, k, v, heard, causal, scale, draws(dropout, key) if dropout else None)


def serves(q: Tensor, k: Tensor) -> bool:
    """Whether `weighed` is for these: bfloat16 on the processor, not too short nor too long."""
    fits = k.shape[-2] >= SHORTEST and max(q.shape[-2], k.shape[-2]) <= LONGEST
    return q.dtype == torch.bfloat16 and fits and compiled(q)


class _Weighed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        heard: np.ndarray,
        causal: bool,
        scale: float,
        drawn: Draws | None,
    ) -> Tensor:
        heads, shape = q.shape[1], (*q.shape[:3], v.shape[3])
        q, k, v = (one.detach().flatten(0, 1).contiguous() for one in (q, k, v))
        shares = q.new_empty(len(q), q.shape[1], k.shape[1])
        out = q.new_empty(len(q), q.shape[1], v.shape[2])
        parts = _parts(shares)
        kept = torch.empty_like(shares[parts[0]]) if drawn else None
        for here in parts:
            torch.bmm(q[here], k[here].transpose(1, 2), out=shares[here])
            with threads_for(shares[here].numel()):
                _share(raw(shares[here]), heard, heads, here.start, causal, np.float32(scale))
            told = shares[here]
            if drawn and kept is not None:
                told = kept[: len(told)]
                with threads_for(told.numel()):
                    _drop(raw(shares[here]), raw(told), here.start, causal, drawn)
            torch.bmm(told, v[here], out=out[here])
        ctx.save_for_backward(q, k, v, shares)
        ctx.rest = heads, causal, scale, drawn
        return out.view(shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, shares = ctx.saved_tensors
        heads, causal, scale, drawn = ctx.rest
        pull = gradients[0].flatten(0, 1).contiguous()
        by_q, by_k, by_v = (torch.empty_like(one) for one in (q, k, v))
        parts = _parts(shares)
        pulled = torch.empty_like(shares[parts[0]])
        kept = torch.empty_like(pulled) if drawn else None
        for here in parts:
            mine, told = pulled[: here.stop - here.start], shares[here]
            torch.bmm(pull[here], v[here].transpose(1, 2), out=mine)
            if drawn and kept is not None:
                told = kept[: len(told)]
                with threads_for(mine.numel()):
                    _drop_back(raw(shares[here]), raw(mine), raw(told), here.start, causal, drawn)
            torch.bmm(told.transpose(1, 2), pull[here], out=by_v[here])
            with threads_for(mine.numel()):
                _share_back(raw(shares[here]), raw(mine), causal, np.float32(scale))
            torch.bmm(mine, k[here], out=by_q[here])
            torch.bmm(mine.transpose(1, 2), q[here], out=by_k[here])
        by_q, by_k, by_v = (one.view(-1, heads, *one.shape[1:]) for one in (by_q, by_k, by_v))
        return by_q, by_k, by_v, None, None, None, None


def _parts(shares: Tensor) -> list[slice]:
    """Sequences that are taken together."""
    at_once = max(AT_ONCE // max(shares.shape[1] * shares.shape[2], 1), 1)
    stop = max(len(shares), 1)
    return [slice(at, min(at + at_once, stop)) for at in range(0, stop, at_once)]


@njit(inline="always", cache=True)
def _whole(stop: int, keys: int) -> int:
    """Keys up to which a row is walked: what is left over of many at once is taken one by one."""
    return min((stop + STEP - 1) // STEP * STEP, keys)


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _share(
    products: np.ndarray,
    heard: np.ndarray,
    heads: int,
    first: int,
    causal: bool,
    scale: np.float32,
) -> None:
    """Shares in the place of products."""
    sequences, queries, keys = products.shape
    for at in prange(sequences):
        notes = np.empty(keys, np.float32)
        lets = heard[(first + at) // heads] if len(heard) else heard[0:0].reshape(-1)
        for query in range(queries):
            stop = min(query + 1, keys) if causal else keys
            _share_row(products[at, query], notes, lets, stop, scale)


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _share_row(
    line: np.ndarray, notes: np.ndarray, lets: np.ndarray, stop: int, scale: np.float32
) -> None:
    """Shares of the first keys in the place of their products, and 0 for the others."""
    until = _whole(stop, len(line))
    for key in range(stop, until):
        line[key] = LEAST
    peak = greatest(line[:until]) * scale
    for key in range(until):
        notes[key] = exp(widen(line[key]) * scale - peak)
    if len(lets):
        for key in range(until):
            notes[key] = notes[key] if lets[key] else np.float32(0)
    total = np.float32(0)
    for key in range(until):  # in a loop that writes nothing: see `kernels.memory`
        total += notes[key]
    each = np.float32(1) / total if total > 0 else np.float32(0)
    for key in range(until):
        line[key] = narrow(notes[key] * each, line)
    line[stop:] = 0


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _share_back(shares: np.ndarray, pulled: np.ndarray, causal: bool, scale: np.float32) -> None:
    """Gradients by products in the place of those by shares."""
    sequences, queries, keys = shares.shape
    for at in prange(sequences):
        for query in range(queries):
            line, pull = shares[at, query], pulled[at, query]
            # Beyond what it hears a row has shares of 0.
            until = _whole(min(query + 1, keys) if causal else keys, keys)
            mean = np.float32(0)
            for key in range(until):
                mean += widen(line[key]) * widen(pull[key])
            for key in range(until):
                pull[key] = narrow(widen(line[key]) * (widen(pull[key]) - mean) * scale, pull)
            for key in range(until, keys):
                pull[key] = 0


@njit(parallel=True, nogil=True, cache=True)
def _drop(shares: np.ndarray, out: np.ndarray, first: int, causal: bool, drawn: Draws) -> None:
    """Shares, but for those that are left out."""
    sequences, queries, keys = shares.shape
    for at in prange(sequences):
        for query in range(queries):
            line, into = shares[at, query], out[at, query]
            until = _whole(min(query + 1, keys) if causal else keys, keys)
            place = ((first + at) * queries + query) * keys
            for key in range(until):
                into[key] = narrow(widen(line[key]) * keeps(place + key, drawn), into)
            into[until:] = 0


@njit(parallel=True, nogil=True, cache=True)
def _drop_back(
    shares: np.ndarray,
    pulled: np.ndarray,
    out: np.ndarray,
    first: int,
    causal: bool,
    drawn: Draws,
) -> None:
    """The same again, and gradients by shares in the place of those by what was kept of them."""
    sequences, queries, keys = shares.shape
    for at in prange(sequences):
        for query in range(queries):
            line, pull, into = shares[at, query], pulled[at, query], out[at, query]
            until = _whole(min(query + 1, keys) if causal else keys, keys)
            place = ((first + at) * queries + query) * keys
            for key in range(until):
                times = keeps(place + key, drawn)
                into[key] = narrow(widen(line[key]) * times, into)
                pull[key] = narrow(widen(pull[key]) * times, pull)
            into[until:] = 0
