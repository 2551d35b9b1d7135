"""The sequence models on their way: what a step loses, and the model that comes of it."""

import numpy as np
import torch
from torch import Tensor

from grapevine.core.over_all import gbce_over_all, softmax_over_all
from grapevine.data.dataset import Dataset
from grapevine.models.histories import training_events
from grapevine.models.learning import GradientLearner
from grapevine.models.schedules import Schedule
from grapevine.models.sequence.batches import EpochBatches, Minibatch
from grapevine.models.sequence.config import Config
from grapevine.models.sequence.model import Sequence
from grapevine.models.sequence.network import Network
from grapevine.random import stream


class SequenceLearner(GradientLearner):
    """Steps of Adam towards the items that came next, or were masked."""

    network: Network

    def __init__(self, config: Config, train: Dataset, *, seed: int) -> None:
        self.config, self.seed = config, seed
        self.epochs, self.patience = config.epochs, config.patience
        self.events, self.behaviour = training_events(train, config.behaviours)
        torch.manual_seed(int(stream(seed, "sequence", "start").integers(2**63)))
        super().__init__(
            Network(config, self.events.num_items, times=train.schema.timed),
            seed=seed,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            clip=config.clip,
            schedule=Schedule(
                peak=config.learning_rate, epochs=config.epochs, warm_up=config.warm_up,
                decay=config.decay,
            ),
        )  # fmt: skip

    def batches(self, epoch: int) -> EpochBatches:
        """The mini-batches of an epoch, counted from 0."""
        return EpochBatches(self.config, self.events, self.seed, epoch)

    def loss(self, batch: Minibatch) -> dict[str, Tensor]:
        """By how much the answers of the batch do not stand above the other items."""
        network, config = self.network, self.config
        states_BLD = network(batch.places)
        h_TD = network.ask(states_BLD.flatten(0, 1)[batch.asking])
        items_ID = network.vectors()
        if config.loss == "softmax":
            lost = softmax_over_all(
                h_TD, items_ID, batch.answers, bias_I=network.bias, precision=config.precision
            )
        else:
            lost = gbce_over_all(
                h_TD, items_ID, batch.answers, bias_I=network.bias, precision=config.precision,
                negatives=config.negatives, calibration=config.calibration, key=batch.key,
            )  # fmt: skip
        return {config.loss: lost}

    def model(self) -> Sequence:
        """The model as it is now."""
        state = {
            name: one.detach().numpy().copy() for name, one in self.network.state_dict().items()
        }
        return Sequence.of(
            self.config, state, behaviour=self.behaviour, met=np.asarray(self.events.counts() > 0),
            times=self.network.gap is not None,
        )  # fmt: skip
