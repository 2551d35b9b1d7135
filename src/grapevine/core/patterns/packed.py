"""Several sequences end to end, none of which hears another."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from grapevine.core.patterns.base import Pattern
from grapevine.structs.jagged import Jagged


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

    def sparse(self) -> bool:
        """Other sequences need no look."""
        return True

    def reach(self) -> tuple[int, int] | None:
        """That of the inner rule."""
        return self.inner.reach()

    def senders(self, length: int) -> Jagged:
        """Those of the sequences, one after another; `length` is that of all together."""
        lengths = self.lengths()
        by_length = {each: self.inner.senders(each) for each in sorted(set(lengths))}
        values, offsets = [np.empty(0, np.int32)], [np.zeros(1, np.int64)]
        place = edges = 0
        for each in lengths:
            lists = by_length[each]
            values.append(lists.values + np.int32(place))
            offsets.append(lists.offsets[1:] + edges)
            place, edges = place + each, edges + len(lists.values)
        return Jagged(np.concatenate(offsets), np.concatenate(values))

    def lengths(self) -> list[int]:
        """Of the sequences."""
        return [int(each) for each in self.offsets.cpu().diff()]

    def _sequence(self, places: Tensor) -> Tensor:
        """Which sequence each place lies in."""
        ends = self.offsets[1:].to(places.device).contiguous()
        return torch.searchsorted(ends, places.contiguous(), right=True)
