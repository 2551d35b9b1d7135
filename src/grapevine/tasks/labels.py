"""Several labels of one example, some of which are missing.

A task is lost by the mean over the examples that have its label, never over the batch: otherwise a
task would count less where fewer are known.

B = examples of a batch
"""

from collections.abc import Callable, Mapping

from jaxtyping import Bool, Float
from torch import Tensor

Valid = Bool[Tensor, " examples"]
Loss = Callable[[Tensor, Tensor], Float[Tensor, " examples"]]
"""From what was said and what is true, what each example loses."""


def masked_mean(lost_B: Float[Tensor, " examples"], valid_B: Valid) -> Float[Tensor, ""]:
    """The mean of what was lost where there is a label.

    Where there is none at all it is 0, and nothing has a gradient: not one of zeros either, by
    which Adam would still move and decay what a task alone depends on.

    Args:
        lost_B: finite everywhere; what stands where there is no label does not count. A NaN there
            would come back in the gradients: see `losses`, which asks only where there is one.
        valid_B: whether there is a label.
    """
    if not valid_B.any():
        return lost_B.new_zeros(())
    return lost_B[valid_B].mean()


def losses(
    said: Mapping[str, Tensor],
    labels: Mapping[str, Tensor],
    valid: Mapping[str, Valid],
    ways: Mapping[str, Loss],
) -> dict[str, Tensor]:
    """The loss of each task, over the examples that have its label.

    Args:
        said: by task, `(B, ...)`.
        labels: by task, `(B, ...)`; anything, NaN too, where there is none.
        valid: by task, whether there is one; a task that is not here has them all.
        ways: by task, how it is lost; these are the tasks.
    """
    out: dict[str, Tensor] = {}
    for task, way in ways.items():
        told, truth = said[task], labels[task]
        if task in valid:
            told, truth = told[valid[task]], truth[valid[task]]
        out[task] = way(told, truth).mean() if len(truth) else told.new_zeros(())
    return out
