"""How far back each head hears is learnt (Sukhbaatar et al., Adaptive Attention Span, ACL 2019).

H = heads, z = span of a head in places, R = the ramp over which it fades
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from grapevine.core.patterns import Window


class AdaptiveSpan(nn.Module):
    """Weights `m e^s / sum of m e^s`, `m = clip((R + z - x) / R, 0, 1)` at x places back (eq. 5-6).

    The logarithm of m is a bias and `pattern` the window beyond which m is 0 for every head, so
    that the time of attention follows what is learnt.

    Args:
        heads: H.
        most: places that a head may hear at most.
        ramp: R.
        start: z before training.
    """

    def __init__(self, heads: int, most: int, *, ramp: int = 32, start: float = 0.0) -> None:
        super().__init__()
        self.most, self.ramp = most, ramp
        self.share = nn.Parameter(torch.full((heads,), start / most))

    @property
    def spans(self) -> Float[Tensor, " heads"]:
        """The z of each head, from 0 to the most; beyond, no gradient pulls it further."""
        return self.most * self.share.clamp(0.0, 1.0)

    def pattern(self) -> Window:
        """Whom any head can hear now."""
        return Window(min(self.most, math.ceil(float(self.spans.detach().max()) + self.ramp)))

    def penalty(self) -> Float[Tensor, ""]:
        """The mean span, to be added to the loss times a small factor."""
        return self.spans.mean()

    def forward(self, receivers: Tensor, senders: Tensor) -> Tensor:
        """The logarithm of m, `(1, H, *places)`; -inf where it is 0: a bias of `attend`."""
        back = receivers - senders
        spans = self.spans.view(1, -1, *[1] * back.dim())
        m = ((self.ramp + spans - back) / self.ramp).clamp(0.0, 1.0)
        heard = m > 0
        # The logarithm of 0 would send back what is no number, even to where nobody looks.
        return m.masked_fill(~heard, 1.0).log().masked_fill(~heard, float("-inf"))
