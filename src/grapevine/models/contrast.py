"""How LightGCN learns: each positive pair against items drawn at random."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from grapevine.core import gradients
from grapevine.data.dataset import Dataset
from grapevine.graph.cooccurrence import distinct
from grapevine.models.histories import training_events
from grapevine.models.schedules import Schedule
from grapevine.models.tables import Draw, Pairs, TableLearner, by_occurrence

if TYPE_CHECKING:
    from grapevine.models.lightgcn import LightGCN

SPREAD = 0.1
"""Standard deviation of the table at the start, as in the authors' PyTorch code."""


class Contrast:
    """BPR or sampled softmax, of dot products or cosines; regularised as LightGCN is, by row."""

    def __init__(self, config: "LightGCN.Config", pairs: Pairs) -> None:
        self.config, self.num_items = config, pairs.num_items
        counts = np.bincount(pairs.items, minlength=pairs.num_items)
        self.shares_I = counts / max(len(pairs.items), 1)
        self.first = pairs.num_users
        self.drawn = min(config.negatives, pairs.num_items)

    def negatives(
        self, draw: np.random.Generator, positives: Int64[np.ndarray, " pairs"]
    ) -> Int64[np.ndarray, " negatives"]:
        """One for each pair of BPR; for the softmax some of the positives and some at random."""
        if self.config.loss == "bpr":
            return draw.integers(self.num_items, size=len(positives))
        drawn = draw.integers(self.num_items, size=self.drawn)
        return np.concatenate([positives[: self.config.in_batch], drawn])

    def others(self, positives: Int64[np.ndarray, " pairs"]) -> tuple[()]:
        """Nothing."""
        del positives
        return ()

    def lose(self, batch: Draw, vectors: list[Tensor]) -> tuple[dict[str, float], list[Tensor]]:
        """The loss, and its gradient by users, positives and negatives."""
        if not self.config.cosine:
            lost, by_vectors = self._of_scores(batch, vectors)
            return {self.config.loss: lost}, by_vectors
        kept = [gradients.unit(one) for one in vectors]
        lost, by_units = self._of_scores(batch, [unit for unit, _ in kept])
        return {self.config.loss: lost}, [
            gradients.through_unit(gradient, *one)
            for gradient, one in zip(by_units, kept, strict=True)
        ]

    def _of_scores(self, batch: Draw, vectors: list[Tensor]) -> gradients.Lost:
        users, positives, negatives = vectors
        if self.config.loss == "bpr":
            return gradients.bpr(users, positives, negatives)
        return gradients.sampled_softmax(
            users,
            positives,
            negatives,
            left_out=batch.left_out,
            log_expected_S=self._log_expected(batch).to(users.dtype) if self.config.log_q else 0.0,
            temperature=self.config.temperature,
        )

    def _log_expected(self, batch: Draw) -> Float[Tensor, " negatives"]:
        """How often each negative was to be expected among them, both ways of drawing together."""
        taken = min(self.config.in_batch, len(batch.groups[1]))
        items = batch.groups[2] - self.first
        expected = taken * self.shares_I[items] + self.drawn / self.num_items
        return torch.from_numpy(np.log(expected))

    def decay(self, batch: Draw, num_nodes: int) -> Float[np.ndarray, " nodes"]:
        """The rows of the batch, each time they are in it (He et al., eq. 15, on a batch)."""
        return by_occurrence(batch, num_nodes, self.config.regularization)


class ContrastLearner(TableLearner):
    """The learner of LightGCN."""

    def __init__(self, config: "LightGCN.Config", train: Dataset, seed: int) -> None:
        events, self.behaviour = training_events(train, config.behaviours)
        pairs = Pairs.of(distinct(events.histories, events.num_items), events.num_items)
        super().__init__(
            pairs,
            Contrast(config, pairs),
            seed=seed,
            epochs=config.epochs,
            patience=config.patience,
            batch=config.batch,
            learning_rate=config.learning_rate,
            layers=config.layers,
            width=config.width,
            spread=SPREAD,
            rounded=config.rounded,
        )
        self.config = config
        self.schedule = Schedule(
            peak=config.learning_rate, epochs=config.epochs, decay=config.decay
        )

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """As the schedule has it."""
        return self.schedule(epoch, step, steps)

    def model(self) -> "LightGCN":
        """The model as it is now."""
        from grapevine.models.lightgcn import LightGCN

        users, items = self.vectors()
        return LightGCN(
            config=self.config,
            users=users,
            items=items,
            degrees=np.bincount(self.pairs.items, minlength=self.pairs.num_items),
            behaviour=self.behaviour,
        )
