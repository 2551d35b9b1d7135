"""What a head looks at, in numbers: how spread out, how far away, and how much at one place.

All take maps `(..., L, S)` with rows that sum to one, and give `(...)`: the mean over the queries.
Queries stand at the last places, as in `core.attention.attend`.
"""

import torch
from jaxtyping import Float
from torch import Tensor

Maps = Float[Tensor, "*heads queries keys"]
Each = Float[Tensor, "*heads"]


def entropy(maps: Maps) -> Each:
    """In nats: 0 where each query hears one key alone, `log S` where it hears all alike."""
    return -torch.xlogy(maps, maps).sum(-1).mean(-1)


def distance(maps: Maps) -> Each:
    """How many places away what is heard is, before or after."""
    return (maps * _apart(maps).abs()).sum(-1).mean(-1)


def share_at(maps: Maps, back: int) -> Each:
    """The share of what is so many places before: 0 for a place itself, 1 for the one before."""
    return (maps * (_apart(maps) == back)).sum(-1).mean(-1)


def _apart(maps: Tensor) -> Tensor:
    queries, keys = maps.shape[-2:]
    places = torch.arange(keys, device=maps.device)
    return places[keys - queries :, None] - places
