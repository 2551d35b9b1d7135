"""Places by number: waves that are added to what a place holds, and turns of queries and keys.

L = places, D = width of a place, K = width of a head
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

BASE = 10_000.0
"""The longest wave is so many times the shortest."""


def sinusoid(length: int, width: int) -> Float[Tensor, "places width"]:
    """`PE[p, 2i] = sin(p / 10000^(2i / D))`, and the cosine in `2i + 1` (Vaswani et al., 2017).

    >>> [round(x, 4) for x in sinusoid(2, 4)[1].tolist()]
    [0.8415, 0.5403, 0.01, 0.9999]
    """
    angles = _angles(torch.arange(length), width)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :width]


def rotated(
    x: Float[Tensor, "*batch places key"], places: Int[Tensor, "*#batch places"]
) -> Float[Tensor, "*batch places key"]:
    """Queries or keys, turned by where they stand (Su et al., RoFormer, arXiv:2104.09864, eq. 15).

    The product of a turned query and a turned key tells how far they stand apart, and not where.
    Number i is turned together with number i + K / 2, not with the next as in the paper, which is
    the same but for the order of the numbers.

    Args:
        x: of an even width.
        places: of a token each; they broadcast to all but the last axis of x.
    """
    angles = _angles(places, x.shape[-1])
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    one, other = x.chunk(2, -1)
    return torch.cat([one * cos - other * sin, one * sin + other * cos], -1)


def _angles(places: Tensor, width: int) -> Tensor:
    """`p / 10000^(2i / D)`, a column for each pair of numbers."""
    double = torch.get_default_dtype() == torch.float64
    # In float32 the waves of far places would be off by more than the values are worth.
    steps = torch.arange(0, width, 2, dtype=torch.float64, device=places.device)
    angles = places[..., None] * BASE ** (-steps / width)
    return angles if double else angles.remainder(2 * torch.pi).float()
