"""Which tasks are alike, learnt from their weights: a tensor-normal prior with its covariance.

The weights of T tasks in one layer are a tensor W `(D1, D2, T)`: inputs, outputs, tasks. Its prior
is normal with the covariance `S1 x S2 x S3`, a factor for each axis (Long et al., Learning Multiple
Tasks with Multilinear Relationship Networks, NeurIPS 2017, arXiv:1506.02117). Training
takes turns: steps on the weights with `penalty` added to the loss, then `updated` in closed form.

With S1 = S2 = I only the tasks are related (Zhang and Yeung, UAI 2010), which is where to start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# Its functions have no types.
LINALG: Any = torch.linalg

Weights = Float[Tensor, "... tasks"]
# As many rows as columns; each axis has its own length.
Covariance = Float[Tensor, "_ _"]


@dataclass(frozen=True, slots=True)
class TensorNormal:
    """A normal distribution over tensors, of mean zero.

    Attributes:
        factors: the covariance along each axis; None is the identity, and stays it.
    """

    factors: tuple[Covariance | None, ...]

    @classmethod
    def of_tasks(cls, shape: Sequence[int]) -> "TensorNormal":
        """Only the last axis, that of the tasks, has a covariance; it starts from the identity."""
        return cls((*[None] * (len(shape) - 1), torch.eye(shape[-1])))

    @classmethod
    def of_all(cls, shape: Sequence[int]) -> "TensorNormal":
        """Every axis has a covariance; all start from the identity."""
        return cls(tuple(torch.eye(length) for length in shape))

    def __post_init__(self) -> None:
        if self.factors[-1] is None:
            raise ValueError("the tasks, along the last axis, need a covariance")

    @property
    def tasks(self) -> Covariance:
        """The covariance of the tasks."""
        tasks = self.factors[-1]
        assert tasks is not None
        return tasks

    def penalty(self, weights: Weights) -> Float[Tensor, ""]:
        """`1/2 vec(W)' (S1 x S2 x S3)^-1 vec(W)`; of tasks alone `1/2 tr(W_(3)' S^-1 W_(3))`.

        It is a log density, so that beside a loss that is a mean over n examples it counts 1 / n.
        """
        return 0.5 * (weights * self._solved(weights)).sum()

    def updated(
        self, weights: Weights, *, epsilon: float = 1e-4, rounds: int = 1
    ) -> "TensorNormal":
        """The covariances that make the weights likeliest, each in its turn given the others.

        `S_k = (D_k / D) W_(k) (the others)^-1 W_(k)' + epsilon I`, with D the length of W. The size
        of a product of factors can be that of any of them: all but the last are brought to a mean
        variance of one, so that the tasks' covariance has it. An axis that is not much shorter than
        the others multiplied has too few rows for a covariance: what is found is then noise, and
        the tasks' alone is the better choice.

        Args:
            weights: as they are now; no gradient flows.
            epsilon: is added to every variance, so that it has an inverse. It also bounds how much
                a weight can be pulled, and should be far below the variance of the weights.
            rounds: of all axes; where only the tasks have a covariance one says it all.
        """
        weights = weights.detach()
        factors = list(self.factors)
        for _ in range(rounds):
            for axis, factor in enumerate(factors):
                if factor is None:
                    continue
                solved = TensorNormal(tuple(factors))._solved(weights, but=axis)
                flat, by_others = _unfolded(weights, axis), _unfolded(solved, axis)
                found = flat @ by_others.T / flat.shape[1]
                found = (found + found.T) / 2 + epsilon * torch.eye(len(flat)).to(flat)
                last = axis == len(factors) - 1
                factors[axis] = found if last else found / found.diagonal().mean()
        return TensorNormal(tuple(factors))

    def scaled(self) -> "TensorNormal":
        """The same, the tasks' variances brought to a mean of one (tr = T, Zhang and Yeung, 2010).

        Where other layers can make up for small weights, a variance that follows them down pulls
        them down further, to nothing; what is scaled holds them no faster than at the start.
        """
        return TensorNormal((*self.factors[:-1], self.tasks / self.tasks.diagonal().mean()))

    def correlation(self) -> Covariance:
        """How alike the tasks are, from -1 to 1: their covariance over both standard deviations."""
        spread = self.tasks.diagonal().sqrt()
        return self.tasks / torch.outer(spread, spread)

    def _solved(self, weights: Tensor, *, but: int | None = None) -> Tensor:
        """The weights times the inverse of every factor, but for one axis."""
        if weights.dim() != len(self.factors):
            raise ValueError(f"made for {len(self.factors)} axes: got {weights.dim()}")
        for axis, factor in enumerate(self.factors):
            if factor is None or axis == but:
                continue
            flat = _unfolded(weights, axis)
            solved = torch.cholesky_solve(flat, LINALG.cholesky(factor.to(flat)))
            first = weights.movedim(axis, 0)
            weights = solved.view(first.shape).movedim(0, axis)
        return weights


def _unfolded(weights: Tensor, axis: int) -> Tensor:
    """W_(k): a row for each place along the axis."""
    return weights.movedim(axis, 0).flatten(1)
