"""A model that is trained step by step and small enough to see through, to test training on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from grapevine.data.dataset import Dataset
from grapevine.models.base import Fitted, Layout
from grapevine.models.learning import GradientLearner
from grapevine.models.schedules import Schedule
from grapevine.random import stream
from grapevine.structs.batch import Batch

# B = pairs of a batch, I = items, D = width


@dataclass(frozen=True, kw_only=True)
class Tiny(Fitted):
    """Items that are met together have vectors that are alike; a history scores by its mean.

    Attributes:
        items: `(items, width)` vectors.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Few options, and dropout, so that something is drawn in every step."""

        width: int = 8
        """Length of the vectors."""
        epochs: int = 3
        """Rounds over all events."""
        patience: int = 0
        """Epochs without a better validation that end the training."""
        batch: int = 4
        """Events of a step."""
        learning_rate: float = 0.05
        """At the end of the warm-up."""
        sparse: bool = False
        """Whether the table is learnt row by row."""

        def learner(self, train: Dataset, *, seed: int = 0) -> "TinyLearner":
            """The table as it starts."""
            return TinyLearner(self, train, seed)

    items: Float32[np.ndarray, "items width"]

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Dot products of the mean of a history and every item."""
        means = np.zeros((len(batch), self.items.shape[1]), np.float32)
        for query in range(len(batch)):
            rows = batch.items[batch.offsets[query] : batch.offsets[query + 1]]
            if (rows >= 0).any():
                means[query] = self.items[rows[rows >= 0]].mean(0)
        return np.einsum("qd,id->qi", means, self.items)


@dataclass(frozen=True, slots=True)
class TinyBatches:
    """Events of an epoch, in an order of its own."""

    items: Int64[np.ndarray, " events"]
    size: int
    seed: int
    epoch: int
    examples: int = field(default=0)

    def __len__(self) -> int:
        return -(-len(self.items) // self.size)

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, Tensor]:
        order = stream(self.seed, "order", self.epoch).permutation(len(self.items))
        chosen = order[step * self.size : (step + 1) * self.size]
        draw = stream(self.seed, "negatives", self.epoch, step)
        other = self.items[draw.integers(len(self.items), size=len(chosen))]
        near = self.items[np.minimum(chosen + 1, len(self.items) - 1)]
        made = (torch.from_numpy(rows) for rows in (self.items[chosen], near, other))
        first, second, third = made
        return first, second, third


class TinyLearner(GradientLearner):
    """The item after is nearer than any other."""

    def __init__(self, config: Tiny.Config, train: Dataset, seed: int) -> None:
        start = stream(seed, "start").normal(0, 0.1, (len(train.items), config.width))
        table = nn.Embedding(len(train.items), config.width, sparse=config.sparse)
        with torch.no_grad():
            table.weight.copy_(torch.from_numpy(start))
        super().__init__(
            nn.Sequential(table, nn.Dropout(0.1)),
            seed=seed,
            learning_rate=config.learning_rate,
            schedule=Schedule(
                peak=config.learning_rate, epochs=config.epochs, warm_up=0.5, decay="cosine"
            ),
            clip=1.0,
        )
        self.config, self.epochs, self.patience = config, config.epochs, config.patience
        self.rows = train.interactions.items.astype(np.int64)

    def batches(self, epoch: int) -> TinyBatches:
        """The events in another order every time."""
        return TinyBatches(self.rows, self.config.batch, self.seed, epoch, len(self.rows))

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """What is lost where the item after is not nearer, and by how long the vectors are."""
        item_BD, near_BD, other_BD = (self.network(rows) for rows in batch)
        lead_B = (item_BD * (near_BD - other_BD)).sum(-1)
        return {
            "order": nn.functional.softplus(-lead_B).mean(),
            "length": 1e-3 * item_BD.square().sum(-1).mean(),
        }

    @property
    def rows_of(self) -> Mapping[str, Layout]:
        """Each item has a row."""
        return {"0.weight": ("items",)}

    def model(self) -> Tiny:
        """The table as it is now."""
        return Tiny(config=self.config, items=self.network[0].weight.detach().numpy().copy())  # pyright: ignore
