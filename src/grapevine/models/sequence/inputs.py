"""What a place is told beside its item: what was done with it, and how long after the last."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from grapevine.core.positions.relative import log_times
from grapevine.models.sequence.batches import Places
from grapevine.models.sequence.config import Config

GAPS = 128
"""Kinds of time gaps above the least, by their logarithm (code of Zhai et al., ICML 2024)."""

# B = histories, L = places, D = width


class Inputs(nn.Module):
    """A vector for each behaviour and one for each kind of gap, added to what a place holds.

    The last row of either table is for what is not known: of an event that is masked neither, and
    of the first of a history what was before it.

    Args:
        config: which of the two there are.
        behaviours: how many there are.
        times: whether the times of events mean anything; if not, gaps are not looked at.
    """

    def __init__(self, config: Config, behaviours: int, *, times: bool) -> None:
        super().__init__()
        gaps = config.gap_input and times
        self.behaviour = _table(behaviours + 1, config.width, config.behaviour_input)
        self.gap = _table(GAPS + 2, config.width, gaps)

    def forward(
        self, x_BLD: Float[Tensor, "batch places width"], seen: Places
    ) -> Float[Tensor, "batch places width"]:
        """What the places hold with what they are told."""
        if self.behaviour is not None:
            unknown = len(self.behaviour) - 1
            kind_BL = seen.behaviours.masked_fill(seen.behaviours < 0, unknown)
            x_BLD = x_BLD + nn.functional.embedding(kind_BL, self.behaviour)
        if self.gap is not None:
            kind_BL = log_times(seen.gone.float(), GAPS).masked_fill(seen.gone < 0, GAPS + 1)
            x_BLD = x_BLD + nn.functional.embedding(kind_BL, self.gap)
        return x_BLD


def _table(rows: int, width: int, there: bool) -> nn.Parameter | None:
    return nn.Parameter(torch.empty(rows, width)) if there else None
