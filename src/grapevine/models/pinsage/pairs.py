"""What training asks: the events before, and what came next."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64, UInt8

from grapevine.data.interactions import Interactions
from grapevine.graph.cooccurrence import distinct
from grapevine.models.pinsage.config import Config
from grapevine.random import stream
from grapevine.structs.jagged import Jagged, offsets_of

GOLDEN = (5**0.5 - 1) / 2

# P = pairs, E = events


@dataclass(frozen=True, slots=True)
class Pairs:
    """A question each, and its answer.

    Attributes:
        answers: `(P,)` item rows.
        firsts: `(P,)` the history is the events from this one
        stops: `(P,)` up to this one, which is not in it; never empty.
        places: `(P,)` the event of the answer, which is in no history.
        keys: `(P,)` which list of `known` belongs to the question.
        known: of each key, the items that are answers to it somewhere in training or the question
            itself, so that they are no negatives.
        kinds: `(P,)` behaviour of the answer.
    """

    answers: Int32[np.ndarray, " pairs"]
    firsts: Int64[np.ndarray, " pairs"]
    stops: Int64[np.ndarray, " pairs"]
    places: Int64[np.ndarray, " pairs"]
    keys: Int64[np.ndarray, " pairs"]
    known: Jagged
    kinds: UInt8[np.ndarray, " pairs"]

    def __len__(self) -> int:
        return len(self.answers)

    def order(self, config: Config, seed: int, epoch: int) -> Int64[np.ndarray, " drawn"]:
        """The pairs of an epoch in the order of training, by quota where there are quotas."""
        draw = stream(seed, "pinsage", "order", epoch)
        size = min(config.epoch_pairs or len(self), len(self))
        if not config.quotas:
            return draw.permutation(len(self))[:size]
        counts = np.bincount(self.kinds, minlength=len(config.quotas))
        shares = np.where(counts > 0, np.resize(config.quotas, len(counts)), 0.0)
        if not shares.sum():
            return draw.permutation(len(self))[:size]
        # Turns of the golden ratio fill any run of slots in proportion, so every batch is mixed
        # alike.
        turns = (np.arange(1, size + 1) * GOLDEN) % 1.0
        kind = np.searchsorted(np.cumsum(shares / shares.sum()), turns, side="right")
        kind = np.minimum(kind, len(shares) - 1)
        order = np.empty(size, np.int64)
        for one in np.unique(kind):
            rows = draw.permutation(np.flatnonzero(self.kinds == one))
            order[kind == one] = np.resize(rows, int((kind == one).sum()))
        return order


def pairs_of(events: Interactions, config: Config, target: int, *, ordered: bool = True) -> Pairs:
    """All pairs of the training events.

    Args:
        events: those that make histories.
        config: the options.
        target: the behaviour that is predicted.
        ordered: whether the order of events means anything; if not, a user's history is the set of
            its other events.
    """
    asks = config.answers == "all"
    may_answer = np.ones(len(events), bool) if asks else events.behaviours == target
    if config.pairs == "item":
        return _after_items(events, may_answer, config.window)
    return _after_histories(events, may_answer, ordered)


def _after_histories(events: Interactions, may_answer: np.ndarray, ordered: bool) -> Pairs:
    """All events of a user before an answer that the user has not given before, or all others."""
    users = events.users
    places = np.flatnonzero(may_answer)
    pair = users[places] * events.num_items + events.items[places]
    places = places[np.unique(pair, return_index=True)[1]]
    first, last = events.offsets[users[places]], events.offsets[users[places] + 1]
    places = np.sort(places[places > first if ordered else last - first > 1])
    answered = events.where(may_answer)
    return Pairs(
        answers=events.items[places],
        firsts=events.offsets[users[places]],
        stops=places if ordered else events.offsets[users[places] + 1],
        places=places,
        keys=users[places],
        known=distinct(answered.histories, events.num_items),
        kinds=events.behaviours[places],
    )


def _after_items(events: Interactions, may_answer: np.ndarray, window: int) -> Pairs:
    """Each event, and each of the next few of the same user with another item."""
    users = events.users
    askers, answers = [], []
    for ahead in range(1, window + 1):
        asker = np.arange(max(len(events) - ahead, 0))
        answer = asker + ahead
        fits = (users[asker] == users[answer]) & (events.items[asker] != events.items[answer])
        fits &= may_answer[answer]
        askers.append(asker[fits])
        answers.append(answer[fits])
    asker, answer = np.concatenate(askers), np.concatenate(answers)
    keys = events.items[asker].astype(np.int64)
    return Pairs(
        answers=events.items[answer],
        firsts=asker,
        stops=asker + 1,
        places=answer,
        keys=keys,
        known=_known(keys, events.items[answer], events.num_items),
        kinds=events.behaviours[answer],
    )


def _known(keys: np.ndarray, answers: np.ndarray, num_items: int) -> Jagged:
    """Of each item, itself and all that were ever its answer."""
    every = np.arange(num_items)
    keys, answers = np.concatenate([every, keys]), np.concatenate([every, answers])
    order = np.argsort(keys, kind="stable")
    lists = Jagged(
        offsets_of(np.bincount(keys, minlength=num_items)), answers[order].astype(np.int32)
    )
    return distinct(lists, num_items)


def latest(
    firsts: Int64[np.ndarray, " questions"],
    stops: Int64[np.ndarray, " questions"],
    recent: int,
) -> Int64[np.ndarray, "questions events"]:
    """The last `recent` events of each history, the latest first; -1 where there are fewer."""
    longest = int(np.clip((stops - firsts).max(initial=0), 1, recent))
    events = stops[:, None] - 1 - np.arange(longest)
    return np.where(events >= firsts[:, None], events, -1)


def others(
    firsts: Int64[np.ndarray, " questions"],
    stops: Int64[np.ndarray, " questions"],
    places: Int64[np.ndarray, " questions"],
    recent: int,
    draw: np.random.Generator,
) -> Int64[np.ndarray, "questions events"]:
    """Events of each history but the answer; where there are more than `recent`, so many drawn.

    Args:
        firsts: of each history.
        stops: of each history.
        places: the event of each answer, within.
        recent: at most so many.
        draw: names the draws.
    """
    counts = stops - firsts - 1
    longest = int(np.clip(counts.max(initial=0), 1, recent))
    chosen = np.tile(np.arange(longest), (len(firsts), 1))
    for row in np.flatnonzero(counts > longest):
        chosen[row] = draw.choice(int(counts[row]), longest, replace=False)
    there = chosen < counts[:, None]
    events = firsts[:, None] + chosen
    return np.where(there, events + (events >= places[:, None]), -1)
