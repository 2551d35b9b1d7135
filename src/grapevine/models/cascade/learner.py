"""How the models of several behaviours learn: the losses of all of them, step by step."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grapevine.core.all_pairs import all_pairs
from grapevine.core.kernels.spmm import Sparse
from grapevine.core.kernels.unit import unit_rows
from grapevine.core.losses import bpr
from grapevine.core.neighbourhoods import Adjacency
from grapevine.core.over_all import softmax_over_all
from grapevine.data.dataset import Dataset
from grapevine.graph.cooccurrence import distinct
from grapevine.models.base import Layout
from grapevine.models.cascade.batches import Asked, ByPairs, ByUsers, Step
from grapevine.models.cascade.config import ONE_FOR_ALL, TYPED, Config
from grapevine.models.cascade.model import (
    CascadePairs,
    CascadeVectors,
    TypedConfig,
    TypedVectors,
    VectorsConfig,
)
from grapevine.models.cascade.network import Network
from grapevine.models.cascade.scorer import View
from grapevine.models.cascade.typed import Heard, Hiding
from grapevine.models.learning import GradientLearner
from grapevine.models.schedules import Schedule
from grapevine.models.tables import Pairs
from grapevine.tasks.cascade import cascaded, log_loss


class CascadeLearner(GradientLearner):
    """Steps of Adam for all behaviours that are asked for."""

    network: Network

    def __init__(self, config: Config, train: Dataset, *, seed: int) -> None:
        self.config = config
        self.epochs, self.patience = config.epochs, config.patience
        self.target = train.schema.target_row
        self.places = [self.target] if config.behaviours == "target" else [*range(self.target + 1)]
        self.names = [train.schema.behaviours[row] for row in self.places]
        events = train.interactions
        self.pairs = {
            place: Pairs.of(distinct(events.of(row).histories, events.num_items), events.num_items)
            for place, row in enumerate(self.places)
        }
        rows = {row: place for place, row in enumerate(self.places)}
        self.asked = {rows[row]: one for row, one in config.asked(train).items()}
        self.taken = _taken(self.pairs)
        self.met = met_of(self.pairs)
        self.hiding = None
        if config.encoder in TYPED:
            self.hiding = Hiding(config, train, self.pairs, self.places, seed=seed)
        alone = config.encoder in {"ids", *TYPED}
        graphs = () if alone else [graph_of(one) for one in self.pairs.values()]
        network = Network(
            config, events.num_users, events.num_items, self.names, graphs,
            self.hiding, seed=seed,
        )  # fmt: skip
        super().__init__(
            network,
            seed=seed,
            learning_rate=config.learning_rate,
            schedule=Schedule(peak=config.learning_rate, epochs=config.epochs, decay=config.decay),
        )

    def batches(self, epoch: int) -> ByPairs | ByUsers:
        """The steps of an epoch, counted from 0."""
        config = self.config
        known, heard = self.pairs, None
        if self.hiding is not None:
            known, heard = self.hiding.drawn(epoch, self.asked)
        pairs = {place: known[place] for place in self.asked}
        if config.loss == "all-pairs":
            return ByUsers(pairs, size=config.batch, seed=self.seed, epoch=epoch)
        drawn = {"log-loss": config.negatives, "bpr": 1}.get(config.loss, 0)
        return ByPairs(
            pairs, self.taken, dict(enumerate(self.names)), size=config.batch, negatives=drawn,
            seed=self.seed, epoch=epoch, heard=heard,
        )  # fmt: skip

    def loss(self, batch: Step) -> dict[str, Tensor]:
        """What each behaviour loses, by how much it counts, and the regularisation."""
        network, config = self.network, self.config
        # Who has no event is heard by its attributes alone, as when all is learnt.
        met = None if self.hiding is None else torch.from_numpy(self.met)
        views = network.views(batch.heard, met)
        lose = LOSSES[config.loss]
        parts = {
            self.names[place]: self.asked[place] * lose(self, views, place, one, batch)
            for place, one in batch.asked.items()
            # Over all pairs, those who took nothing by it are told that they did not.
            if len(one.users) or config.loss == "all-pairs"
        }
        if config.regularization:
            nodes = [torch.from_numpy(np.concatenate([
                batch.users[one.users] if len(batch.users) else one.users,
                network.num_users + one.items,
                network.num_users + one.negatives.ravel(),
            ])) for one in batch.asked.values()]  # fmt: skip
            asked = max(max(len(one.users) for one in batch.asked.values()), 1)
            squares = network.rows(torch.cat(nodes)).square().sum()
            parts["regularization"] = config.regularization * squares / (2 * asked)
        return parts or {"nothing": network.held.weight.sum() * 0}

    @property
    def identity(self) -> dict[str, str]:
        """What is learnt from beside the events and the catalogue: attributes, of users too."""
        if self.hiding is None:
            return {}
        return {"attributes": self.hiding.identity, "timed": str(self.hiding.began is not None)}

    def parameters(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Those of a state; of a typed graph with other relations or values, none of its own."""
        found = super().parameters(state)
        labels = state.get("network.typed.labels", np.empty(0))
        if self.hiding is None or np.array_equal(labels, self.hiding.labels):
            return found
        return {n: one for n, one in found.items() if not n.startswith("network.typed.")}

    @property
    def rows_of(self) -> Mapping[str, Layout]:
        """Users stand before items."""
        return dict.fromkeys(("held.weight", "deep.weight"), ("users", "items"))

    @torch.no_grad()
    def model(self) -> CascadeVectors | CascadePairs:
        """The model as it is now."""
        network, target = self.network.eval(), len(self.names) - 1
        users = self.network.num_users
        # Whatever a stranger did is heard, as in training.
        num_items = self.pairs[0].num_items
        degrees = np.bincount(self.taken[0] % num_items, minlength=num_items)
        # Of nodes without a pair nothing is known but that they were drawn, and their attributes.
        met, heard = self.met, None
        if self.hiding is not None:
            heard = Heard.of(self.hiding.whole, self.config.encoder)
        views = network.views(heard, torch.from_numpy(met))
        degrees_of, users_met = degrees, met[:users]
        if self.hiding is not None:
            met = met | self.hiding.told
            # An item that nobody met and that is known all the same says something in a history.
            degrees_of = np.maximum(degrees, met[users:])
            if not isinstance(self.config, TypedConfig):  # its model tells no such users apart
                met[:users] = users_met
        all_count = self.config.behaviours == "all"
        behaviour = np.array([-1 if all_count else self.target])
        if isinstance(self.config, VectorsConfig):
            nodes = _kept(views[target].nodes, met)
            found: dict[str, Any] = {
                "config": self.config, "users": nodes[:users], "items": nodes[users:],
                "degrees": degrees_of, "behaviour": behaviour,
                "scale": views[target].weights.numpy().copy(),
            }  # fmt: skip
            if isinstance(self.config, TypedConfig):
                return TypedVectors(**found, learnt=users_met)
            return CascadeVectors(**found)
        shared = self.config.encoder in ONE_FOR_ALL
        tables = (
            {"held": views[0].nodes}
            if shared
            else {name: view.nodes for name, view in zip(self.names, views, strict=True)}
        )
        if self.config.scorer == "neumf":
            tables["deep"] = views[0].deep
        towers = network.scorer.state_dict()
        return CascadePairs(
            config=self.config,
            tables={name: _kept(one, met) for name, one in tables.items()},
            towers={name: one.numpy().copy() for name, one in towers.items()},
            scales=torch.stack([view.weights for view in views]).numpy(),
            names=tuple(self.names), degrees=degrees_of, met=users_met, behaviour=behaviour,
            heard=met[users:],
        )  # fmt: skip

    def _scores(self, views: list[View], place: int, one: Asked) -> tuple[Tensor, Tensor]:
        """What the taken item scores, and each that was drawn."""
        items = torch.from_numpy(np.column_stack([one.items, one.negatives]))
        users = torch.from_numpy(one.users)
        needed = [place] if self.config.how == "none" else range(place + 1)
        own = [self.network.own(views, at, users, items) for at in needed]
        said = cascaded(own, self.config.how)[-1]
        return said[:, 0], said[:, 1:]

    def log_loss(self, views: list[View], place: int, one: Asked, _: Step) -> Tensor:
        """Yes for what was taken, no for what was drawn."""
        return log_loss(*self._scores(views, place, one), self.config.how)

    def bpr(self, views: list[View], place: int, one: Asked, _: Step) -> Tensor:
        """What was taken before what was drawn."""
        return bpr(*self._scores(views, place, one))

    def all_pairs(self, views: list[View], place: int, one: Asked, batch: Step) -> Tensor:
        """The squared error over all items, for each user of the step."""
        view, first = views[place], self.network.num_users
        lost = all_pairs(
            view.nodes[torch.from_numpy(batch.users)] * view.weights,
            view.nodes[first:],
            torch.from_numpy(one.users),
            torch.from_numpy(one.items),
            negative=self.config.negative_weight,
        )
        return lost / len(batch.users)

    def softmax(self, views: list[View], place: int, one: Asked, _: Step) -> Tensor:
        """The share of what was taken among all items."""
        view, first = views[place], self.network.num_users
        asking = view.nodes[torch.from_numpy(one.users)] * view.weights
        items = view.nodes[first:]
        if self.config.cosine:
            asking, items = unit_rows(asking), unit_rows(items)
        answers = torch.from_numpy(one.items)
        return softmax_over_all(asking / self.config.temperature, items, answers)


LOSSES: dict[str, Callable[[CascadeLearner, list[View], int, Asked, Step], Tensor]] = {
    "log-loss": CascadeLearner.log_loss,
    "bpr": CascadeLearner.bpr,
    "all-pairs": CascadeLearner.all_pairs,
    "softmax": CascadeLearner.softmax,
}


def met_of(pairs: Mapping[int, Pairs]) -> np.ndarray:
    """`(U + I,)` which nodes have a pair of any behaviour."""
    first = next(iter(pairs.values()))
    met = np.zeros(first.num_users + first.num_items, bool)
    for one in pairs.values():
        met[one.users] = met[one.num_users + one.items] = True
    return met


def _kept(nodes_ND: Tensor, met: np.ndarray) -> np.ndarray:
    return np.where(met[:, None], nodes_ND.detach().numpy(), 0).astype(np.float32)


def graph_of(pairs: Pairs) -> Adjacency:
    """Who hears whom by one behaviour: an edge weighs one by the roots of both degrees."""
    lists = pairs.neighbours()
    degrees = np.maximum(lists.lengths, 1).astype(np.float64)
    receivers = np.repeat(np.arange(len(lists)), lists.lengths)
    weights = (degrees[receivers] * degrees[lists.values]) ** -0.5
    matrix = Sparse(lists, len(lists), weights.astype(np.float32))
    return Adjacency(matrix, matrix)  # symmetric: it is its own transpose


def _taken(pairs: dict[int, Pairs]) -> dict[int, np.ndarray]:
    """Of each behaviour `user * I + item` of what was taken by it or by one after it, rising.

    What was bought without a recorded click is no negative of clicks.
    """
    found: dict[int, np.ndarray] = {}
    later = np.empty(0, np.int64)
    for place in sorted(pairs, reverse=True):
        one = pairs[place]
        later = np.union1d(later, one.users * one.num_items + one.items)
        found[place] = later
    return found
