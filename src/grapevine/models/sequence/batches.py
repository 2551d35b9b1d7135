"""Histories cut into windows, and windows of like length put side by side."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from grapevine.data.interactions import Interactions
from grapevine.models.sequence.config import Config
from grapevine.random import stream

# B = histories, L = places of the longest, I = items


@dataclass(frozen=True, slots=True)
class Places:
    """What a network sees of some histories; the first event first, padding last.

    Attributes:
        items: `(B, L)` item rows; I where there is no event, I + 1 where it is masked.
        back: `(B, L)` how many events came after, within the history.
        times: `(B, L)` when, in seconds.
        asked: `(B, L)` when what came next did: what a place may know of its question.
        there: `(B, L)` which places hold an event.
        behaviours: `(B, L)` what each event was; -1 where that is not told.
        gone: `(B, L)` seconds since the event before; -1 where there was none, or it is not told.
        returns: `(B, L)` what is still to come after each, where the network is told.
    """

    items: Int64[Tensor, "batch places"]
    back: Int64[Tensor, "batch places"]
    times: Int64[Tensor, "batch places"]
    asked: Int64[Tensor, "batch places"]
    there: Bool[Tensor, "batch places"]
    behaviours: Int64[Tensor, "batch places"]
    gone: Int64[Tensor, "batch places"]
    returns: Float[Tensor, "batch places"] | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """Which histories of a batch of lanes are parts of longer ones; see `lanes`.

    Attributes:
        lane: `(B,)` where each is.
        goes_on: `(B,)` which began before: their first state is their lane's.
        stays: `(B,)` which have not ended: their last state becomes their lane's.
    """

    lane: Int64[Tensor, " batch"]
    goes_on: Bool[Tensor, " batch"]
    stays: Bool[Tensor, " batch"]


@dataclass(frozen=True, slots=True)
class Minibatch:
    """Histories, and what is asked at which of their places.

    Attributes:
        places: what is seen.
        asking: `(T,)` which of the B x L places ask.
        answers: `(T,)` the item row that each should name.
        key: names the draws of this step.
        carried: what is kept from step to step, where histories are cut into steps.
        after: `(T,)` place of each answer among the events; none where they are masked.
    """

    places: Places
    asking: Int64[Tensor, " asking"]
    answers: Int64[Tensor, " asking"]
    key: int
    carried: Carried | None = None
    after: Int64[np.ndarray, " asking"] | None = None


def side_by_side(
    events: Interactions,
    firsts: Int64[np.ndarray, " batch"],
    stops: Int64[np.ndarray, " batch"],
    asked_at: Int64[np.ndarray, " batch"],
    goes_on: Bool[np.ndarray, " batch"] | None = None,
) -> Places:
    """The events from each first up to each stop, as a table.

    Args:
        events: where they stand.
        firsts: place of the first event of each history.
        stops: place after the last.
        asked_at: when what comes after the last did, in milliseconds.
        goes_on: which histories began before their first event here; none if not given.
    """
    lengths = stops - firsts
    longest = max(int(lengths.max(initial=0)), 1)
    column = np.arange(longest)
    there = column < lengths[:, None]
    event = np.where(there, firsts[:, None] + column, 0)
    items = np.where(there, events.items[event] if len(events) else 0, events.num_items)
    times = np.where(there, events.times[event] if len(events) else 0, 0)
    behaviours = np.where(
        there, events.behaviours.astype(np.int64)[event] if len(events) else -1, -1
    )
    asked = np.concatenate([times[:, 1:], times[:, :1]], 1)
    last = column == lengths[:, None] - 1
    follows = there & (column > 0) if goes_on is None else there & (goes_on[:, None] | (column > 0))
    before = events.times[np.maximum(event - 1, 0)] if len(events) else 0
    asked = np.where(last, asked_at[:, None], asked)
    return Places(
        items=torch.from_numpy(items.astype(np.int64)),
        back=torch.from_numpy(np.maximum(lengths[:, None] - 1 - column, 0)),
        times=torch.from_numpy(times // 1000),
        asked=torch.from_numpy(asked // 1000),
        there=torch.from_numpy(there),
        behaviours=torch.from_numpy(behaviours),
        gone=torch.from_numpy(np.where(follows, np.maximum(times - before, 0) // 1000, -1)),
    )


def with_returns(
    seen: Places,
    firsts: Int64[np.ndarray, " batch"],
    to_go: Float32[np.ndarray, " events"],
    shuffled: np.random.Generator | None = None,
) -> Places:
    """The same places, each with what was still to come; 0 where there is no event.

    Args:
        seen: the places.
        firsts: the event at the first place of each history.
        to_go: after each event.
        shuffled: names a draw by which places change their returns with each other.
    """
    there = seen.there.numpy()
    event = (firsts[:, None] + np.arange(there.shape[1]))[there]
    returns = np.zeros(there.shape, np.float32)
    returns[there] = to_go[event if shuffled is None else shuffled.permutation(event)]
    return replace(seen, returns=torch.from_numpy(returns))


@dataclass(frozen=True)
class EpochBatches:
    """The mini-batches of one epoch, each made when it is asked for; safe in any thread."""

    config: Config
    events: Interactions
    seed: int
    epoch: int
    answering: int = -1
    """The behaviour that an answer must have; -1 for any."""
    to_go: Float32[np.ndarray, " events"] | None = None
    """What is still to come after each event, where the network is told."""
    order: Int64[np.ndarray, " events"] | None = None
    """Which of the learner's events each of these is, where they stand in another order."""

    @cached_property
    def windows(self) -> tuple[Int64[np.ndarray, " windows"], Int64[np.ndarray, " windows"]]:
        """First event of each window, and the place after its last, the answer included."""
        offsets = self.events.offsets
        most = self.config.length + (self.config.asks != "cloze")
        firsts, stops = offsets[:-1], self._ends(offsets)
        draw = stream(self.seed, "sequence", "windows", self.epoch)
        if self.config.windows == "random" and self.config.asks == "last":
            # Any event but the first may be the one that is asked for.
            room = np.maximum(stops - firsts - 1, 0)
            stops = stops - (draw.random(len(firsts)) * room).astype(np.int64)
        long = stops - firsts > most
        if self.config.windows == "random" and self.config.asks != "last":
            moved = (draw.random(len(firsts)) * (stops - firsts - most + 1)).astype(np.int64)
            firsts = np.where(long, firsts + moved, firsts)
            return firsts, np.where(long, firsts + most, stops)
        return np.where(long, stops - most, firsts), stops

    def _ends(self, offsets: Int64[np.ndarray, " ends"]) -> Int64[np.ndarray, " windows"]:
        """The place after the last event of each history, some of which end early."""
        stops, share = offsets[1:], self.config.ends_early
        if not share:
            return stops
        draw = stream(self.seed, "sequence", "ends", self.epoch)
        early = draw.random(len(stops)) < share
        # One event at least is heard, and one asked for.
        room = np.maximum(stops - offsets[:-1] - 1, 0)
        return stops - (draw.random(len(stops)) * room).astype(np.int64) * early

    @cached_property
    def batches(self) -> list[Int64[np.ndarray, " batch"]]:
        """The windows of each batch, in the order of training."""
        firsts, stops = self.windows
        asking = np.flatnonzero(self._answers > 0)
        draw = stream(self.seed, "sequence", "order", self.epoch)
        order = draw.permutation(asking)
        size, found = self.config.batch, list[np.ndarray]()
        together = self.config.pool * size
        for start in range(0, len(order), together):
            pool = order[start : start + together]
            if self.config.pool > 1:
                pool = pool[np.argsort((stops - firsts)[pool], kind="stable")]
            found += [pool[at : at + size] for at in range(0, len(pool), size)]
        return [found[place] for place in draw.permutation(len(found))]

    @cached_property
    def _answers(self) -> Int64[np.ndarray, " windows"]:
        """Events of each window that are answers, or may be masked."""
        firsts, stops = self.windows
        heard = np.minimum(firsts + (self.config.asks != "cloze"), stops)
        if self.answering < 0:
            return stops - heard
        sums = np.concatenate([[0], np.cumsum(self.events.behaviours == self.answering)])
        return sums[stops] - sums[heard]

    @property
    def examples(self) -> int:
        """Events that are answers, or may be masked, all batches together."""
        asking = np.concatenate([*self.batches, np.empty(0, np.int64)])
        return len(asking) if self.config.asks == "last" else int(self._answers[asking].sum())

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, step: int) -> Minibatch:
        chosen = self.batches[step]
        firsts, stops = (one[chosen] for one in self.windows)
        draw = stream(self.seed, "sequence", "step", self.epoch, step)
        if self.config.asks == "cloze":
            return self._cloze(firsts, stops, draw)
        events = self.events
        places = side_by_side(events, firsts, stops - 1, events.times[stops - 1])
        asked = places.there
        if self.config.asks == "last":
            asked = asked & (places.back == 0)
        if self.to_go is not None:
            shuffled = draw if self.config.returns == "shuffled" else None
            places = with_returns(places, firsts, self.to_go, shuffled)
        # The answer of a place is the event after it.
        after = np.where(places.there, firsts[:, None] + np.arange(places.there.shape[1]) + 1, 0)
        if self.answering >= 0:
            asked = asked & torch.from_numpy(events.behaviours[after] == self.answering)
        asking = asked.flatten().nonzero().squeeze(1)
        answering = after.ravel()[asking.numpy()]
        answers = torch.from_numpy(events.items[answering].astype(np.int64))
        which = answering if self.order is None else self.order[answering]
        return Minibatch(places, asking, answers, int(draw.integers(2**63)), after=which)

    def _cloze(
        self,
        firsts: Int64[np.ndarray, " batch"],
        stops: Int64[np.ndarray, " batch"],
        draw: np.random.Generator,
    ) -> Minibatch:
        """So many of each window masked, drawn; of some the last event alone."""
        places = side_by_side(self.events, firsts, stops, self.events.times[stops - 1])
        there, lengths = places.there.numpy(), stops - firsts
        wanted = np.maximum(np.round(lengths * self.config.masked), 1)
        turn = np.where(there, draw.random(there.shape), np.inf)
        masked = turn.argsort(1).argsort(1) < wanted[:, None]
        alone = draw.random(len(lengths)) < self.config.last_masked
        masked[alone] = places.back.numpy()[alone] == 0
        masked &= there
        hidden = torch.from_numpy(masked)
        asking = hidden.flatten().nonzero().squeeze(1)
        answers = places.items.flatten()[asking]
        items = places.items.masked_fill(hidden, self.events.num_items + 1)
        # Of a masked event nothing is told but where it is.
        seen = replace(
            places,
            items=items,
            behaviours=places.behaviours.masked_fill(hidden, -1),
            gone=places.gone.masked_fill(hidden, -1),
        )
        return Minibatch(seen, asking, answers, int(draw.integers(2**63)))
