"""Session-parallel mini-batches: so many histories advance side by side, a few events a step.

As in GRU4Rec (Hidasi et al., ICLR 2016): each lane holds one history; where it ends, the next one
takes the lane, and the lane's state is cleared. The state of a lane goes from step to step and its
gradient does not, so that a step costs the same however long histories are. Nothing is padding but
where a history ends within a step.

The state is the learner's own and is kept with its checkpoints: a batch holds no more than which
rows go on from where their lane stood.
"""

import heapq
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from grapevine.data.interactions import Interactions
from grapevine.models.sequence.batches import Carried, Minibatch, side_by_side
from grapevine.models.sequence.config import Config
from grapevine.models.sequence.network import Network, Recurrent, States
from grapevine.random import stream

# S = histories, N = lanes, B = pieces of histories in a batch


@dataclass(frozen=True, slots=True)
class Lanes:
    """Which history is where and when; those of one event ask nothing, and are left out.

    Attributes:
        first: `(S,)` the first event of each history; by lane, then by time.
        lane: `(S,)` where it is.
        start: `(S,)` the lane's events before it.
        steps: `(S,)` its events but the last: each is asked about once.
        count: N, of lanes.
    """

    first: Int64[np.ndarray, " histories"]
    lane: Int64[np.ndarray, " histories"]
    start: Int64[np.ndarray, " histories"]
    steps: Int64[np.ndarray, " histories"]
    count: int

    @classmethod
    def of(cls, events: Interactions, count: int) -> Self:
        """Histories in the order in which they began, each to the lane that is free first."""
        lengths = np.diff(events.offsets)
        asking = np.flatnonzero(lengths > 1)
        order = asking[np.argsort(events.times[events.offsets[asking]], kind="stable")]
        steps = lengths[order] - 1
        free = [(0, lane) for lane in range(count)]
        places: list[tuple[int, int]] = []
        for more in steps.tolist():
            start, lane = free[0]
            places.append((lane, start))
            heapq.heapreplace(free, (start + more, lane))
        lane, start = np.array(places, np.int64).reshape(-1, 2).T
        by_lane = np.lexsort((start, lane))
        return cls(
            events.offsets[order][by_lane], lane[by_lane], start[by_lane], steps[by_lane], count
        )

    def __len__(self) -> int:
        """Steps of the longest lane."""
        return int((self.start + self.steps).max(initial=0))


@dataclass(frozen=True)
class LaneBatches:
    """The mini-batches of one epoch: the next events of every lane."""

    config: Config
    events: Interactions
    lanes: Lanes
    seed: int
    epoch: int

    @property
    def examples(self) -> int:
        """Events that are answers, all batches together."""
        return int(self.lanes.steps.sum())

    @cached_property
    def _starts(self) -> Int64[np.ndarray, " histories"]:
        return np.sort(self.lanes.start)

    @cached_property
    def _by_start(self) -> Int64[np.ndarray, " histories"]:
        return np.argsort(self.lanes.start, kind="stable")

    def __len__(self) -> int:
        return -(-len(self.lanes) // self.config.lane_steps)

    def __getitem__(self, step: int) -> Minibatch:
        low, lanes = step * self.config.lane_steps, self.lanes
        high = low + self.config.lane_steps
        pieces = np.concatenate([self._going_on(low), self._beginning(low, high)])
        start, steps = lanes.start[pieces], lanes.steps[pieces]
        firsts = lanes.first[pieces] + np.maximum(low - start, 0)
        stops = lanes.first[pieces] + np.minimum(high - start, steps)
        seen = side_by_side(self.events, firsts, stops, self.events.times[stops], start < low)
        asking = seen.there.flatten().nonzero().squeeze(1)
        event = firsts[:, None] + np.arange(seen.there.shape[1])
        answers = self.events.items[event[seen.there.numpy()] + 1].astype(np.int64)
        draw = stream(self.seed, "sequence", "step", self.epoch, step)
        return Minibatch(
            seen,
            asking,
            torch.from_numpy(answers),
            int(draw.integers(2**63)),
            Carried(
                torch.from_numpy(lanes.lane[pieces]),
                torch.from_numpy(start < low),
                torch.from_numpy(start + steps > high),
            ),
        )

    def _going_on(self, low: int) -> Int64[np.ndarray, " pieces"]:
        """The history of each lane that began before, and has not ended."""
        lanes, far = self.lanes, len(self.lanes) + 1
        # The last history of each lane that began before this step.
        place = np.searchsorted(
            lanes.lane * far + lanes.start, np.arange(lanes.count) * far + low, "left"
        )
        held = np.flatnonzero(place > 0)
        found = place[held] - 1
        on = (lanes.lane[found] == held) & (lanes.start[found] + lanes.steps[found] > low)
        return found[on]

    def _beginning(self, low: int, high: int) -> Int64[np.ndarray, " pieces"]:
        first, last = np.searchsorted(self._starts, [low, high])
        return self._by_start[first:last]


def along(network: Network, batch: Minibatch, held: list[Tensor]) -> States:
    """What each place holds in the end; a history that goes on does so from its lane's state.

    Args:
        network: of recurrent layers.
        batch: of lanes.
        held: `(lanes, hidden)` of each layer; written anew.
    """
    seen, carried = batch.places, batch.carried
    assert carried is not None
    row, last = torch.arange(len(carried.lane)), seen.there.sum(1) - 1
    x_BLD = network.start_of(seen)
    for layer, states in zip(network.layers, held, strict=True):
        assert isinstance(layer, Recurrent)
        before = states[carried.lane] * carried.goes_on[:, None]
        hidden_BLH = layer.chain(x_BLD, before[None])[0]
        states[carried.lane[carried.stays]] = hidden_BLH.detach()[row, last][carried.stays]
        x_BLD = layer.out(layer.dropout(hidden_BLH))
    return network.last(x_BLD)


def cleared(network: Network, lanes: int) -> list[Tensor]:
    """States of lanes in which no history is."""
    return [
        torch.zeros(lanes, layer.chain.hidden_size)
        for layer in network.layers
        if isinstance(layer, Recurrent)
    ]
