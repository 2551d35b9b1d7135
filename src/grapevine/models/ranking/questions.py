"""What the ranking stage learns from: events as questions, and candidates that are no echo of them.

A retriever that has counted an event finds its item with ease: learnt from such lists, a ranking
would trust the retriever more than it may. So users are in parts, and what is retrieved for one of
them comes of a retriever that was fitted on the other parts, asked as by a stranger with the
history before the event.

Q = questions, N = items of each: the answer, candidates, popular items
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.log import track
from grapevine.models.base import Model, Trained
from grapevine.models.ranking.config import Config
from grapevine.models.ranking.facts import Facts
from grapevine.models.ranking.shortlist import Shortlist, among
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import offsets_of
from grapevine.structs.rising import places

FEW = 1000
"""Questions of a behaviour that are always learnt from, if there are so many."""
BLOCK = 256
"""Questions that are retrieved for at once."""
POOL = 4
"""Times as many are kept of a list as an epoch draws of it."""
POWER = 0.75
"""Of the counts that popular items are drawn by."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Events, each asked about with what came before it.

    Attributes:
        events: all of training.
        rows: `(Q,)` the events that are asked about.
        ordered: whether the order of events says anything. If not, all of a user's events but the
            one that is asked about are its history.
    """

    events: Interactions
    rows: Int64[np.ndarray, " questions"]
    ordered: bool

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def behaviours(self) -> Int64[np.ndarray, " questions"]:
        """What was done."""
        return self.events.behaviours[self.rows].astype(np.int64)

    @property
    def users(self) -> Int64[np.ndarray, " questions"]:
        """By whom."""
        return np.searchsorted(self.events.offsets, self.rows, side="right") - 1

    @property
    def answers(self) -> Int64[np.ndarray, " questions"]:
        """With what."""
        return self.events.items[self.rows].astype(np.int64)

    def take(self, places: Int64[np.ndarray, " some"]) -> "Questions":
        """Some of them."""
        return replace(self, rows=self.rows[places])

    def batch(self) -> Batch:
        """As a model is asked them."""
        events, users = self.events, self.users
        starts = events.offsets[users]
        stops = self.rows if self.ordered else events.offsets[users + 1] - 1
        offsets = offsets_of(stops - starts)
        index = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], stops - starts)
        if not self.ordered:
            index += index >= np.repeat(self.rows, stops - starts)
        return Batch(
            users=users,
            offsets=offsets,
            items=events.items[index],
            behaviours=events.behaviours[index],
            times=events.times[index],
            asked_at=events.times[self.rows],
        )


def questions_of(train: Dataset, config: Config, seed: int) -> Questions:
    """The events that are asked about: of each behaviour that counts, as many as the options let.

    Raises:
        ConfigError: there is not a weight for each behaviour, or the target has none.
    """
    events, names = train.interactions, train.schema.behaviours
    most = min(
        config.questions, max(int((events.behaviours == train.schema.target_row).sum()), FEW)
    )
    found = [np.empty(0, np.int64)]
    for row in config.asked(train):
        rows = np.flatnonzero(events.behaviours == row)
        if len(rows) > most:
            draw = stream(seed, "ranking", "questions", names[row])
            rows = np.sort(draw.permutation(rows)[:most])
        found.append(rows)
    return Questions(events, np.concatenate(found), train.schema.clock != "none")


@dataclass(frozen=True, slots=True)
class Pool:
    """What each question may be asked about: the answer, then candidates, then popular items.

    Attributes:
        items: `(Q, N)` item rows; -1 for what is no negative.
        places: `(Q, N)` where each stands in the retriever's list; -1 if it does not.
        scores: `(Q, N)` what the retriever has for it there.
        size: `(Q,)` of the scores of the list: see `Shortlist.size`.
        candidates: how many of the N are from the list.
    """

    items: Int32[np.ndarray, "questions items"]
    places: Int32[np.ndarray, "questions items"]
    scores: Float32[np.ndarray, "questions items"]
    size: Float32[np.ndarray, " questions"]
    candidates: int


class Retrievers:
    """The first stage for users of each part, fitted on the others.

    Args:
        config: the options.
        train: what there is to learn from.
        seed: of the parts, and of what is fitted.
    """

    def __init__(self, config: Config, train: Dataset, seed: int) -> None:
        self.config = config
        users = len(train.users)
        self.part = stream(seed, "ranking", "parts").permutation(users) % config.folds
        options, part_of = config.first_stage(), self.part[train.interactions.users]
        self.models = [
            fitted(options, replace(
                train, interactions=train.interactions.where(part_of != part), validation=None
            ), seed)
            for part in range(min(config.folds, users))
        ]  # fmt: skip

    def lists(self, asked: Questions, order: Int64[np.ndarray, " able"]) -> Shortlist:
        """The candidates of each question.

        Args:
            asked: the questions.
            order: the items that may be candidates.
        """
        batch, parts = asked.batch(), self.part[asked.users]
        size = min(self.config.candidates, len(order))
        items = np.full((len(asked), size), -1, np.int64)
        scores = np.zeros((len(asked), size), np.float32)
        for part in np.unique(parts):
            rows = np.flatnonzero(parts == part)
            of_part = asked.take(rows).batch() if len(rows) < len(asked) else batch
            found = listed(self.models[part], strangers(of_part), order, self.config)
            items[rows], scores[rows] = found.items, found.scores
        return Shortlist(items, scores)


def strangers(batch: Batch) -> Batch:
    """The same histories, asked by nobody known."""
    return replace(batch, users=np.full(len(batch), -1, np.int64))


def listed(
    model: Model, batch: Batch, order: Int64[np.ndarray, " able"], config: Config
) -> Shortlist:
    """What a retriever brings.

    Args:
        model: the retriever.
        batch: the questions.
        order: the items that may be candidates: see `Shortlist.of`.
        config: how many there are, and whether what was met is among them.
    """
    return among(np.asarray(model.score(batch)), batch, order, config)


def fitted(options: Any, train: Dataset, seed: int) -> Model:
    """The retriever: in closed form, or trained to its last epoch without validation.

    Args:
        options: of its row.
        train: to learn from.
        seed: of it.
    """
    if not isinstance(options, Trained):
        return options.fit(train, seed=seed)
    learner = options.learner(train, seed=seed)
    for epoch in range(learner.epochs):
        batches = learner.batches(epoch)
        for step in range(len(batches)):
            learner.step(batches[step], learner.rate(epoch, step, len(batches)))
    return learner.model()


def pool_of(
    asked: Questions, retrievers: Retrievers, facts: Facts, config: Config, seed: int
) -> Pool:
    """What the questions may be asked about, drawn once.

    Args:
        asked: the questions, those of a behaviour together.
        retrievers: the first stage.
        facts: of training.
        config: the options.
        seed: of the draws.
    """
    order, target = facts.order, int(facts.behaviours[1])
    weights = (facts.takers[0] if facts.takers[0].any() else facts.takers[1])[order] ** POWER
    shares = np.cumsum(weights) / max(weights.sum(), 1e-12)
    hard = min(POOL * config.negatives, config.candidates, len(order))
    popular = POOL * config.popular if weights.any() else 0
    shape = (len(asked), 1 + hard + popular)
    items, places = np.full(shape, -1, np.int32), np.full(shape, -1, np.int32)
    scores, size = np.zeros(shape, np.float32), np.ones(len(asked), np.float32)
    taken = Taken.of(asked, target)
    for start in track(range(0, len(asked), BLOCK), "retrieving"):
        here = slice(start, min(start + BLOCK, len(asked)))
        part = asked.take(np.arange(here.start, here.stop))
        found = retrievers.lists(part, order)
        draw = stream(seed, "ranking", "pool", start)
        first = np.argsort(draw.random(found.items.shape), axis=1)[:, :hard]
        drawn = order[np.searchsorted(shares, draw.random((len(part), popular)))] if popular else \
            np.empty((len(part), 0), np.int64)  # fmt: skip
        answers = part.answers[:, None]
        every = np.hstack([answers, np.take_along_axis(found.items, first, 1), drawn])
        place = np.hstack([found.places(answers), first, found.places(drawn)])
        no_negative = taken.later(part, every) | (every == answers)
        no_negative[:, 0] = False
        places[here] = np.where(every >= 0, place, -1)
        if found.scores.shape[1]:
            at = np.take_along_axis(found.scores, np.maximum(place, 0), 1)
            scores[here] = np.where(places[here] >= 0, at, 0)
        items[here], size[here] = np.where(no_negative, -1, every), found.size
    return Pool(items, places, scores, size, hard)


@dataclass(frozen=True, slots=True)
class Taken:
    """The last event by which each user took each item, by a behaviour or by one after it.

    Attributes:
        keys: by the behaviour, `user * I + item`, rising.
        last: the place of the event of each.
    """

    keys: dict[int, Int64[np.ndarray, " pairs"]]
    last: dict[int, Int64[np.ndarray, " pairs"]]

    @classmethod
    def of(cls, asked: Questions, target: int) -> "Taken":
        """Of all events of training.

        Args:
            asked: has the behaviours that are asked for.
            target: place of the last that counts.
        """
        events = asked.events
        every = events.users * events.num_items + events.items
        keys, last = {}, {}
        for behaviour in np.unique(asked.behaviours).tolist():
            counts = (events.behaviours >= behaviour) & (events.behaviours <= target)
            rows = np.flatnonzero(counts)[::-1]
            keys[behaviour], place = np.unique(every[rows], return_index=True)
            last[behaviour] = rows[place]
        return cls(keys, last)

    def later(
        self, asked: Questions, items: Int64[np.ndarray, "questions items"]
    ) -> Bool[np.ndarray, "questions items"]:
        """Which items the user of a question went on to take, or took in it: they are no negatives.

        Where the order says nothing it is those alone that are the answer, which the caller knows.
        """
        out = np.zeros(items.shape, bool)
        if not asked.ordered:
            return out
        wanted = asked.users[:, None] * asked.events.num_items + items
        behaviours = asked.behaviours
        for behaviour in np.unique(behaviours).tolist():
            here, keys = behaviours == behaviour, self.keys[behaviour]
            place = places(keys, wanted[here])
            later = self.last[behaviour][place] >= asked.rows[here, None]
            out[here] = (place >= 0) & later & (items[here] >= 0)
        return out
