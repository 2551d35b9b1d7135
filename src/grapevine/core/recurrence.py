"""What came before a segment: keys and values kept while decoding, states kept while training.

B = sequences, H = heads, L = places of the segment, M = places kept, K = width of a head, D = width
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from grapevine.core.positions import sinusoid

Rule = Callable[[Tensor, Tensor], Tensor]


class Kept:
    """The keys and values of all places so far, for one layer of a decoder.

    New queries stand at the last places of what `then` returns, where `attend` looks for them.
    """

    def __init__(self) -> None:
        self._buffers: tuple[Tensor, Tensor] | None = None
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def then(
        self, k: Float[Tensor, "batch heads new key"], v: Float[Tensor, "batch heads new value"]
    ) -> tuple[Float[Tensor, "batch heads all key"], Float[Tensor, "batch heads all value"]]:
        """Keep those too, and give all there are; it is for use, and no gradient goes through."""
        stop = self._length + k.shape[2]
        if self._buffers is None or stop > self._buffers[0].shape[2]:
            self._grow(k, v, 2 * stop)
        assert self._buffers is not None
        for buffer, new in zip(self._buffers, (k, v)):
            buffer[:, :, self._length : stop] = new.detach()
        self._length = stop
        keys, values = self._buffers
        return keys[:, :, :stop], values[:, :, :stop]

    def pick(self, rows: Tensor) -> None:
        """Go on with these sequences, in this order: a beam search drops and doubles some."""
        if self._buffers is not None:
            keys, values = self._buffers
            self._buffers = keys[rows], values[rows]

    def _grow(self, k: Tensor, v: Tensor, room: int) -> None:
        """Twice the room at a time, so that all copies together cost no more than the last."""
        before = self._buffers
        new = (
            k.new_empty(*k.shape[:2], room, k.shape[3]),
            v.new_empty(*v.shape[:2], room, v.shape[3]),
        )
        if before is not None:
            for buffer, old in zip(new, before):
                buffer[:, :, : self._length] = old[:, :, : self._length]
        self._buffers = new


@dataclass(frozen=True, slots=True)
class Segments:
    """The last states of every layer's input, from one segment to the next (Dai et al., ACL 2019).

    Attributes:
        states: `(B, M, D)` of each layer, oldest first; empty before the first segment.
        most: places that are kept.
    """

    states: tuple[Float[Tensor, "batch kept width"], ...]
    most: int

    def before(
        self, layer: int, x: Float[Tensor, "batch new width"]
    ) -> Float[Tensor, "batch all width"]:
        """What a layer hears: what it held of earlier segments, and this one."""
        return torch.cat([self.states[layer], x], 1) if self.states else x

    def then(self, inputs: list[Tensor]) -> "Segments":
        """After a segment in which the layers were given these; no gradient goes back to it."""
        told = [self.before(layer, x) for layer, x in enumerate(inputs)]
        kept = (x[:, max(x.shape[1] - self.most, 0) :].detach() for x in told)
        return Segments(tuple(kept), self.most)


class RelativeScores(nn.Module):
    """The four terms of Transformer-XL (Dai et al., ACL 2019, arXiv:1901.02860, section 3.3).

    `q_i k_j + q_i W_R r + u k_j + v W_R r` with r the waves of `i - j`: what is asked and what is
    said, what is asked and how far, what is said at all, and how far at all. Places ahead count as
    the place itself: it is for patterns that hear none.

    Args:
        heads: H.
        key: K.
        width: of the waves.
    """

    def __init__(self, heads: int, key: int, width: int) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.content = nn.Parameter(torch.zeros(heads, 1, key))
        self.way = nn.Parameter(torch.zeros(heads, 1, key))
        self.turn = nn.Linear(width, heads * key, bias=False)

    def forward(
        self,
        q: Float[Tensor, "batch heads queries key"],
        keys: int,
        scale: float | None = None,
        furthest: int | None = None,
    ) -> tuple[Float[Tensor, "batch heads queries key"], Rule]:
        """The queries and the bias that `attend` is to be given.

        Args:
            q: of the last places.
            keys: how many there are.
            scale: of the products, 1 / sqrt(K) if None.
            furthest: places back that the pattern lets through, all if None; time and memory go
                with queries times this.
        """
        ways = keys if furthest is None else min(keys, furthest + 1)
        waves = sinusoid(ways, self.width).to(q)
        r_HWK = self.turn(waves).view(ways, self.heads, -1).transpose(0, 1)
        factor: float = q.shape[-1] ** -0.5 if scale is None else scale
        far_BHLW = torch.matmul(q + self.way, r_HWK.transpose(1, 2)) * factor
        first = keys - q.shape[2]

        def rule(receivers: Tensor, senders: Tensor) -> Tensor:
            return far_BHLW[:, :, receivers - first, (receivers - senders).clamp(0, ways - 1)]

        return q + self.content, rule
