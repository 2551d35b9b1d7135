"""How the learning rate goes: up at first, then down.

Time is counted in epochs, not in steps, so that an epoch with more steps than another (a
curriculum, say) changes nothing about the shape.
"""

import math
from dataclasses import dataclass
from typing import Literal

Decay = Literal["constant", "linear", "cosine", "exponential"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """A linear warm-up to a peak (Goyal et al., arXiv:1706.02677), then a decay to its last share.

    A `GradientLearner` takes one as its `schedule`.

    Examples:
        >>> rate = Schedule(peak=0.1, epochs=3, warm_up=1, decay="exponential", last=0.01)
        >>> [round(rate(epoch, step, 2), 4) for epoch in range(3) for step in range(2)]
        [0.05, 0.1, 0.1, 0.0316, 0.01, 0.0032]

    Attributes:
        peak: the learning rate at the end of the warm-up.
        epochs: how many there are, the warm-up among them.
        warm_up: epochs, or parts of one, that the warm-up takes; 0 starts at the peak.
        decay: the shape of the way down; `constant` stays at the peak.
        last: share of the peak that the way down ends at.
    """

    peak: float
    epochs: int
    warm_up: float = 0.0
    decay: Decay = "constant"
    last: float = 0.01

    def __call__(self, epoch: int, step: int, steps: int) -> float:
        """The rate of a step, of `steps` in this epoch; both are counted from 0."""
        # The warm-up looks at the end of the step and the decay at its start: so no step, neither
        # the first nor the last, is taken at a rate of nothing.
        ends = epoch + (step + 1) / steps
        if ends <= self.warm_up:
            return self.peak * (ends / self.warm_up)
        way = max(self.epochs - self.warm_up, 1e-9)
        gone = min(max(epoch + step / steps - self.warm_up, 0.0) / way, 1.0)
        return self.peak * self._share(gone)

    def _share(self, gone: float) -> float:
        if self.decay == "linear":
            return 1 - (1 - self.last) * gone
        if self.decay == "cosine":
            return self.last + (1 - self.last) * (1 + math.cos(math.pi * gone)) / 2
        return self.last**gone if self.decay == "exponential" else 1.0


def noam(step: int, *, width: int, warm_up: int = 4000) -> float:
    """The rate of the Transformer (Vaswani et al., arXiv:1706.03762, eq. 3); steps count from 1.

    >>> f"{noam(1, width=512):.6e} {noam(4000, width=512):.6e} {noam(16000, width=512):.6e}"
    '1.746928e-07 6.987712e-04 3.493856e-04'
    """
    return width**-0.5 * min(step**-0.5, step * warm_up**-1.5)
