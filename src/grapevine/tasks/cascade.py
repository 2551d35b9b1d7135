"""Several behaviours of one pair, each of which leads to the next: click, cart, buy.

R = behaviours, in the order of the cascade; what else a tensor has comes after
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

How = Literal["none", "logit", "probability", "chain"]
"""What a behaviour hears of the one before it: nothing; its logit, which is added to its own; its
chance, likewise (both NMTR); or its chance, by which its own is multiplied (ESMM)."""

LEAST = 1e-6
"""From here on the chance of no is told from its Taylor series: what is left of 1 has no digits."""


def cascaded(own_R: Sequence[Float[Tensor, "*shape"]], how: How) -> list[Float[Tensor, "*shape"]]:
    """The logit of each behaviour, from what it has of its own; with "chain" the log of its chance.

    NMTR (Gao et al., ICDE 2019, arXiv:1809.08161, section III-B): `y_r = sigmoid(f_r + y_(r-1))`,
    where y is a logit or a chance. The text fixes only that each depends on the one before it.
    ESMM (Ma et al., SIGIR 2018, arXiv:1804.07931, eq. 1): `p_r = p_(r-1) sigmoid(f_r)`.

    Args:
        own_R: f of each behaviour, in order.
        how: what is passed on.
    """
    out: list[Tensor] = []
    for own in own_R:
        if how == "chain":
            own = logsigmoid(own)
        if out and how != "none":
            own = own + (out[-1].sigmoid() if how == "probability" else out[-1])
        out.append(own)
    return out


def log_chances(
    said: Float[Tensor, "*shape"], how: How
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """The logs of the chances of yes and of no.

    Args:
        said: of one behaviour, as `cascaded` gives it.
        how: likewise.
    """
    if how != "chain":
        return logsigmoid(said), logsigmoid(-said)
    # log(1 - exp(x)) for x < 0, without a loss of digits at either end.
    below = said.clamp(max=-LEAST)
    return said, torch.where(below > -0.693, (-torch.expm1(below)).log(), torch.log1p(-below.exp()))


def log_loss(
    positive_B: Float[Tensor, " pairs"], negative_BS: Float[Tensor, "pairs negatives"], how: How
) -> Float[Tensor, ""]:
    """-log of the chances of what was done and of what was not, summed over both, by the positives.

    NMTR, eq. 7, of one behaviour.

    Args:
        positive_B: of pairs that were seen with it, as `cascaded` gives it.
        negative_BS: of pairs that were not.
        how: likewise.
    """
    yes_B, _ = log_chances(positive_B, how)
    _, no_BS = log_chances(negative_BS, how)
    return -(yes_B.sum() + no_BS.sum()) / max(len(positive_B), 1)
