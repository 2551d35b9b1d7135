"""The sequence models on their way: what a step loses, and the model that comes of it."""

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.models.base import Layout
from grapevine.models.histories import training_events
from grapevine.models.learning import GradientLearner
from grapevine.models.schedules import Schedule
from grapevine.models.sequence.batches import EpochBatches, Minibatch
from grapevine.models.sequence.config import Config
from grapevine.models.sequence.items import written_out
from grapevine.models.sequence.lanes import LaneBatches, Lanes, along, cleared
from grapevine.models.sequence.losses import LOSSES, Asked
from grapevine.models.sequence.met import Met
from grapevine.models.sequence.model import Reader, Sequence
from grapevine.models.sequence.network import EVERYTHING, Network
from grapevine.models.sequence.prior import starting_bias
from grapevine.models.sequence.proposal import Proposal
from grapevine.models.sequence.sources import Sources
from grapevine.random import stream


class SequenceLearner(GradientLearner):
    """Steps of Adam towards the items that came next, or were masked."""

    network: Network

    def __init__(self, config: Config, train: Dataset, *, seed: int) -> None:
        self.config, self.seed = config, seed
        self.epochs, self.patience = config.epochs, config.patience
        events, self.behaviour = training_events(train, config.behaviours)
        self.events = events.once() if config.once else events
        counts = self.events.counts()
        _check_size(config, len(counts))
        self.sources = Sources.of(config, train, self.events, seed)
        # Nobody could have taken an item that is not yet there, and none is told off for it.
        self.rows = None if self.sources is None else torch.from_numpy(np.flatnonzero(counts))
        self.answering = train.schema.target_row if config.answers == "target" else -1
        answers = counts
        if self.answering >= 0:
            taken = self.events.items[self.events.behaviours == self.answering]
            answers = np.bincount(taken, minlength=len(counts))
        # Of a batch answers are drawn, and not all events are.
        drawn = answers if config.drawn in {"in-batch", "mixed"} else counts
        self.proposal = Proposal.of(config, drawn if self.rows is None else drawn[counts > 0])
        self.met = Met.of(self.events) if config.unmet else None
        torch.manual_seed(int(stream(seed, "sequence", "start").integers(2**63)))
        network = self._network(train, self.sources)
        if config.prior and network.bias is not None:
            network.bias.data.copy_(torch.from_numpy(starting_bias(config, answers)))
        super().__init__(
            network,
            seed=seed,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            beta2=config.beta2,
            clip=config.clip,
            schedule=Schedule(
                peak=config.learning_rate, epochs=config.epochs, warm_up=config.warm_up,
                decay=config.decay,
            ),
        )  # fmt: skip
        returns, to_go = self.network.returns, None
        if returns is not None:
            behaviours = len(train.schema.behaviours)
            to_go = returns.learn(self.events, config.rewards, behaviours)
        self.to_go = to_go
        self.lanes = Lanes.of(self.events, config.batch) if config.windows == "lanes" else None
        self.held = cleared(self.network, config.batch) if self.lanes else []
        parameters = self.network.named_parameters() if config.average else ()
        self.means = {name: one.detach().clone() for name, one in parameters}

    def _network(self, train: Dataset, sources: Sources | None) -> Network:
        """The network as it starts."""
        return Network(
            self.config, self.events.num_items, times=train.schema.timed,
            behaviours=len(train.schema.behaviours), sources=sources,
        )  # fmt: skip

    @property
    def identity(self) -> dict[str, Any]:
        """What is learnt from beside the training set: no checkpoint goes on with another."""
        if self.sources is None or self.sources.vectors is None:
            return {}
        return {"items_from": hashlib.sha256(self.sources.vectors.tobytes()).hexdigest()}

    def batches(self, epoch: int) -> EpochBatches | LaneBatches:
        """The mini-batches of an epoch, counted from 0."""
        if self.lanes is not None:
            return LaneBatches(self.config, self.events, self.lanes, self.seed, epoch)
        return EpochBatches(self.config, self.events, self.seed, epoch, self.answering, self.to_go)

    def step(self, batch: Minibatch, rate: float) -> dict[str, float]:
        """One update, of the means of the weights too."""
        lost = super().step(batch, rate)
        if self.means:
            # The first steps are far from where it ends, and a mean must not remember them.
            stays = min(self.config.average, (1 + self.steps_done) / (10 + self.steps_done))
            for name, weight in self.network.named_parameters():
                self.means[name].lerp_(weight.detach(), 1 - stays)
        return lost

    def state(self) -> dict[str, np.ndarray]:
        """As of any learner, the means of the weights, and where the lanes stand."""
        return super().state() | {n: one.numpy().copy() for n, one in self._more().items()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a state."""
        more = self._more()
        for name, one in more.items():
            one.copy_(torch.from_numpy(state[name]))
        super().load({name: one for name, one in state.items() if name not in more})

    @property
    def rows_of(self) -> Mapping[str, Layout]:
        """Item vectors stand before those of padding and of a mask."""
        alone = len(self.network.items.weight) == 2
        return {
            "items.weight": (2,) if alone else ("items", 2),
            "asked.weight": ("items",),
            "bias": ("items",),
            "made.given": ("items",),
        }

    def parameters(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Those of the model: means over the steps, where they are kept."""
        means = {f"network.{n[5:]}": one for n, one in state.items() if n.startswith("mean.")}
        return super().parameters({**state, **means})

    def begin(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Start from these, and so do their means."""
        super().begin(parameters)
        for name, one in self.network.named_parameters() if self.means else ():
            self.means[name].copy_(one.detach())

    def _more(self) -> dict[str, Tensor]:
        """What this learner holds beside its network, by name."""
        lanes = {f"lanes.{place}": one for place, one in enumerate(self.held)}
        return lanes | {f"mean.{name}": one for name, one in self.means.items()}

    def loss(self, batch: Minibatch) -> dict[str, Tensor]:
        """By how much the answers of the batch do not stand above the other items."""
        network, config, answers = self.network, self.config, batch.answers
        if self.rows is not None:
            answers = torch.searchsorted(self.rows, answers)
        with network.items_at_hand(self.steps_done):
            states_BLD = (
                network(batch.places) if batch.carried is None else along(network, batch, self.held)
            )
            h_TD = network.ask(states_BLD.flatten(0, 1)[batch.asking])
            met, after = self.met, batch.after
            known = None if met is None or after is None else partial(met.among, after)
            asked = Asked(
                h_TD, answers, network, config, self.proposal, batch.key, self.rows, known
            )
            return {config.loss: LOSSES[config.loss](asked)}

    def model(self) -> Reader:
        """The model as it is now."""
        weights, known = self.network.state_dict() | self.means, self.events.counts() > 0
        if self.sources is not None and self.network.made is not None:
            weights, known = written_out(self.network.made, weights), self.sources.known
        state = {name: one.detach().numpy().copy() for name, one in weights.items()}
        return Sequence.of(
            self.config, state, behaviour=self.behaviour, met=np.asarray(known),
            times=self.network.timed,
        )  # fmt: skip


def _check_size(config: Config, num_items: int) -> None:
    """Refuse to make the vectors of so many items that a step should not touch them all.

    Raises:
        ConfigError: the loss would look up what it drew of a table, and there is none.
    """
    large = config.loss != "softmax" and num_items > EVERYTHING
    if config.made and config.refresh == 1 and large:
        raise ConfigError(
            f'model.loss="{config.loss}" looks up what it drew where there are more than '
            f"{EVERYTHING:,} items, and of {num_items:,} all vectors are made in each step",
            hint='set model.refresh=50, so that they seldom are, or model.loss="softmax"',
        )
