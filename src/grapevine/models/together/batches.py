"""The steps of an epoch: of one task each, merged and shuffled; or of examples with all labels.

B = examples of a batch
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from grapevine.models.together.config import Config
from grapevine.random import stream
from grapevine.tasks.mixture import Mixture
from grapevine.tasks.together import Tasks


@dataclass(frozen=True, slots=True)
class Batch:
    """What a step learns from.

    Attributes:
        x: `(B, ...)` inputs.
        labels: of each task that is asked, `(B, ...)`.
        valid: whether there is one, `(B,)`.
        epoch: counted from 0.
        opens: whether the epoch begins with it.
        turns: whether it is the first of its task after one of another, or of an epoch.
        closes: whether the epoch ends with it.
    """

    x: Tensor
    labels: Mapping[str, Tensor]
    valid: Mapping[str, Tensor]
    epoch: int
    opens: bool
    turns: bool
    closes: bool


@dataclass(frozen=True)
class Epoch:
    """The batches of one epoch.

    Steps of one task take its examples in an order of the epoch's own. Where tasks come one after
    the other (`depth`), they do so in the order in which they are named.

    Attributes:
        tasks: what is learnt from.
        config: how.
        seed: of the orders.
        epoch: counted from 0.
        examples: how many are learnt from.
    """

    tasks: Tasks
    config: Config
    seed: int
    epoch: int
    examples: int = field(init=False)
    _steps: list[tuple[tuple[str, ...], Int64[np.ndarray, " rows"]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.config.steps == "one-task":
            steps = self._of_one_task()
        else:
            names = tuple(self.tasks.trained)
            of_any = [self.tasks.rows(name, "train") for name in names]
            rows = self._shuffled(np.unique(np.concatenate(of_any)))
            steps = [(names, chosen) for chosen in _packs(rows, self.config.batch)]
        object.__setattr__(self, "_steps", steps)
        object.__setattr__(self, "examples", sum(len(rows) for _, rows in steps))

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, step: int) -> Batch:
        names, rows = self._steps[step]
        tasks = {name: self.tasks.tasks[name] for name in names}
        return Batch(
            x=torch.from_numpy(self.tasks.inputs[rows]),
            labels={name: torch.from_numpy(task.targets[rows]) for name, task in tasks.items()},
            valid={name: torch.from_numpy(task.known[rows]) for name, task in tasks.items()},
            epoch=self.epoch,
            opens=step == 0,
            turns=step == 0 or names != self._steps[step - 1][0],
            closes=step == len(self) - 1,
        )

    def _of_one_task(self) -> list[tuple[tuple[str, ...], Int64[np.ndarray, " rows"]]]:
        packs = {
            name: _packs(
                self._shuffled(self.tasks.rows(name, "train"), name),
                task.batch or self.config.batch,
            )
            for name, task in self.tasks.trained.items()
        }
        if self.config.share == "depth":
            return [((name,), rows) for name, of_task in packs.items() for rows in of_task]
        sizes = {name: len(of_task) for name, of_task in packs.items()}
        mixture = Mixture(sizes, self.seed, self.epoch, self.config.temper)
        turns = (mixture[step] for step in range(len(mixture)))
        return [((name,), packs[name][number]) for name, number in turns]

    def _shuffled(
        self, rows: Int64[np.ndarray, " rows"], *labels: str
    ) -> Int64[np.ndarray, " rows"]:
        return stream(self.seed, "rows", *labels, self.epoch).permutation(rows)


def _packs(rows: Int64[np.ndarray, " rows"], size: int) -> list[Int64[np.ndarray, " some"]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
