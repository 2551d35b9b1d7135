"""Graphs that change: a state per node that remembers, snapshot by snapshot, or event by event.

N = nodes, E = events, D = width
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from grapevine.core.edges import Edges
from grapevine.structs.jagged import Jagged, offsets_of


class Snapshots(nn.Module):
    """A layer looks at each snapshot, and a GRU keeps what it saw.

    `m_t = layer(x_t, G_t)`, `s_t = GRU(m_t, s_{t-1})`: the plain form of a recurrent graph network
    (Seo et al., 2018, arXiv:1612.07659, model 1). What is held after snapshot t depends on the
    snapshots up to t alone.

    Args:
        layer: called with states and a neighbourhood.
        heard: width of what the layer makes.
        width: D, of what a node remembers.
    """

    def __init__(self, layer: nn.Module, heard: int, width: int) -> None:
        super().__init__()
        self.layer, self.remember = layer, nn.GRUCell(heard, width)

    def forward(
        self,
        snapshots: Iterable[tuple[Tensor, object]],
        start_ND: Float[Tensor, "nodes width"] | None = None,
    ) -> Iterator[Float[Tensor, "nodes width"]]:
        """What the nodes remember after each snapshot.

        Args:
            snapshots: what the nodes hold in each, and whom they hear.
            start_ND: what they remember from before; nothing if not given.
        """
        state_ND = start_ND
        for x_ND, neighbourhood in snapshots:
            state_ND = self.remember(self.layer(x_ND, neighbourhood), state_ND)
            yield state_ND


class TimeEncoding(nn.Module):
    """`cos(w t + b)`, w learnt from a geometric start (Xu et al., ICLR 2020, TGAT, eq. 4).

    Args:
        width: D.
        longest: the time whose period the slowest number has, in the unit of the times.
    """

    def __init__(self, width: int, longest: float = 1e9) -> None:
        super().__init__()
        rates = longest ** -torch.linspace(0, 1, width)
        self.rate_D, self.shift_D = nn.Parameter(rates), nn.Parameter(torch.zeros(width))

    def forward(self, times: Float[Tensor, " times"]) -> Float[Tensor, "times width"]:
        """One row a time."""
        return torch.cos(times[:, None] * self.rate_D + self.shift_D)


def events_before(
    ends_E2: Int64[np.ndarray, "events 2"], times_E: Shaped[np.ndarray, " events"], most: int
) -> Edges:
    """Each event hears the latest earlier events of either of its nodes.

    Earlier is strictly earlier: events at the same time do not hear each other, so that what one of
    them asks is never among its inputs, however many layers there are. To ask about a pair at a
    time, let it be the last event.

    Args:
        ends_E2: the nodes of each event.
        times_E: when each was, in any order.
        most: how many of each of its two nodes an event hears.

    Returns:
        The events that each event hears, oldest first for each of its nodes; one that both of its
        nodes share stands twice.
    """
    events, nodes = np.tile(np.arange(len(times_E)), 2), ends_E2.T.ravel()
    order = np.lexsort((times_E[events], nodes))
    events, nodes = events[order], nodes[order]
    times = times_E[events]
    at = np.arange(len(events))
    fresh = np.r_[True, nodes[1:] != nodes[:-1]] if len(events) else np.zeros(0, np.bool_)
    moved = fresh | (np.r_[True, times[1:] != times[:-1]] if len(events) else fresh)
    first = np.maximum.accumulate(np.where(fresh, at, 0))
    # Where the run of this very time starts: all before it, back to the node's first, is earlier.
    stop = np.maximum.accumulate(np.where(moved, at, 0))
    start = np.maximum(first, stop - most)
    lengths = stop - start
    listener = np.repeat(events, lengths)
    into = np.arange(len(listener)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    index = np.repeat(start, lengths) + into
    by_listener = np.argsort(listener, kind="stable")
    counts = np.bincount(listener, minlength=len(times_E))
    heard = Jagged(offsets_of(counts), events[index][by_listener].astype(np.int32))
    return Edges.from_lists(heard, len(times_E))
