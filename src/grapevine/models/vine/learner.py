"""Vine on its way: what a step loses, a part for each question."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss, nll_loss

from grapevine.data.dataset import Dataset
from grapevine.models.sequence.batches import EpochBatches, Minibatch
from grapevine.models.sequence.lanes import LaneBatches
from grapevine.models.sequence.learner import SequenceLearner
from grapevine.models.sequence.losses import LOSSES, Asked
from grapevine.models.sequence.sources import Sources
from grapevine.models.vine.config import Config
from grapevine.models.vine.labels import furthest, scale_of
from grapevine.models.vine.model import Vine
from grapevine.models.vine.network import VineNetwork
from grapevine.models.vine.unordered import OF_TARGET, reordered
from grapevine.random import stream
from grapevine.tasks.cascade import cascaded, log_chances

# T = places that ask, R = behaviours, P = pairs of a history and an item


class VineLearner(SequenceLearner):
    """Steps of Adam towards what came next of each behaviour, how far it went, how it was rated."""

    config: Config

    def __init__(self, config: Config, train: Dataset, *, seed: int) -> None:
        self.names, self.target = train.schema.behaviours, train.schema.target_row
        self.given = config
        super().__init__(config.fitting(train), train, seed=seed)
        self.scale = scale_of(self.events.values if config.ratings else None)
        self.ordered = train.schema.clock != "none"
        self.reached = furthest(self.events) if config.chances else np.empty(0, np.int64)

    def _network(self, train: Dataset, sources: Sources | None) -> VineNetwork:
        return VineNetwork(
            self.config,
            self.events.num_items,
            behaviours=len(self.names),
            target=self.target,
            times=train.schema.timed,
            sources=sources,
        )

    def batches(self, epoch: int) -> EpochBatches | LaneBatches:
        """The mini-batches of an epoch, counted from 0; see `unordered` for logs without order."""
        if self.ordered:
            return super().batches(epoch)
        draw = stream(self.seed, "vine", "order", epoch)
        share = OF_TARGET if self.config.auxiliary else 1.0
        events, order = reordered(self.events, self.target, share, draw)
        last = replace(self.config, asks="last", answers="all", windows="latest", ends_early=0.0)
        return EpochBatches(last, events, self.seed, epoch, self.answering, order=order)

    def loss(self, batch: Minibatch) -> dict[str, Tensor]:
        """Each question's own loss, weighed, by its name."""
        assert batch.after is not None
        network, config = self.network, self.config
        assert isinstance(network, VineNetwork)
        answers = batch.answers
        if self.rows is not None:
            answers = torch.searchsorted(self.rows, answers)
        kinds = self.events.behaviours[batch.after]
        parts: dict[str, Tensor] = {}
        with network.items_at_hand():
            h_TD = network(batch.places).flatten(0, 1)[batch.asking]
            for behaviour, name in enumerate(self.names):
                weight = 1.0 if behaviour == self.target else config.auxiliary
                here = np.flatnonzero(kinds == behaviour)
                if not weight or not len(here):
                    continue
                if behaviour == self.target and network.pointer is not None:
                    lost, new = self._pointed(network, batch, h_TD, here)
                    parts["begun"] = lost
                    weight, here = weight * len(new) / len(here), new
                    if not len(here):
                        continue
                asked = Asked(
                    network.ask_about(h_TD[here], behaviour), answers[here], network, config,
                    self.proposal, batch.key, self.rows,
                )  # fmt: skip
                parts[name] = weight * LOSSES[config.loss](asked)
            parts |= self._of_pairs(network, batch, h_TD)
        return parts or {self.names[self.target]: h_TD.sum() * 0}

    def _pointed(
        self, network: VineNetwork, batch: Minibatch, h_TD: Tensor, here: np.ndarray
    ) -> tuple[Tensor, np.ndarray]:
        """How badly answers are told that stand in the history; and whose do not.

        The chance of an answer is that of its place, or that of none times its share among all
        items: minus its log is the sum of both losses.
        """
        places = batch.asking[here]
        longest = batch.places.items.shape[1]
        row_T, place_T = places // longest, places % longest
        logs_TL = network.point(h_TD[here], batch.places, row_T, place_T)
        there = batch.places.items[row_T] == batch.answers[here][:, None]
        there &= torch.isfinite(logs_TL[:, :-1].detach())
        stands = there.any(1)
        which = torch.where(stands, there.long().argmax(1), longest)
        return nll_loss(logs_TL, which), here[~stands.numpy()]

    def _of_pairs(self, network: VineNetwork, batch: Minibatch, h_TD: Tensor) -> dict[str, Tensor]:
        """The chances and ratings of the items that came next, and of some that did not."""
        config = self.config
        if not config.chances and not len(self.scale):
            return {}
        assert batch.after is not None
        draw = stream(batch.key, "vine", "pairs")
        some = np.sort(draw.permutation(len(batch.after))[: config.chance_pairs])
        event = batch.after[some]
        h_PD, parts = h_TD[some], dict[str, Tensor]()
        known = np.arange(self.events.num_items) if self.rows is None else self.rows.numpy()
        drawn = known[draw.integers(len(known), size=(config.chance_negatives, len(some)))]
        rows = np.concatenate([self.events.items[event][None], drawn]).ravel()
        wanted, place = np.unique(rows, return_inverse=True)
        items_PD = network.vectors(torch.from_numpy(wanted))[torch.from_numpy(place)]
        said = network.judge(h_PD.repeat(len(drawn) + 1, 1), items_PD)
        if config.chances:
            reached = np.concatenate([self.reached[event], np.full(drawn.size, -1)])
            parts["chances"] = config.chances * self._chances(said[:, :-1], reached)
        if len(self.scale):
            values = torch.from_numpy(np.asarray(self.events.values)[event])
            there = torch.isfinite(values)
            wished = (values[there] - float(self.scale[0])) / float(self.scale[1])
            found = said[: len(some), -1][there]
            lost = mse_loss(found, wished) if len(wished) else found.sum()
            parts["ratings"] = config.ratings * lost
        return parts

    def _chances(self, said_PR: Tensor, reached_P: np.ndarray) -> Tensor:
        """-log of the chances of how far each pair went, by the pairs that went anywhere."""
        lost = said_PR.new_zeros(())
        for behaviour, chance in enumerate(cascaded(said_PR.unbind(1), "chain")):
            yes, no = log_chances(chance, "chain")
            went = torch.from_numpy(reached_P >= behaviour)
            lost = lost - torch.where(went, yes, no).sum()
        return lost / max(int((reached_P >= 0).sum()), 1)

    def model(self) -> Vine:
        """The model as it is now."""
        found = super().model()
        held: dict[str, Any] = {name: getattr(found, name) for name in found.arrays}
        return Vine(
            config=self.given, weights=found.weights, target=np.array([self.target]),
            asking=np.array([self.target]),
            scale=self.scale, **held,
        )  # fmt: skip
