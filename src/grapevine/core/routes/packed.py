"""Sequences end to end: those of like length are set beside each other, and heard as a batch.

H = heads, N = places of all sequences, n = sequences of a group, m = places of its longest
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from grapevine.core.patterns import Causal, Packed
from grapevine.core.routes.ask import Ask

ALIKE = 0.8
"""Shortest of a group over its longest: the rest is work on places that are not there."""

Attend = Callable[..., Tensor]


def groups(lengths: list[int]) -> Iterator[list[int]]:
    """Sequences of like length, longest first; empty ones are left out."""
    group: list[int] = []
    for each in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if group and lengths[each] < ALIKE * lengths[group[0]]:
            yield group
            group = []
        if lengths[each]:
            group.append(each)
    if group:
        yield group


def packed(ask: Ask, attend: Attend) -> Tensor:
    """What is heard; one batch, packed, each group of sequences by the route that serves it.

    Args:
        ask: with a `Packed` pattern.
        attend: answers for a group.
    """
    assert isinstance(ask.pattern, Packed)
    lengths, offsets = ask.pattern.lengths(), ask.pattern.offsets.to(ask.q.device)
    order: list[Tensor] = []
    parts: list[Tensor] = []
    for group in groups(lengths):
        starts, ends = offsets[group], offsets[[each + 1 for each in group]]
        longest = lengths[group[0]]
        within = torch.arange(longest, device=offsets.device)
        places = starts[:, None] + within
        known = places < ends[:, None]
        safe = places.minimum(ends[:, None] - 1)
        heard = _of_group(ask, attend, safe, known, padded=lengths[group[-1]] < longest)
        order.append(places[known])
        parts.append(heard.transpose(1, 2)[known])  # (places, H, V)
    if not parts:
        return ask.q.new_empty(*ask.q.shape[:-1], ask.v.shape[-1])
    back = torch.cat(order).argsort()
    return torch.cat(parts)[back].transpose(0, 1)[None]


def _of_group(ask: Ask, attend: Attend, places: Tensor, known: Tensor, *, padded: bool) -> Tensor:
    """What the places of a group hear, `(n, H, m, V)`."""
    assert isinstance(ask.pattern, Packed)
    q, k, v = (x[0].transpose(0, 1)[places].transpose(1, 2) for x in (ask.q, ask.k, ask.v))
    there = None if ask.there is None else ask.there[0][places]
    # What stands behind the end of a sequence comes after all that a causal place may hear.
    if padded and not isinstance(ask.pattern.inner, Causal):
        there = known if there is None else known & there
    bias = ask.added(places[:, :, None], places[:, None, :])
    return attend(
        q,
        k,
        v,
        ask.pattern.inner,
        there=there,
        bias=None if bias is None else bias[0].movedim(0, 1),
        dropout=ask.dropout,
        scale=ask.scale,
        merge=ask.merge,
    )
