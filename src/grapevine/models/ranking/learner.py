"""The ranking stage on its way: what a step loses, and the model that comes of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from grapevine.core.losses import sampled_softmax
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.models.base import Layout
from grapevine.models.learning import GradientLearner
from grapevine.models.ranking.batches import Epoch, Material, Step
from grapevine.models.ranking.config import Config
from grapevine.models.ranking.facts import Facts
from grapevine.models.ranking.held import held_out
from grapevine.models.ranking.model import Ranker
from grapevine.models.ranking.network import Network, Shape
from grapevine.models.ranking.questions import Retrievers, fitted, pool_of, questions_of
from grapevine.models.schedules import Schedule
from grapevine.models.sequence.config import Config as SequenceConfig
from grapevine.models.sequence.items import MadeItems, written_out
from grapevine.models.sequence.sources import Sources
from grapevine.random import stream
from grapevine.tasks.cascade import cascaded, log_loss

NOTHING = -1e4
"""The logit of what is no negative: it is told for none already."""


class RankingLearner(GradientLearner):
    """Steps of Adam for all behaviours that are asked for."""

    network: Network

    def __init__(self, config: Config, train: Dataset, *, seed: int) -> None:
        self.config = config
        self.epochs, self.patience = config.epochs, config.patience
        self.target, self.names = train.schema.target_row, train.schema.behaviours
        self.weights = config.asked(train)
        if config.once and self.target < len(self.names) - 1:
            raise ConfigError(
                f"model.once keeps the farthest that was done with an item, and `{self.names[-1]}` "
                f"comes after the target `{self.names[self.target]}`",
                hint="import the log without what comes after its target, or leave model.once out",
            )
        if config.once:
            train = replace(train, interactions=train.interactions.once())
        self.sources = _sources(config, train, seed)
        self.met = train.interactions.counts() > 0
        self.facts = Facts.of(train, self.met if self.sources is None else self.sources.known)
        self.retriever = fitted(config.first_stage(), train, seed)
        retrievers = Retrievers(config, train, seed)
        asked = questions_of(train, config, seed)
        asked, self.held = held_out(train, asked, self.retriever, retrievers, self.facts, config,
                                    seed)  # fmt: skip
        pool = pool_of(asked, retrievers, self.facts, config, seed)
        self.material = Material.of(asked, pool, self.facts)
        torch.manual_seed(int(stream(seed, "ranking", "start").integers(2**63)))
        shape = Shape(len(train.users), len(train.items), len(self.names), self.target + 1)
        made = None if self.sources is None else MadeItems(_told(config), self.sources)
        super().__init__(
            Network(config, shape, made),
            seed=seed,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            schedule=Schedule(peak=config.learning_rate, epochs=config.epochs, decay=config.decay),
        )

    def batches(self, epoch: int) -> Epoch:
        """The steps of an epoch, counted from 0."""
        return Epoch(self.material, self.config, seed=self.seed, epoch=epoch)

    def loss(self, batch: Step) -> dict[str, Tensor]:
        """What each behaviour loses, by how much it counts, and the states on the next events."""
        config = self.config
        own, told = self.network(batch.seen, batch.others)
        said = cascaded(own, config.how)
        parts = dict[str, Tensor]()
        for row, weight in self.weights.items():
            here = batch.behaviours == row
            if here.any():
                lost = self._lost(said[row][here], batch.keep[here])
                parts[self.names[row]] = weight * lost
        if told is not None and config.next_weight:
            parts["next events"] = config.next_weight * told
        return parts

    def _lost(self, said_BS: Tensor, keep: Tensor) -> Tensor:
        if self.config.loss == "softmax":
            return sampled_softmax(said_BS[:, 0], said_BS[:, 1:], keep)
        negative = said_BS[:, 1:].masked_fill(~keep, NOTHING)
        return log_loss(said_BS[:, 0], negative, self.config.how)

    @property
    def rows_of(self) -> Mapping[str, Layout]:
        """Two rows that are no item's stand after the items."""
        return {"items.weight": ("items", 2), "users.weight": ("users",)}

    @torch.no_grad()
    def model(self) -> Ranker:
        """The model as it is now, calibrated by what is held out for that."""
        network = self.network
        weights: dict[str, Any] = network.state_dict()
        if network.made is not None:
            weights = written_out(network.made, weights)
        weights = {name: one.numpy().copy() for name, one in weights.items()}
        # Of items that nobody met and nothing tells, nothing is known but where they started.
        weights["items.weight"][: len(self.met)][~self.facts.known] = 0
        weights["users.weight"][~self.facts.met] = 0
        plain = Ranker.of(self.config, self.retriever, self.facts, weights, self.names)
        return plain.calibrated(self.held)


def _sources(config: Config, train: Dataset, seed: int) -> Sources | None:
    """What items are told by beside their ids; None where the catalogue has nothing of it."""
    wanted = {*config.features}
    told = [n for n, r in train.schema.items.items() if n in train.item_table.columns
            and {n, r} & wanted]  # fmt: skip
    return Sources.of(_told(config), train, train.interactions, seed) if told else None


def _told(config: Config) -> SequenceConfig:
    """The same options as the models of sequences have them, which make item vectors alike."""
    return SequenceConfig(
        width=config.width, heads=1, item_vectors="ids+features", features=config.features,
        id_dropout=config.id_dropout,
    )  # fmt: skip
