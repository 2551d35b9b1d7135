"""Mini-batches (Algorithm 2): the pairs, their negatives, and the part of the graph they need."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Int64
from torch import Tensor

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.encoders.fusion import Shapes, gather
from grapevine.graph.levels import levels, strangers
from grapevine.models.histories import training_events
from grapevine.models.pinsage import alike, negatives
from grapevine.models.pinsage.config import Config
from grapevine.models.pinsage.network import Subgraph
from grapevine.models.pinsage.pairs import Pairs, latest, others, pairs_of
from grapevine.random import stream
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.features import Features
from grapevine.structs.neighbour_table import NeighbourTable
from grapevine.views.content import Content
from grapevine.views.features import FeatureView
from grapevine.views.graph import bipartite

SMALLEST = 256
"""Pairs of a step, where an epoch has few."""

# B = pairs, H = events of a history, S = shared negatives, R = hard negatives of a pair


@dataclass(frozen=True, slots=True)
class Minibatch:
    """All that one step looks at; every item is a place in the innermost level of `graph`.

    Attributes:
        graph: the nodes that are needed, with their features.
        asked: `(B, H)` the history of each pair, the latest first; -1 where it is shorter.
        behaviours: `(B, H)` what those events were.
        answers: `(B,)` what came next.
        shared: `(S,)` the negatives of all.
        keep: `(B, S)` which of them may be a pair's.
        left_out: the others, as `pair * S + negative`, rising.
        log_expected: `(S,)` log of the chance that each was to be among them.
        told: `(n,)` what is added to the score of each innermost node for its popularity.
        own: `(B, R)` the hard negatives of each pair; any place where `keep_own` is false.
        keep_own: `(B, R)` which of them may be.
    """

    graph: Subgraph
    asked: Int[Tensor, "pairs events"]
    behaviours: Int[Tensor, "pairs events"]
    answers: Int[Tensor, " pairs"]
    shared: Int[Tensor, " negatives"]
    keep: Bool[Tensor, "pairs negatives"]
    left_out: Int64[np.ndarray, " left_out"]
    log_expected: Float[Tensor, " negatives"]
    told: Float[Tensor, " asked"]
    own: Int[Tensor, "pairs own"]
    keep_own: Bool[Tensor, "pairs own"]


@dataclass(frozen=True)
class Ground:
    """What training stands on: the events as a graph and as pairs, the catalogue as features.

    Attributes:
        config: the options.
        events: those that make the graph and the histories.
        graph: items and the users who met them.
        table: whom each item listens to.
        view: how the catalogue is seen.
        features: of each item, its content among the vectors.
        content: how the catalogue's content is seen; None where it is not.
        pairs: what is asked.
        seed: of all draws.
        ordered: whether the order of a user's events means anything.
    """

    config: Config
    events: Interactions
    graph: Bipartite
    table: NeighbourTable
    view: FeatureView
    features: Features
    content: Content | None
    pairs: Pairs
    seed: int
    ordered: bool = True

    @classmethod
    def of(cls, config: Config, train: Dataset, seed: int) -> "Ground":
        """Walk, look at the catalogue, and pair up, on the training events alone."""
        events, _ = training_events(train, config.behaviours)
        graph = bipartite(events)
        ordered = config.in_order and train.schema.clock != "none"
        degrees = events.counts()
        view = FeatureView.fit(train, use=config.features, degrees=degrees)
        features = view.encode(train.item_table, degrees)
        content = alike.content_of(config, features, view)
        if content:
            features = alike.with_content(features, content)
        return cls(
            config=config,
            events=events,
            graph=graph,
            table=alike.neighbours_of(config, graph, seed),
            view=view,
            features=features,
            content=content,
            pairs=pairs_of(events, config, train.schema.target_row, ordered=ordered),
            seed=seed,
            ordered=ordered,
        )

    @property
    def shapes(self) -> Shapes:
        """What the encoder must know of the features."""
        degree = self.view.degree is not None
        return Shapes.of(self.features, buckets=self.view.buckets, degree=degree)

    @cached_property
    def chances(self) -> Float32[np.ndarray, " items"]:
        """How often each item is the answer of a pair, of all."""
        counts = np.bincount(self.pairs.answers, minlength=self.events.num_items)
        return (counts / max(len(self.pairs), 1)).astype(np.float32)

    @cached_property
    def told(self) -> Float32[np.ndarray, " items"]:
        """What is added to an item's score in training, so that it need not tell it itself."""
        share = 1 - self.config.popularity
        log_chance = np.log(np.maximum(self.chances, 1 / max(len(self.pairs), 1)))
        return (share * self.config.temperature * log_chance).astype(np.float32)

    @cached_property
    def met(self) -> Int64[np.ndarray, " met"]:
        """The items with an event."""
        return np.flatnonzero(self.events.counts())

    @cached_property
    def rows(self) -> Int64[np.ndarray, " items"]:
        """The row of each item in the table of identities; -1 for one that nobody has met."""
        return np.where(self.events.counts() > 0, np.arange(self.events.num_items), -1)

    @property
    def about(self) -> Float32[np.ndarray, "items content"]:
        """What each item is about; of no width where that is not looked at."""
        return self.features.vectors.get(
            alike.CONTENT, np.zeros((len(self.features), 0), np.float32)
        )

    @cached_property
    def alike(self) -> NeighbourTable:
        """Whom each item listens to while it counts as new: those met that are near by content."""
        width = self.config.neighbours
        if self.content is None or not self.config.content_neighbours:
            return alike.nobody(self.events.num_items, width)
        met = alike.most_met(self.events.counts())
        return alike.nearest(self.about, self.about, met, width, same=True)

    @cached_property
    def heard(self) -> NeighbourTable:
        """Whom each item listens to in truth: by walks, and by content where nobody has met it."""
        new = self.rows[:, None] < 0
        return NeighbourTable(
            np.where(new, self.alike.nodes, self.table.nodes),
            np.where(new, self.alike.weights, self.table.weights),
        )

    @cached_property
    def both(self) -> NeighbourTable:
        """Side by side, whom each item listens to by walks and whom by content."""
        if not (self.config.new_share and self.shapes.describe):
            return self.table
        return NeighbourTable(
            np.hstack([self.table.nodes, self.alike.nodes]),
            np.hstack([self.table.weights, self.alike.weights]),
        )

    @cached_property
    def bands(self) -> negatives.Bands:
        """Where hard negatives come from."""
        return negatives.Bands.of(self.config, self.graph, seed=self.seed)


@dataclass(frozen=True)
class EpochBatches:
    """The mini-batches of one epoch, each made when it is asked for; safe in any thread."""

    ground: Ground
    epoch: int

    @cached_property
    def order(self) -> Int64[np.ndarray, " drawn"]:
        """The pairs of this epoch, in the order of training."""
        return self.ground.pairs.order(self.ground.config, self.ground.seed, self.epoch)

    @property
    def examples(self) -> int:
        """Pairs, all batches together."""
        return len(self.order)

    @property
    def size(self) -> int:
        """Pairs of a step."""
        most, steps = self.ground.config.batch, self.ground.config.steps
        return min(most, max(SMALLEST, self.examples // steps)) if steps else most

    def __len__(self) -> int:
        return -(-self.examples // self.size)

    def __getitem__(self, step: int) -> Minibatch:
        ground, config = self.ground, self.ground.config
        size = self.size
        rows = self.order[step * size : (step + 1) * size]
        pairs, draw = ground.pairs, stream(ground.seed, "pinsage", "step", self.epoch, step)
        answers, keys = pairs.answers[rows].astype(np.int64), pairs.keys[rows]
        event = self._asked(rows, draw)
        asked = np.where(event >= 0, ground.events.items[event], -1)
        shared, log_expected = negatives.shared(config, answers, ground.chances, ground.met, draw)
        keep = strangers(pairs.known, keys, shared)
        keep &= shared != answers[:, None]
        count = negatives.hard_in(config, self.epoch)
        own = np.empty((len(rows), 0), np.int64)
        if count:
            own = ground.bands.draw(asked[:, 0].astype(np.int64), count, draw)
        keep_own = negatives.unknown(pairs.known, keys, own)
        graph, places = _needed(ground, (answers, shared, asked, np.where(keep_own, own, 0)))
        return Minibatch(
            graph=graph,
            answers=places[0],
            shared=places[1],
            asked=places[2],
            own=places[3],
            behaviours=torch.from_numpy(ground.events.behaviours[event].astype(np.int64)),
            keep=torch.from_numpy(keep),
            left_out=np.flatnonzero(~keep),
            log_expected=torch.from_numpy(log_expected),
            told=torch.from_numpy(ground.told[graph.rows[: graph.sizes[-1]].numpy()]),
            keep_own=torch.from_numpy(keep_own),
        )

    def _asked(
        self, rows: Int64[np.ndarray, " pairs"], draw: np.random.Generator
    ) -> Int64[np.ndarray, "pairs events"]:
        """The events of the histories of some pairs."""
        pairs, recent = self.ground.pairs, self.ground.config.recent
        firsts, stops = pairs.firsts[rows], pairs.stops[rows]
        if self.ground.ordered or self.ground.config.pairs == "item":
            return latest(firsts, stops, recent)
        event = others(firsts, stops, pairs.places[rows], recent, draw)
        # An item is no question about itself: what else was done with it may be of later.
        of_answer = self.ground.events.items[event] == pairs.answers[rows][:, None]
        return np.where(of_answer, -1, event)


def _needed(ground: Ground, asked: tuple[np.ndarray, ...]) -> tuple[Subgraph, list[Tensor]]:
    """The part of the graph that some blocks of items need, and the blocks as places in it."""
    flat = np.concatenate([part.ravel() for part in asked]).astype(np.int64)
    there = flat >= 0
    places = np.full(len(flat), -1, np.int64)
    found, places[there] = subgraph(flat[there], ground.both, ground.features, ground.config.layers)
    cuts = np.cumsum([part.size for part in asked])[:-1]
    return found, [
        torch.from_numpy(block.reshape(part.shape))
        for block, part in zip(np.split(places, cuts), asked)
    ]


def subgraph(
    items: Int64[np.ndarray, " items"], table: NeighbourTable, features: Features, layers: int
) -> tuple[Subgraph, Int64[np.ndarray, " items"]]:
    """The part of the graph that these items' vectors need, and the place of each in it."""
    met = levels(items, table.nodes, layers)
    heard = met.nodes[: len(met.places)]
    graph = Subgraph(
        rows=torch.from_numpy(met.nodes),
        features=gather(features, met.nodes),
        sizes=met.sizes,
        places=torch.from_numpy(met.places),
        weights=torch.from_numpy(table.weights[heard]),
    )
    return graph, met.asked.astype(np.int64)
