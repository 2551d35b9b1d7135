"""The steps of an epoch: questions of every behaviour, each with some of what stands in its pool.

B = questions, S = items of each, the answer first; L = events
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from grapevine.models.ranking.config import Config
from grapevine.models.ranking.facts import Facts
from grapevine.models.ranking.inputs import Inputs, heard, inputs_of
from grapevine.models.ranking.questions import Pool, Questions
from grapevine.models.ranking.shortlist import numbers_of
from grapevine.random import stream
from grapevine.structs.rising import holds

STEPS = 32
"""An epoch of fewer steps than this has smaller batches, where they are not small already."""
SMALL = 32
"""Questions, of which a batch is made however few steps there are."""


@dataclass(frozen=True, slots=True)
class Step:
    """A mini-batch.

    Attributes:
        seen: the questions and their items, the answer first.
        behaviours: `(B,)` what each question asks for.
        keep: `(B, S - 1)` which of the other items are negatives.
        others: `(B, L)` an item drawn beside each event.
    """

    seen: Inputs
    behaviours: Int64[Tensor, " questions"]
    keep: Bool[Tensor, "questions negatives"]
    others: Int64[Tensor, "questions events"]


@dataclass(frozen=True)
class Material:
    """All that steps are made of.

    Attributes:
        asked: the questions.
        pool: what each may be asked about.
        facts: of training.
        taken: `user * I + item` of what was taken by the target, and by anything, rising.
    """

    asked: Questions
    pool: Pool
    facts: Facts
    taken: tuple[Int64[np.ndarray, " some"], Int64[np.ndarray, " more"]]

    @classmethod
    def of(cls, asked: Questions, pool: Pool, facts: Facts) -> "Material":
        """With what was taken by the events of the questions."""
        events = asked.events
        keys = events.users * events.num_items + events.items
        bought = events.behaviours == facts.behaviours[1]
        return cls(asked, pool, facts, (np.unique(keys[bought]), np.unique(keys)))


class Epoch:
    """So many questions of the target in a step, and those of other behaviours dealt out evenly.

    Attributes:
        examples: questions of the epoch.
    """

    def __init__(self, material: Material, config: Config, *, seed: int, epoch: int) -> None:
        """Put the questions of each behaviour into an order of the epoch's own."""
        self.material, self.config, self.seed, self.epoch = material, config, seed, epoch
        behaviours = material.asked.behaviours
        self.examples = len(behaviours)
        self.orders = [
            stream(seed, "ranking", "order", row, epoch).permutation(
                np.flatnonzero(behaviours == row)
            )
            for row in np.unique(behaviours).tolist()
        ]
        most = int((behaviours == material.facts.behaviours[1]).sum()) or self.examples
        self.steps = -(-most // min(config.batch, max(SMALL, most // STEPS)))

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Step:
        rows = np.concatenate([
            order[len(order) * step // self.steps : len(order) * (step + 1) // self.steps]
            for order in self.orders
        ])  # fmt: skip
        draw = stream(self.seed, "ranking", "step", self.epoch, step)
        material, pool, config = self.material, self.material.pool, self.config
        asked = material.asked.take(rows)
        columns = self._columns(rows, draw)
        items = np.take_along_axis(pool.items[rows], columns, 1).astype(np.int64)
        told = numbers_of(
            np.take_along_axis(pool.places[rows], columns, 1).astype(np.int64),
            np.take_along_axis(pool.scores[rows], columns, 1),
            pool.size[rows, None],
            config.candidates,
        )
        keep = items >= 0
        items = np.where(keep, items, 0)
        keys = asked.users[:, None] * asked.events.num_items + items
        own = np.stack([holds(one, keys) for one in material.taken])
        batch = heard(asked.batch(), material.facts)
        seen = inputs_of(material.facts, batch, items, told, length=config.length, own=own)
        order = material.facts.order
        others = order[draw.integers(len(order), size=tuple(seen.there.shape))]
        return Step(
            seen,
            torch.from_numpy(asked.behaviours),
            torch.from_numpy(keep[:, 1:]),
            torch.from_numpy(others),
        )

    def _columns(
        self, rows: Int64[np.ndarray, " questions"], draw: np.random.Generator
    ) -> Int64[np.ndarray, "questions items"]:
        """Which of its pool each question is asked about: negatives where there are some."""
        pool, config = self.material.pool, self.config
        turn = draw.random((len(rows), pool.items.shape[1] - 1))
        turn[pool.items[rows, 1:] < 0] = 2
        hard, popular = turn[:, : pool.candidates], turn[:, pool.candidates :]
        return np.hstack([
            np.zeros((len(rows), 1), np.int64),
            1 + np.argsort(hard, axis=1)[:, : config.negatives],
            1 + pool.candidates + np.argsort(popular, axis=1)[:, : config.popular],
        ])  # fmt: skip
