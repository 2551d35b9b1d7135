"""The last state of histories, as training left the network."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from grapevine.data.interactions import Interactions
from grapevine.models.sequence.batches import Places, side_by_side, with_returns
from grapevine.models.sequence.network import Network


def read(
    network: Network,
    events: Interactions,
    rows: Int64[np.ndarray, " rows"],
    asked_at: Int64[np.ndarray, " rows"],
) -> Float[Tensor, "rows width"]:
    """The last state of some histories, or that of a mask after them.

    Args:
        network: what training left.
        events: the histories.
        rows: which of them; none is empty.
        asked_at: when each is asked, in milliseconds.
    """
    seen, lengths = seen_by(network, events, rows, asked_at)
    return network.at(seen, lengths - 1)


def seen_by(
    network: Network,
    events: Interactions,
    rows: Int64[np.ndarray, " rows"],
    asked_at: Int64[np.ndarray, " rows"],
) -> tuple[Places, Int64[Tensor, " rows"]]:
    """What the network sees of some histories, and how many places each has; see `read`."""
    cloze = network.config.asks == "cloze"
    stops = events.offsets[rows + 1]
    most = network.config.length - cloze
    firsts = np.maximum(events.offsets[rows], stops - most)
    seen = side_by_side(events, firsts, stops, asked_at)
    if network.returns is not None:
        seen = with_returns(seen, firsts, network.returns.wish(events))
    lengths = torch.from_numpy(stops - firsts)
    if cloze:
        seen = with_mask(seen, lengths, network.num_items + 1)
        lengths = lengths + 1
    return seen, lengths


def with_mask(seen: Places, lengths: Int64[Tensor, " batch"], mask: int) -> Places:
    """The same histories with a masked event after the last."""
    batch, longest = seen.items.shape
    row = torch.arange(batch)

    def longer(table: Tensor, filling: int | bool) -> Tensor:
        column = table.new_full((batch, 1), filling)
        return torch.cat([table, column], 1)

    items = longer(seen.items, mask - 1)
    items[row, lengths] = mask
    there = longer(seen.there, False)
    there[row, lengths] = True
    back = longer(seen.back + 1, 0)
    back[torch.arange(longest + 1) >= lengths[:, None]] = 0
    return Places(
        items=items,
        back=back,
        times=longer(seen.times, 0),
        asked=longer(seen.asked, 0),
        there=there,
        behaviours=longer(seen.behaviours, -1),
        gone=longer(seen.gone, -1),
    )
