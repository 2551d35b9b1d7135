"""How much the loss of each task counts: constants, or what the tasks' own noise says.

Constants that were searched, with ordinary regularization, have matched every cleverer way when all
had the same budget (Kurin et al., arXiv:2201.04122; Xin et al., arXiv:2209.11379; both NeurIPS
2022): they are where to start, and what else has to beat.

Losses come by the names of their tasks, and go on so: what is minimised is the sum of the values. A
step may have the losses of a few tasks alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from grapevine.errors import ConfigError, unknown

Losses = Mapping[str, Tensor]
Kind = Literal["regression", "classification"]
"""What a loss is: a squared error, half of which goes over the variance; or -log p, all of it."""


def constant(losses: Losses, weights: Mapping[str, float]) -> dict[str, Tensor]:
    """Each loss times its weight.

    Those of weight 0 are left out, so that what only they depend on has no gradient at all, and a
    run with one task of weight 1 is the run of that task to the bit.

    Raises:
        ConfigError: a loss has no weight, or a weight is negative.
    """
    for task in losses:
        if task not in weights:
            raise unknown("task with a weight", task, list(weights))
        if not weights[task] >= 0:
            raise ConfigError(f"the weight of `{task}` is {weights[task]}: it must not be negative")
    return {task: weights[task] * loss for task, loss in losses.items() if weights[task]}


def simplex(tasks: int, parts: int) -> Iterator[tuple[float, ...]]:
    """All weights of so many tasks that are multiples of `1 / parts` and sum to one.

    >>> list(simplex(2, 2))
    [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)]
    """
    return (tuple(n / parts for n in counts) for counts in _counts(tasks, parts))


def _counts(tasks: int, parts: int) -> Iterator[tuple[int, ...]]:
    if tasks == 1:
        yield (parts,)
        return
    for first in range(parts + 1):
        yield from ((first, *rest) for rest in _counts(tasks - 1, parts - first))


class Uncertainty(nn.Module):
    """Weights from a variance for each task, which is learnt (Kendall et al., CVPR 2018).

    arXiv:1705.07115, eq. 7-10, with `s = log variance`: `1/2 exp(-s) L + s / 2` of a regression,
    `exp(-s) L + s / 2` of a classification. A loss that stays at L ends at `s = log L`, or at
    `log 2L`. The sum can fall below zero, and falls where only s has changed: nothing should be
    stopped by it.

    `bounded` has `log(1 + variance)` in place of `s / 2`, which is never negative (Liebel and
    Körner, arXiv:1805.06334, eq. 2).

    Args:
        kinds: of the loss of each task.
        bounded: which of the two.

    Attributes:
        log_variance: s of each task, from 0; a step moves those of its own tasks alone.
    """

    def __init__(self, kinds: Mapping[str, Kind], *, bounded: bool = False) -> None:
        super().__init__()
        self.kinds, self.bounded = dict(kinds), bounded
        self.log_variance = nn.ParameterList(nn.Parameter(torch.zeros(())) for _ in self.kinds)

    def forward(self, losses: Losses) -> dict[str, Tensor]:
        """Each loss by its weight, and what the variance costs with it.

        Raises:
            ConfigError: a task is not known.
        """
        return {task: self._weighed(task, loss) for task, loss in losses.items()}

    def weights(self) -> dict[str, float]:
        """What each loss counts now."""
        return {
            task: float((-s.detach()).exp()) * _half(kind)
            for (task, kind), s in zip(self.kinds.items(), self.log_variance)
        }

    def _weighed(self, task: str, loss: Tensor) -> Tensor:
        if task not in self.kinds:
            raise unknown("task with a variance", task, list(self.kinds))
        s = self.log_variance[list(self.kinds).index(task)]
        cost = softplus(s) if self.bounded else s / 2
        return _half(self.kinds[task]) * (-s).exp() * loss + cost


def _half(kind: Kind) -> float:
    return 0.5 if kind == "regression" else 1.0


def parameter_groups(
    parameters: Iterable[nn.Parameter],
    weighing: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    weighing_rate: float,
) -> list[dict[str, Any]]:
    """The groups of an optimiser: the weighing at a rate of its own, and not decayed.

    Decay would pull every variance towards one, whatever the losses say.

    Args:
        parameters: of everything; those of the weighing may be among them.
        weighing: what weighs.
        learning_rate: of all else.
        weight_decay: likewise.
        weighing_rate: of the weighing.
    """
    own = list(weighing.parameters())
    rest = [one for one in parameters if not any(one is mine for mine in own)]
    return [
        {"params": rest, "lr": learning_rate, "weight_decay": weight_decay},
        {"params": own, "lr": weighing_rate, "weight_decay": 0.0},
    ]
