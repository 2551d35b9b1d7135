"""Sequences end to end: those of like length are set beside each other, and heard as a batch.

H = heads, N = places of all sequences, n = sequences of a group, m = places of its longest,
R = rows of all groups
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
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


@dataclass(frozen=True, slots=True)
class Group:
    """Sequences of like length beside each other.

    Attributes:
        places: `(n, m)` where each stands; the last one of a sequence again behind its end.
        known: `(n, m)` whether it is within the sequence; None where all are.
    """

    places: Int64[Tensor, "sequences longest"]
    known: Bool[Tensor, "sequences longest"] | None

    @classmethod
    def of(cls, pattern: Packed, sequences: list[int], lengths: list[int]) -> "Group":
        """Some sequences, longest first."""
        starts, ends = (pattern.offsets[[each + end for each in sequences], None] for end in (0, 1))
        places = starts + torch.arange(lengths[sequences[0]], device=starts.device)
        padded = lengths[sequences[-1]] < lengths[sequences[0]]
        return cls(places.minimum(ends - 1), places < ends if padded else None)


def packed(ask: Ask, attend: Attend) -> Tensor:
    """What is heard; one batch, packed, each group of sequences by the route that serves it.

    Args:
        ask: with a `Packed` pattern.
        attend: answers for a group.
    """
    assert isinstance(ask.pattern, Packed)
    lengths = ask.pattern.lengths()
    chosen = [Group.of(ask.pattern, each, lengths) for each in groups(lengths)]
    if not chosen:
        return ask.q.new_empty(*ask.q.shape[:-1], ask.v.shape[-1])
    # All rows in one step: each such step clears a gradient of the size of all on the way back.
    places_R = torch.cat([group.places.flatten() for group in chosen]).to(ask.q.device)
    q, k, v = (x[0].transpose(0, 1).index_select(0, places_R) for x in (ask.q, ask.k, ask.v))
    sizes = [group.places.numel() for group in chosen]
    rows = zip(*(torch.split(x, sizes) for x in (q, k, v)))
    parts = [_heard(ask, attend, group, *each) for group, each in zip(chosen, rows)]
    first = torch.empty(ask.queries, dtype=torch.long, device=places_R.device)
    # The row behind the end of a sequence is not its last: whoever writes last must be within.
    within = torch.cat([_within(group) for group in chosen]).to(places_R.device)
    first[places_R[within]] = torch.arange(len(places_R), device=places_R.device)[within]
    return torch.cat(parts).index_select(0, first).transpose(0, 1)[None]


def _within(group: Group) -> Tensor:
    """Which rows of a group are within their sequence, `(n m,)`."""
    known = torch.ones_like(group.places, dtype=torch.bool) if group.known is None else group.known
    return known.flatten()


def _heard(
    ask: Ask, attend: Attend, group: Group, q_RHK: Tensor, k_RHK: Tensor, v_RHV: Tensor
) -> Tensor:
    """What the rows of a group hear, `(n m, H, V)`."""
    assert isinstance(ask.pattern, Packed)
    places = group.places.to(q_RHK.device)
    q, k, v = (x.view(*places.shape, *x.shape[1:]).transpose(1, 2) for x in (q_RHK, k_RHK, v_RHV))
    there = None if ask.there is None else ask.there[0][places]
    # What stands behind the end of a sequence comes after all that a causal place may hear.
    if group.known is not None and not isinstance(ask.pattern.inner, Causal):
        known = group.known.to(places.device)
        there = known if there is None else known & there
    bias = ask.added(places[:, :, None], places[:, None, :])
    heard_nHmV = attend(
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
    return heard_nHmV.transpose(1, 2).flatten(0, 1)
