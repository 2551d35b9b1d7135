"""The sequence models on their way: what a step loses, and the model that comes of it."""

import numpy as np
import torch
from torch import Tensor

from grapevine.data.dataset import Dataset
from grapevine.models.histories import training_events
from grapevine.models.learning import GradientLearner
from grapevine.models.schedules import Schedule
from grapevine.models.sequence.batches import EpochBatches, Minibatch
from grapevine.models.sequence.config import Config
from grapevine.models.sequence.lanes import LaneBatches, Lanes, along, cleared
from grapevine.models.sequence.losses import LOSSES, Asked
from grapevine.models.sequence.model import Sequence
from grapevine.models.sequence.network import Network
from grapevine.models.sequence.proposal import Proposal
from grapevine.random import stream


class SequenceLearner(GradientLearner):
    """Steps of Adam towards the items that came next, or were masked."""

    network: Network

    def __init__(self, config: Config, train: Dataset, *, seed: int) -> None:
        self.config, self.seed = config, seed
        self.epochs, self.patience = config.epochs, config.patience
        self.events, self.behaviour = training_events(train, config.behaviours)
        self.proposal = Proposal.of(config, self.events.counts())
        torch.manual_seed(int(stream(seed, "sequence", "start").integers(2**63)))
        super().__init__(
            Network(
                config, self.events.num_items, times=train.schema.timed,
                behaviours=len(train.schema.behaviours),
            ),
            seed=seed,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
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

    def batches(self, epoch: int) -> EpochBatches | LaneBatches:
        """The mini-batches of an epoch, counted from 0."""
        if self.lanes is not None:
            return LaneBatches(self.config, self.events, self.lanes, self.seed, epoch)
        return EpochBatches(self.config, self.events, self.seed, epoch, self.to_go)

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

    def _more(self) -> dict[str, Tensor]:
        """What this learner holds beside its network, by name."""
        lanes = {f"lanes.{place}": one for place, one in enumerate(self.held)}
        return lanes | {f"mean.{name}": one for name, one in self.means.items()}

    def loss(self, batch: Minibatch) -> dict[str, Tensor]:
        """By how much the answers of the batch do not stand above the other items."""
        network, config = self.network, self.config
        states_BLD = (
            network(batch.places) if batch.carried is None else along(network, batch, self.held)
        )
        h_TD = network.ask(states_BLD.flatten(0, 1)[batch.asking])
        asked = Asked(h_TD, batch.answers, network, config, self.proposal, batch.key)
        return {config.loss: LOSSES[config.loss](asked)}

    def model(self) -> Sequence:
        """The model as it is now."""
        weights = self.network.state_dict() | self.means
        state = {name: one.detach().numpy().copy() for name, one in weights.items()}
        return Sequence.of(
            self.config, state, behaviour=self.behaviour, met=np.asarray(self.events.counts() > 0),
            times=self.network.timed,
        )  # fmt: skip
