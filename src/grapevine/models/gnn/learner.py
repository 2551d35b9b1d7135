"""The graph networks on their way: what a step loses, and the model that comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Int32, Int64
from torch import Tensor, nn

from grapevine.core.blocks import Layer, unit_length
from grapevine.core.losses import sampled_softmax
from grapevine.data.dataset import Dataset
from grapevine.graph.cooccurrence import both_ways, distinct
from grapevine.graph.levels import levels, strangers
from grapevine.graph.sample import sample
from grapevine.models.base import Layout
from grapevine.models.gnn.config import Config
from grapevine.models.gnn.model import GNN
from grapevine.models.gnn.network import Network, Rounds, drawn_neighbours, whole_graph
from grapevine.models.histories import training_events
from grapevine.models.learning import GradientLearner
from grapevine.models.schedules import Schedule
from grapevine.random import stream
from grapevine.structs.jagged import Jagged

# B = pairs of a batch, S = negatives, N = nodes: users, then items, D = width


@dataclass(frozen=True, slots=True)
class Minibatch:
    """Pairs, negatives, and what is needed of the graph.

    Attributes:
        nodes: rows of the nodes that are looked up; None for all.
        heard: for each round, how many nodes hear, and whom.
        users: `(B,)` places of the pairs' users among the nodes.
        items: `(B,)` places of their items.
        negatives: `(S,)` places of items.
        keep: `(B, S)` which negatives the pair's user has not taken.
    """

    nodes: Tensor | None
    heard: Rounds
    users: Tensor
    items: Tensor
    negatives: Tensor
    keep: Tensor


class GNNLearner(GradientLearner):
    """Steps of Adam towards the items that users took, away from items drawn alike."""

    network: Network

    def __init__(self, config: Config, train: Dataset, *, seed: int) -> None:
        self.config, self.seed = config, seed
        self.epochs, self.patience = config.epochs, config.patience
        events, self.behaviour = training_events(train, config.behaviours)
        self.num_items = events.num_items
        self.taken = distinct(events.histories, events.num_items)
        self.whole = whole_graph(config, self.taken, self.num_items)
        torch.manual_seed(int(stream(seed, "gnn", "start").integers(2**63)))
        super().__init__(
            Network(config, len(self.whole)),
            seed=seed,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            schedule=Schedule(
                peak=config.learning_rate, epochs=config.epochs, decay="cosine", last=0.1
            ),
        )

    @cached_property
    def neighbours(self) -> Jagged:
        """Of each node, users first."""
        return both_ways(self.taken, self.num_items)

    def batches(self, epoch: int) -> "EpochBatches":
        """The mini-batches of an epoch, counted from 0."""
        return EpochBatches(self, epoch)

    def loss(self, batch: Minibatch) -> dict[str, Tensor]:
        """What share of the whole the items of the batch fall short of, as a logarithm."""
        z_ND = unit_length(self.network(batch.nodes, batch.heard)[-1])
        users_BD, negatives_SD = z_ND[batch.users], z_ND[batch.negatives]
        share = len(negatives_SD) / self.num_items
        lost = sampled_softmax(
            (users_BD * z_ND[batch.items]).sum(1),
            users_BD @ negatives_SD.T,
            batch.keep,
            log_expected_S=float(np.log(share)),
            temperature=self.config.temperature,
        )
        return {"softmax": lost}

    @property
    def rows_of(self) -> Mapping[str, Layout]:
        """Users stand before items."""
        return {"start.weight": ("users", "items")}

    @torch.no_grad()
    def model(self) -> GNN:
        """The model as it is now; every node hears all its neighbours."""
        self.network.eval()
        everyone = (len(self.whole), self.whole)
        *_, before, last = self.network(None, [everyone] * self.config.depth)
        users = len(self.taken)
        vectors = unit_length(last).numpy()
        # Of a node without a pair the data tell nothing, but that it was drawn as a negative.
        vectors[self.neighbours.lengths == 0] = 0
        return GNN(
            config=self.config,
            users=vectors[:users].copy(),
            items=vectors[users:].copy(),
            own=before[:users].mean(0).numpy(),
            **self._last_round(before[users:]),
            degrees=np.bincount(self.taken.values, minlength=self.num_items),
            behaviour=self.behaviour,
        )

    def _last_round(self, held_ID: Tensor) -> dict[str, np.ndarray]:
        """What a stranger will need of the last layer, and of what items hold before it."""
        layer = self.network.last
        if not isinstance(layer, Layer):
            every = nn.utils.parameters_to_vector(layer.parameters())
            parts = held_ID, every[None], torch.empty(0)
        else:
            parts = layer.message(held_ID), layer.mix.weight, layer.mix.bias
        names = "said", "weight", "bias"
        return {name: part.detach().numpy().copy() for name, part in zip(names, parts)}


@dataclass(frozen=True)
class EpochBatches:
    """The mini-batches of one epoch, each made when it is asked for."""

    learner: GNNLearner
    epoch: int

    @property
    def examples(self) -> int:
        """Pairs, all batches together."""
        return len(self.learner.taken.values)

    def __len__(self) -> int:
        return -(-self.examples // self.learner.config.batch)

    @cached_property
    def order(self) -> Int64[np.ndarray, " pairs"]:
        """The pairs of this epoch, in the order of training."""
        draw = stream(self.learner.seed, "gnn", "order", self.epoch)
        return draw.permutation(self.examples)

    @cached_property
    def drawn(self) -> Int32[np.ndarray, "nodes most"]:
        """The neighbours of this epoch."""
        key = stream(self.learner.seed, "gnn", "neighbours", self.epoch).integers(2**64, dtype="u8")
        return sample(self.learner.neighbours, self.learner.config.neighbours, key)

    def __getitem__(self, step: int) -> Minibatch:
        learner, config = self.learner, self.learner.config
        taken, num_users = learner.taken, len(learner.taken)
        rows = self.order[step * config.batch : (step + 1) * config.batch]
        users = np.searchsorted(taken.offsets, rows, "right") - 1
        draw = stream(learner.seed, "gnn", "negatives", self.epoch, step)
        size = min(config.negatives, learner.num_items)
        negatives = draw.choice(learner.num_items, size, replace=False)
        asked = np.concatenate([users, taken.values[rows] + num_users, negatives + num_users])
        nodes, heard, places = self._needed(asked.astype(np.int64))
        ours, theirs, others = places.split([len(rows), len(rows), size])
        keep = torch.from_numpy(strangers(taken, users, negatives))
        return Minibatch(nodes, heard, ours, theirs, others, keep)

    def _needed(self, asked: Int64[np.ndarray, " asked"]) -> tuple[Tensor | None, Rounds, Tensor]:
        """The nodes to look up, who hears whom in each round, and the places of those asked for."""
        learner, config = self.learner, self.learner.config
        if config.neighbours == 0:
            everyone = (len(learner.whole), learner.whole)
            return None, [everyone] * config.depth, torch.from_numpy(asked)
        met = levels(asked, self.drawn, config.depth)
        places = torch.from_numpy(met.places)
        heard = [(size, drawn_neighbours(config, places, size)) for size in met.sizes[1:]]
        return torch.from_numpy(met.nodes), heard, torch.from_numpy(met.asked).long()
