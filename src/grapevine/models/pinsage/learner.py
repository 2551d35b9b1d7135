"""PinSage on its way: what a step loses, and the model that comes of it."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from grapevine.core import losses
from grapevine.data.dataset import Dataset
from grapevine.models.base import Layout
from grapevine.models.learning import GradientLearner
from grapevine.models.pinsage.batches import EpochBatches, Ground, Minibatch
from grapevine.models.pinsage.config import Config
from grapevine.models.pinsage.model import PinSage
from grapevine.models.pinsage.network import Network
from grapevine.models.pinsage.softmax import SharedSoftmax
from grapevine.random import stream


class PinSageLearner(GradientLearner):
    """Steps of Adam; a warm-up within the first epoch, then exponential decay (section 3.3)."""

    def __init__(self, config: Config, train: Dataset, *, seed: int) -> None:
        self.config = config
        self.epochs, self.patience = config.epochs, config.patience
        self.ground = Ground.of(config, train, seed)
        self.train = train
        torch.manual_seed(int(stream(seed, "pinsage", "start").integers(2**63)))
        self.items = Network(
            config,
            self.ground.shapes,
            len(train.items),
            len(train.schema.behaviours),
            self.ground.ordered,
        )
        super().__init__(
            self.items,
            seed=seed,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            clip=config.clip,
        )

    def batches(self, epoch: int) -> EpochBatches:
        """The mini-batches of an epoch, counted from 0."""
        return EpochBatches(self.ground, epoch)

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """Linear to the peak within the first epoch, then less from step to step."""
        if epoch == 0:
            return self.learning_rate * (step + 1) / steps
        return self.learning_rate * self.config.decay ** (epoch - 1 + step / steps)

    def step(self, batch: Any, rate: float) -> dict[str, float]:
        """One update, on all threads but one: another makes the next batch.

        On two cores a second thread for products this small waits more than it works, and much
        more where anyone else is at work too.
        """
        before = torch.get_num_threads()
        torch.set_num_threads(max(1, before - 1))
        try:
            return super().step(batch, rate)
        finally:
            torch.set_num_threads(before)

    def loss(self, batch: Minibatch) -> dict[str, Tensor]:
        """By how much the answers of the batch do not stand above their negatives."""
        new_N = self.items.unmet(batch.graph)
        z_ND = self.items(batch.graph, new_N)
        # What nobody has met is in no history: else an item would learn to be found by itself.
        asked_BH = batch.asked
        if new_N is not None:
            asked_BH = asked_BH.masked_fill(new_N[asked_BH] & (asked_BH >= 0), -1)
        asking_BD = self.items.ask(z_ND, asked_BH, batch.behaviours)
        if self.config.loss == "softmax" and self.config.popularity < 1:
            # One place more, which adds to the dot product with every question.
            z_ND = torch.cat([z_ND, batch.told[:, None]], 1)
            asking_BD = torch.cat([asking_BD, torch.ones(len(asking_BD), 1)], 1)
        if self.config.loss == "softmax" and not batch.own.shape[1]:
            lost = SharedSoftmax.apply(
                asking_BD, z_ND[batch.answers], z_ND[batch.shared],
                batch.left_out, batch.log_expected, self.config.temperature,
            )  # fmt: skip
            return {"softmax": cast("Tensor", lost)}
        positive_B = (asking_BD * z_ND[batch.answers]).sum(1)
        shared_BS = asking_BD @ z_ND[batch.shared].T
        own_BR = torch.einsum("bd,brd->br", asking_BD, z_ND[batch.own])
        negative_BN = torch.cat([shared_BS, own_BR], 1)
        keep_BN = torch.cat([batch.keep, batch.keep_own], 1)
        return {self.config.loss: self._lost(positive_B, negative_BN, keep_BN, batch)}

    def _lost(
        self, positive_B: Tensor, negative_BN: Tensor, keep_BN: Tensor, batch: Minibatch
    ) -> Tensor:
        config = self.config
        if config.loss == "max-margin":
            return losses.max_margin(positive_B, negative_BN, keep_BN, margin=config.margin)
        if config.loss == "cross-entropy":
            return losses.cross_entropy(positive_B, negative_BN, keep_BN)
        # A hard negative is a pair's own, and no less rare for being drawn: nothing is taken off.
        expected_N = torch.cat([batch.log_expected, positive_B.new_zeros(batch.own.shape[1])])
        return losses.sampled_softmax(
            positive_B,
            negative_BN,
            keep_BN,
            log_expected_S=expected_N,
            temperature=config.temperature,
        )

    @property
    def rows_of(self) -> Mapping[str, Layout]:
        """Items have identities where they are learnt."""
        return {"ids": ("items",)}

    def model(self) -> PinSage:
        """The model as it is now: every item's vector, layer by layer."""
        return PinSage.of(self.config, self.items, self.ground, self.train)
