"""Two memories: recent states as they are, and older ones compressed (Rae et al., ICLR 2020).

B = sequences, M = places of recent memory, C = places of compressed memory, D = width
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, max_pool1d

Way = Literal["mean", "max", "conv", "dilated", "used"]
"""How so many states become one (section 3.1): their mean, their greatest numbers, a learnt sum, a
learnt sum of what is farther apart, or the one that was heard most."""
LEARNT = ("conv", "dilated")
States = Float[Tensor, "batch places width"]


class Compress(nn.Module):
    """So many states to one.

    Args:
        width: D.
        ratio: c, states that become one.
        way: how.
    """

    def __init__(self, width: int, ratio: int = 3, way: Way = "conv") -> None:
        super().__init__()
        self.ratio, self.way = ratio, way
        self.spread = nn.Identity()
        if way == "dilated":
            self.spread = nn.Conv1d(width, width, 3, padding=2, dilation=2)
        self.conv = nn.Conv1d(width, width, ratio, stride=ratio) if way in LEARNT else None

    def forward(
        self, states: States, heard: Float[Tensor, "batch places"] | None = None
    ) -> Float[Tensor, "batch groups width"]:
        """The compressed states; what is left over of whole groups is left out.

        Args:
            states: oldest first.
            heard: how much each was heard, for "used".
        """
        if self.way == "used":
            return self._most_heard(states, heard)
        x = states.transpose(1, 2)
        if self.conv is not None:
            out = self.conv(self.spread(x))
        else:
            out = (avg_pool1d if self.way == "mean" else max_pool1d)(x, self.ratio)
        return out.transpose(1, 2)

    def _most_heard(self, states: Tensor, heard: Tensor | None) -> Tensor:
        if heard is None:
            raise ValueError("`used` must be told how much each state was heard")
        some = states.shape[1] // self.ratio
        kept = heard.topk(some, 1).indices.sort(1).values
        return states.gather(1, kept[..., None].expand(-1, -1, states.shape[2]))


@dataclass(frozen=True, slots=True)
class Memories:
    """What a layer keeps of its input; first in, first out.

    Attributes:
        recent: as it was.
        compressed: older, and less of it.
        heard: `(B, M)` how much each of the recent was heard so far.
    """

    recent: States
    compressed: Float[Tensor, "batch older width"]
    heard: Float[Tensor, "batch places"]

    @classmethod
    def empty(cls, batch: int, width: int) -> "Memories":
        """Before the first segment."""
        none = torch.empty(batch, 0, width)
        return cls(none, none, none[:, :, 0])

    def before(self, x: States) -> Float[Tensor, "batch all width"]:
        """What the layer hears: both memories, oldest first, and the segment."""
        return torch.cat([self.compressed, self.recent, x], 1)

    def then(
        self,
        x: States,
        compress: Compress,
        *,
        most: int,
        most_compressed: int,
        heard: Float[Tensor, "batch all"] | None = None,
    ) -> "tuple[Memories, Evicted | None]":
        """After a segment.

        Args:
            x: what the layer was given.
            compress: makes one of several of those that have to go; they go in whole groups.
            most: recent states that are kept, less than a group more in between.
            most_compressed: compressed ones.
            heard: `(B, M + L)` how much each of the recent and the new was heard in this segment.

        Returns:
            What is kept, without a gradient, and what had to go beside what became of it.
        """
        states = torch.cat([self.recent, x.detach()], 1)
        use = torch.cat([self.heard, x.new_zeros(x.shape[:2])], 1)
        use = use if heard is None else use + heard.detach()
        going = max(states.shape[1] - most, 0) // compress.ratio * compress.ratio
        kept = states[:, going:], use[:, going:]
        if not going:
            return Memories(kept[0], self.compressed, kept[1]), None
        made = compress(states[:, :going], use[:, :going])
        older = torch.cat([self.compressed, made.detach()], 1)
        older = older[:, max(older.shape[1] - most_compressed, 0) :]
        return Memories(kept[0], older, kept[1]), Evicted(states[:, :going], made)


@dataclass(frozen=True, slots=True)
class Evicted:
    """States that had to go, and what became of them, which has a gradient."""

    states: States
    compressed: Float[Tensor, "batch groups width"]


def reconstruction(
    attention: nn.Module, x: States, evicted: Evicted, *how: Any
) -> Float[Tensor, ""]:
    """How differently the compressed memory is heard (algorithm 2): only `Compress` learns of it.

    Args:
        attention: of the layer, told who asks, what is heard, and `how`; its weights take no
            gradient of this.
        x: the segment that asks.
        evicted: the old states, and the compressed ones.
        how: what else attention is told, such as a pattern.
    """
    weights = {name: weight.detach() for name, weight in attention.named_parameters()}
    asking, states = x.detach(), evicted.states.detach()
    heard = torch.func.functional_call(attention, weights, (asking, states, *how))
    again = torch.func.functional_call(attention, weights, (asking, evicted.compressed, *how))
    return (heard - again).square().mean()
