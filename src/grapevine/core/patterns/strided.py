"""Some of those before, in steps and blocks (Child et al., 2019, arXiv:1904.10509, section 4).

With a stride near the root of the length every place is reached from every earlier one in two
turns, at a cost of length times its root.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from torch import Tensor

from grapevine.core.patterns.base import Pattern, kept
from grapevine.core.patterns.plain import Window
from grapevine.structs.jagged import Jagged


@dataclass(frozen=True, slots=True)
class Dilated(Pattern):
    """A place hears itself and every so many places back.

    Attributes:
        step: places from one sender to the next.
        width: most senders, itself among them; None for all the way back.
    """

    step: int
    width: int | None = None

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Where the step divides the way back."""
        back = receivers - senders
        heard = (back >= 0) & (back % self.step == 0)
        return heard if self.width is None else heard & (back < self.step * self.width)

    def sparse(self) -> bool:
        """The steps are known."""
        return True

    def reach(self) -> tuple[int, int] | None:
        """As far as the last step goes."""
        return None if self.width is None else (self.step * (self.width - 1), 0)

    def senders(self, length: int) -> Jagged:
        """The same steps from each place."""
        most = -(-length // self.step)
        most = most if self.width is None else min(most, self.width)
        back = np.arange(length)[:, None] - self.step * np.arange(most)[::-1]
        return kept(back, back >= 0)


@dataclass(frozen=True, slots=True)
class Block(Pattern):
    """A place hears itself and those before it in its own block.

    Attributes:
        size: places of a block; the first starts at 0.
    """

    size: int

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Where the blocks are the same, and the sender does not come later."""
        return (receivers // self.size == senders // self.size) & (senders <= receivers)

    def sparse(self) -> bool:
        """The senders stand side by side."""
        return True

    def reach(self) -> tuple[int, int] | None:
        """To the start of the block at most."""
        return self.size - 1, 0

    def senders(self, length: int) -> Jagged:
        """The block of each place, up to it."""
        places = np.arange(length)[:, None]
        block = places // self.size * self.size + np.arange(min(self.size, length))
        return kept(block, block <= places)


@dataclass(frozen=True, slots=True)
class Summary(Pattern):
    """A place hears the last few places of each block, of those that do not come later.

    Attributes:
        size: places of a block.
        last: how many of them tell what the block held.
    """

    size: int
    last: int = 1

    def hears(self, receivers: Int[Tensor, "*#any"], senders: Int[Tensor, "*#any"]) -> Tensor:
        """Where the sender ends a block, and does not come later."""
        return (senders % self.size >= self.size - self.last) & (senders <= receivers)

    def sparse(self) -> bool:
        """The ends of blocks are known."""
        return True

    def senders(self, length: int) -> Jagged:
        """The ends of blocks, up to each place."""
        places = np.arange(length)
        ends = places[places % self.size >= self.size - self.last][None, :]
        return kept(ends, ends <= places[:, None])


def strided_heads(stride: int) -> tuple[Pattern, Pattern]:
    """The two kinds of heads of the strided Sparse Transformer; `|` makes one of them."""
    return Window(stride), Dilated(stride)


def fixed_heads(stride: int, last: int = 8) -> tuple[Pattern, Pattern]:
    """The two kinds of heads of the fixed Sparse Transformer; `|` makes one of them."""
    return Block(stride), Summary(stride, last)
