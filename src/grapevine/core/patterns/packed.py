"""Several sequences end to end, none of which hears another."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from grapevine.core.patterns.base import Pattern


@dataclass(frozen=True, slots=True, eq=False)
class Packed(Pattern):
    """Each of several sequences hears itself by an inner rule: a block-diagonal mask.

    Attributes:
        inner: the rule within a sequence, told places counted from its own start.
        offsets: `(sequences + 1,)` where each starts, and the end of the last.
    """

    inner: Pattern
    offsets: Int[Tensor, " ends"]

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Within the same sequence, by the inner rule."""
        own, other = self._sequence(receivers), self._sequence(senders)
        starts = self.offsets.to(receivers.device)[own]
        return (own == other) & self.inner.hears(receivers - starts, senders - starts)

    def reach(self) -> tuple[int, int] | None:
        """That of the inner rule."""
        return self.inner.reach()

    def table(
        self, length: int, *, device: torch.device | None = None
    ) -> Int[Tensor, "places most"]:
        """The tables of the sequences, one after another."""
        parts = [self.inner.table(each, device=device) for each in self.lengths()]
        most = max((part.shape[1] for part in parts), default=0)
        table_LT = torch.full((length, most), -1, device=device)
        start = 0
        for part in parts:
            moved = part.where(part < 0, part + start)
            table_LT[start : start + len(part), : part.shape[1]] = moved
            start += len(part)
        return table_LT

    def lengths(self) -> list[int]:
        """Of the sequences."""
        return [int(each) for each in self.offsets.diff()]

    def _sequence(self, places: Tensor) -> Tensor:
        """Which sequence each place lies in."""
        ends = self.offsets[1:].to(places.device).contiguous()
        return torch.searchsorted(ends, places.contiguous(), right=True)
