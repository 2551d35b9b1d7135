"""Exact attention a few queries and keys at a time, in flat memory.

So it is on the way back, where each few queries are asked again.

The softmax is kept up as keys come by: what was summed is put to the scale of the greatest product
so far (Dao et al., NeurIPS 2022, arXiv:2205.14135, algorithm 1). Blocks in which nobody hears
anybody cost a look at the rule.

B = sequences, H = heads, c = queries of a chunk, V = width of a value
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import silu
from torch.utils.checkpoint import checkpoint  # pyright: ignore[reportUnknownVariableType]

from grapevine.core.routes.ask import Ask
from grapevine.core.routes.dense import left_out

QUERIES, KEYS = 256, 1024
"""Of a block of weights: one MiB a sequence and head in float32."""


def chunked(ask: Ask, queries: int = QUERIES, keys: int = KEYS) -> Tensor:
    """What is heard, in memory that does not grow with queries times keys."""
    again = cast("Callable[..., Tensor]", checkpoint)
    parts = [
        again(_rows, ask, start, min(start + queries, ask.queries), keys, use_reentrant=False)
        for start in range(0, ask.queries, queries)
    ]
    return torch.cat(parts, -2) if parts else ask.q.new_empty(*ask.q.shape[:-1], ask.v.shape[-1])


def _rows(ask: Ask, start: int, stop: int, keys: int) -> Tensor:
    """What some of the queries hear."""
    q = ask.q[..., start:stop, :]
    receivers, senders = ask.grids()
    peak = q.new_full((*q.shape[:-1], 1), float("-inf"))
    total, out = torch.zeros_like(peak), q.new_zeros(*q.shape[:-1], ask.v.shape[-1])
    for low in range(0, ask.keys, keys):
        here = slice(low, low + keys)
        at = receivers[start:stop], senders[:, here]
        mask = ask.heard(*at)
        if not mask.any():
            continue
        logits = torch.matmul(q, ask.k[..., here, :].transpose(-1, -2)) * ask.scale
        bias = ask.added(*at)
        logits = logits if bias is None else logits + bias
        if ask.merge == "silu":
            weights = silu(logits).masked_fill(~mask, 0.0)
        else:
            logits = logits.masked_fill(~mask, float("-inf"))
            higher = torch.maximum(peak, logits.detach().amax(-1, keepdim=True))
            # Who has heard nobody yet has no scale; whatever it is, it multiplies nothing.
            level = higher.masked_fill(higher == float("-inf"), 0.0)
            weights, fading = (logits - level).exp(), (peak - level).exp()
            total, out, peak = total * fading + weights.sum(-1, keepdim=True), out * fading, higher
        out = out + torch.matmul(left_out(weights, ask.dropout), ask.v[..., here, :])
    return out if ask.merge == "silu" else out / total.masked_fill(total == 0, 1.0)
