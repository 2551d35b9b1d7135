"""The user side of a sequence model in plain operations, as other runtimes know them.

The layers are those of the run. What they hear by is the whole matrix of weights, and what is
fused into compiled code elsewhere is not: `core.transformer` leaves that out while a graph is
exported.

B = histories, L = places
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import silu

from grapevine.core.heads import listeners
from grapevine.core.patterns import Complete, Pattern
from grapevine.models.sequence.batches import Places
from grapevine.models.sequence.network import Network

NEVER = -1e30
"""Added where nobody is heard: the weight is 0, and no row turns to what is no number."""


class UserSide(nn.Module):
    """Item rows to the vector that a history asks with.

    Args:
        network: of the run; what its layers hear by is replaced.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        for layer in listeners(network).values():
            layer.attend = attend_plainly

    def forward(
        self,
        items: Int64[Tensor, "batch places"],
        lengths: Int64[Tensor, " batch"],
        behaviours: Int64[Tensor, "batch places"] | None = None,
        times: Int64[Tensor, "batch places"] | None = None,
        asked_at: Int64[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch width"]:
        """The vectors.

        Args:
            items: rows, the first event first; anything after the last.
            lengths: how many there are of each history, at least 1.
            behaviours: rows, where `more_inputs` names them.
            times: in milliseconds, likewise.
            asked_at: likewise.
        """
        empty = self.network.num_items
        seen = places_of(items, lengths, behaviours, times, asked_at, empty=empty)
        last = lengths - 1
        if self.network.config.asks == "cloze":
            seen, last = masked_after(seen, lengths, self.network.num_items + 1), lengths
        return self.network.ask(self.network.at(seen, last))


def more_inputs(network: Network) -> tuple[str, ...]:
    """What the network looks at beside item rows."""
    behaviours = network.inputs.behaviour is not None
    return ("behaviours",) * behaviours + ("times", "asked_at") * network.timed


def places_of(
    items: Tensor,
    lengths: Tensor,
    behaviours: Tensor | None,
    times: Tensor | None,
    asked_at: Tensor | None,
    *,
    empty: int,
) -> Places:
    """What the network sees: as `batches.side_by_side`, computed by the graph itself.

    Args:
        items: `(B, L)`.
        lengths: `(B,)`.
        behaviours: `(B, L)`, or None where they are not looked at.
        times: `(B, L)` in milliseconds, likewise.
        asked_at: `(B,)` likewise.
        empty: the row that stands for no event.
    """
    column = torch.arange(items.shape[1])
    there = column < lengths[:, None]
    nothing = torch.zeros_like(items)
    if times is None or asked_at is None:
        time = asked = nothing
        gone = nothing - 1
    else:
        ms = torch.where(there, times, 0)
        # Looked up, for slices would part histories of two events from all others.
        end = lengths[:, None] - 1
        after = ms.gather(1, torch.minimum(column + 1, end))
        asked = torch.where(column == end, asked_at[:, None], after) // 1000
        passed = (ms - ms[:, (column - 1).clamp_min(0)]).clamp_min(0) // 1000
        time, gone = ms // 1000, torch.where(there & (column > 0), passed, -1)
    return Places(
        items=torch.where(there, items, empty),
        back=(lengths[:, None] - 1 - column).clamp_min(0),
        times=time,
        asked=asked,
        there=there,
        behaviours=nothing - 1 if behaviours is None else torch.where(there, behaviours, -1),
        gone=gone,
    )


def masked_after(seen: Places, lengths: Tensor, mask: int) -> Places:
    """The same with a masked event after the last: as `reading.with_mask`."""
    column = torch.arange(seen.items.shape[1] + 1)
    after = column == lengths[:, None]

    def longer(table: Tensor, filling: int) -> Tensor:
        return torch.cat([table, torch.full_like(table[:, :1], filling)], 1)

    return Places(
        items=torch.where(after, mask, longer(seen.items, mask - 1)),
        back=(lengths[:, None] - column).clamp_min(0),
        times=longer(seen.times, 0),
        asked=longer(seen.asked, 0),
        there=column <= lengths[:, None],
        behaviours=longer(seen.behaviours, -1),
        gone=longer(seen.gone, -1),
    )


def attend_plainly(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    pattern: Pattern,
    *,
    there: Tensor | None = None,
    bias: Tensor | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
    merge: str = "softmax",
) -> Tensor:
    """As `core.attention.attend` outside training: every query against every key."""
    queries, keys = q.shape[-2], k.shape[-2]
    products = torch.matmul(q, k.transpose(-1, -2)) * (
        q.shape[-1] ** -0.5 if scale is None else scale
    )
    products = products if bias is None else products + bias
    heard = None
    if not isinstance(pattern, Complete):
        heard = pattern.hears(torch.arange(keys - queries, keys)[:, None], torch.arange(keys)[None])
    if there is not None:
        known = there[:, None, None, :]
        heard = known if heard is None else heard & known
    if merge == "silu":
        weights = silu(products) if heard is None else silu(products).masked_fill(~heard, 0.0)
    else:
        weights = (products if heard is None else products.masked_fill(~heard, NEVER)).softmax(-1)
    return torch.matmul(weights, v)
