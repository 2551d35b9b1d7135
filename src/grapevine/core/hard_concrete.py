"""Gates that learn to be shut: 0 or 1 with some chance, and something between with the rest.

H = gates
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

LOW, HIGH = -0.1, 1.1
"""A number between 0 and 1 is stretched to these, and cut off at 0 and 1."""
HEAT = 2 / 3
"""Of the draws: the lower, the nearer to a toss."""


class HardConcrete(nn.Module):
    """One gate a head, whose cost is the chance that it is not shut.

    Louizos, Welling and Kingma, ICLR 2018 (arXiv:1712.01312), eq. 10-13; on heads by Voita et al.,
    ACL 2019 (arXiv:1905.09418). Train it as `gated_heads(module, {name: gates()})`
    with so much times `gates.open().sum()` added to the loss; heads whose gates end at 0 may be
    pruned.

    Args:
        heads: H.
        start: the chance that a gate is not shut, at first.
    """

    def __init__(self, heads: int, start: float = 0.95) -> None:
        super().__init__()
        at = math.log(start / (1 - start)) + HEAT * math.log(-LOW / HIGH)
        self.log_alpha = nn.Parameter(torch.full((heads,), at))

    def forward(self) -> Float[Tensor, " heads"]:
        """The gates: drawn anew each time in training, and their middle outside."""
        logit = self.log_alpha
        if self.training:
            drawn = torch.rand_like(logit).clamp(1e-6, 1 - 1e-6)
            logit = (drawn.logit() + logit) / HEAT
        return (logit.sigmoid() * (HIGH - LOW) + LOW).clamp(0, 1)

    def open(self) -> Float[Tensor, " heads"]:
        """The chance of each gate not to be shut."""
        return (self.log_alpha - HEAT * math.log(-LOW / HIGH)).sigmoid()
