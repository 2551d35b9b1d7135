"""Steps of one task each: the mini-batches of all tasks, merged and shuffled."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64

from grapevine.errors import ConfigError
from grapevine.random import stream


@dataclass(frozen=True, slots=True)
class Mixture:
    """Whose turn it is in each step of an epoch, and which of its mini-batches it takes.

    MT-DNN (Liu et al., ACL 2019, arXiv:1901.11504, algorithm 1): every mini-batch of every task
    once in an epoch, in an order of the epoch's own, so that tasks come in proportion to their
    sizes. `temper` below 1 gives the small ones more of as many steps, in proportion to
    `batches ** temper`: a task that has more turns than mini-batches starts over, in a new order,
    and one that has fewer takes others in the next epoch.

    What a step holds depends on the seed, the epoch and the step alone.

    Attributes:
        batches: how many mini-batches each task has.
        seed: of the orders.
        epoch: counted from 0.
        temper: from 0, where all tasks that have any come alike, to 1.
    """

    batches: Mapping[str, int]
    seed: int
    epoch: int = 0
    temper: float = 1.0
    _tasks: Int64[np.ndarray, " steps"] = field(init=False, repr=False, compare=False)
    _indices: Int64[np.ndarray, " steps"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.temper <= 1:
            raise ConfigError(f"`temper` is from 0 to 1: got {self.temper}")
        turns = self.turns()
        tasks = np.repeat(np.arange(len(turns)), list(turns.values()))
        indices = [self._taken(task, count) for task, count in turns.items()]
        order = stream(self.seed, "tasks", self.epoch).permutation(len(tasks))
        object.__setattr__(self, "_tasks", tasks[order])
        object.__setattr__(
            self, "_indices", np.concatenate([np.empty(0, np.int64), *indices])[order]
        )

    def __len__(self) -> int:
        return len(self._tasks)

    def __getitem__(self, step: int) -> tuple[str, int]:
        return list(self.batches)[self._tasks[step]], int(self._indices[step])

    def turns(self) -> dict[str, int]:
        """Steps of each task in an epoch; as many in all as there are mini-batches.

        What is left of fractions goes to the largest of them.
        """
        sizes = np.array(list(self.batches.values()), np.float64)
        shares = np.where(sizes > 0, sizes**self.temper, 0.0)
        wanted = shares * (sizes.sum() / max(shares.sum(), 1.0))
        turns = np.floor(wanted + 1e-9).astype(np.int64)
        left = int(sizes.sum()) - int(turns.sum())
        turns[np.argsort(turns - wanted, kind="stable")[:left]] += 1
        return dict(zip(self.batches, turns.tolist()))

    def _taken(self, task: str, turns: int) -> Int64[np.ndarray, " turns"]:
        """The mini-batches that a task takes in its turns: all of them before any again."""
        rounds = -(-turns // max(self.batches[task], 1))
        orders = [
            stream(self.seed, "batches", task, self.epoch, again).permutation(self.batches[task])
            for again in range(rounds)
        ]
        return np.concatenate([np.empty(0, np.int64), *orders])[:turns]
