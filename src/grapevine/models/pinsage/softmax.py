"""The softmax over shared negatives as one step of autograd, a block of pairs at a time."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from grapevine.core import gradients


class SharedSoftmax(torch.autograd.Function):
    """`losses.sampled_softmax` of dot products, without a table of all scores in memory.

    A table of pairs by negatives is written once and read about ten times where autograd keeps
    every stage of it; here each block is scored, turned into gradients and forgotten while it is in
    the cache. Loss and gradients come from `core.gradients` together.
    """

    @staticmethod
    def forward(
        ctx: Any,
        asking_BD: Float[Tensor, "pairs width"],
        answers_BD: Float[Tensor, "pairs width"],
        negatives_SD: Float[Tensor, "negatives width"],
        left_out: Int64[np.ndarray, " left_out"],
        log_expected_S: Float[Tensor, " negatives"],
        temperature: float,
    ) -> Float[Tensor, ""]:
        """The mean loss of the pairs; the arguments are those of `gradients.sampled_softmax`."""
        lost, pulls = gradients.sampled_softmax(
            asking_BD,
            answers_BD,
            negatives_SD,
            left_out=left_out,
            log_expected_S=log_expected_S,
            temperature=temperature,
        )
        ctx.save_for_backward(*pulls)
        return asking_BD.new_tensor(lost)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients by asking, answers and negatives."""
        return (*(pull * gradients[0] for pull in ctx.saved_tensors), None, None, None)
