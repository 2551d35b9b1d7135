"""Nobody hears from far away: each block of queries against the keys within its reach.

Time and memory are linear in the length, and the work is products of small full matrices.

B = sequences, H = heads, L = places, n = blocks, c = places of a block, w = keys of a block
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from grapevine.core.routes.ask import Ask
from grapevine.core.routes.dense import merged

LEAST, MOST = 32, 256
"""Places of a block: fewer are not worth a product, more reach beyond the cache."""


def block_of(reach: tuple[int, int]) -> int:
    """Places of a block: about as many as are heard."""
    return min(max(LEAST, sum(reach)), MOST)


def band(ask: Ask) -> Tensor:
    """What is heard; as many queries as keys, and a pattern whose reach is bounded."""
    reach = ask.pattern.reach()
    if reach is None or ask.queries != ask.keys:
        raise ValueError(f"{ask.pattern} has no reach, or {ask.queries} != {ask.keys} places")
    length, size, (back, ahead) = ask.keys, block_of(reach), reach
    back, ahead = min(back, length), min(ahead, length)
    blocks = -(-length // size)
    rest = blocks * size - length
    q = _beside(pad(ask.q, (0, 0, 0, rest)).unfold(-2, size, size))
    k, v = (
        _beside(pad(x, (0, 0, back, rest + ahead)).unfold(-2, size + back + ahead, size))
        for x in (ask.k, ask.v)
    )
    start = size * torch.arange(blocks, device=q.device)[:, None, None]
    receivers = start + torch.arange(size, device=q.device)[None, :, None]
    senders = start - back + torch.arange(k.shape[-2], device=q.device)[None, None, :]
    there = (senders >= 0) & (senders < length) & (receivers < length)
    at = receivers.clamp_max(length - 1), senders.clamp(0, length - 1)
    mask, bias = ask.heard(*at) & there, ask.added(*at)
    out = merged(
        q,
        k,
        v,
        _among_heads(ask, mask),
        None if bias is None else _among_heads(ask, bias),
        ask.dropout,
        ask.scale,
        ask.merge,
    )
    out_BHncV = out.view(blocks, *ask.q.shape[:2], size, ask.v.shape[-1]).movedim(0, 2)
    return out_BHncV.flatten(2, 3)[:, :, :length]


def _beside(x_BHnKc: Tensor) -> Tensor:
    """Blocks side by side, `(n, B H, c, K)`."""
    return x_BHnKc.transpose(-1, -2).flatten(0, 1).transpose(0, 1)


def _among_heads(ask: Ask, numbers: Tensor) -> Tensor:
    """The same for the blocks side by side: `(n, 1, c, w)`, or `(n, B H, c, w)`."""
    if numbers.dim() == 3:
        return numbers[:, None]
    return numbers.expand(*ask.q.shape[:2], *numbers.shape[2:]).flatten(0, 1).transpose(0, 1)
