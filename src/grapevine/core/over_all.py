"""Losses over every item, some positions at a time: gradients come with the scores.

The scores of a batch of histories by all items are the largest thing in training: 25,600 positions
by 3,417 items are 350 MB. Here a few hundred rows are scored, turned into gradients while they are
in the cache, multiplied into the gradients of positions and items, and forgotten.

T = positions, I = items, D = width
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from grapevine.core.kernels.fused import LOW, Precision, raw
from grapevine.core.kernels.rowloss import bpr_rows, gbce_rows, softmax_rows

ROWS, SCORES = 256, 2**21
"""Positions that are scored at once, and more of few items, up to so many scores: they stay in the
cache, and threads are woken less often."""

RowLoss = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int], None]
"""Puts gradients in the place of scores: `(scores, answers, weights, lost, first row)`."""


def softmax_over_all(
    x_TD: Float[Tensor, "positions width"],
    items_ID: Float[Tensor, "items width"],
    answers_T: Int64[Tensor, " positions"],
    *,
    bias_I: Float[Tensor, " items"] | None = None,
    weights_T: Float[Tensor, " positions"] | None = None,
    precision: Precision = "float32",
) -> Float[Tensor, ""]:
    """-log of the answer's share among all items, the weighted sum over the positions.

    The same number as `cross_entropy(x @ items.T + bias, answers)` of torch, and the same
    gradients, to rounding.

    Args:
        x_TD: what each position holds.
        items_ID: the table of items.
        answers_T: the row of each position's answer.
        bias_I: what is added to an item's every score.
        weights_T: how much each position counts; `1 / T` each, for the mean, if not given.
        precision: of the three products. The shares are computed in float32 in any case.
    """
    return over_all(
        lambda scores, answers, weights, lost, _: softmax_rows(scores, answers, weights, lost),
        x_TD,
        items_ID,
        answers_T,
        bias_I=bias_I,
        weights_T=weights_T,
        precision=precision,
    )


@torch.no_grad()
def log_shares_over_all(
    x_TD: Float[Tensor, "positions width"],
    items_ID: Float[Tensor, "items width"],
    answers_T: Int64[Tensor, " positions"],
    *,
    bias_I: Float[Tensor, " items"] | None = None,
    precision: Precision = "float32",
) -> Float[Tensor, " positions"]:
    """Log of each answer's share among all items, without a gradient; see `softmax_over_all`."""
    low = LOW[precision]
    x, items, answers = x_TD.to(low), items_ID.to(low), answers_T.numpy()
    rows = _rows(len(items))
    lost, none = torch.empty(len(x)), np.zeros(min(rows, len(x)), np.float32)
    scores = torch.empty(min(rows, len(x)), len(items), dtype=low)
    for start in range(0, len(x), rows):
        here = slice(start, min(start + rows, len(x)))
        block = scores[: here.stop - start]
        torch.mm(x[here], items.T, out=block)
        if bias_I is not None:
            block += bias_I
        softmax_rows(raw(block), answers[here], none[: len(block)], lost[here].numpy())
    return -lost


def gbce_over_all(
    x_TD: Float[Tensor, "positions width"],
    items_ID: Float[Tensor, "items width"],
    answers_T: Int64[Tensor, " positions"],
    *,
    negatives: int,
    calibration: float,
    key: int,
    bias_I: Float[Tensor, " items"] | None = None,
    weights_T: Float[Tensor, " positions"] | None = None,
    precision: Precision = "float32",
) -> Float[Tensor, ""]:
    """Yes for the answer and no for items drawn, as in gSASRec; see `kernels.rowloss.gbce_rows`.

    Where the catalogue is small, scoring all of it is less work than gathering what was drawn.

    Args:
        x_TD: what each position holds.
        items_ID: the table of items.
        answers_T: the row of each position's answer.
        negatives: k, items drawn for each position.
        calibration: t, in [0, 1]; 0 is the plain binary cross-entropy.
        key: names the draws.
        bias_I: what is added to an item's every score.
        weights_T: how much each position counts.
        precision: of the products.
    """
    beta = gbce_power(negatives, len(items_ID), calibration)

    def row_loss(
        scores: np.ndarray, answers: np.ndarray, weights: np.ndarray, lost: np.ndarray, first: int
    ) -> None:
        gbce_rows(
            scores, answers, weights, lost, negatives=negatives, beta=beta, key=key, first=first
        )

    return over_all(
        row_loss, x_TD, items_ID, answers_T, bias_I=bias_I, weights_T=weights_T,
        precision=precision,
    )  # fmt: skip


def bpr_over_all(
    x_TD: Float[Tensor, "positions width"],
    items_ID: Float[Tensor, "items width"],
    answers_T: Int64[Tensor, " positions"],
    *,
    negatives: int,
    key: int,
    bias_I: Float[Tensor, " items"] | None = None,
    weights_T: Float[Tensor, " positions"] | None = None,
    precision: Precision = "float32",
) -> Float[Tensor, ""]:
    """The answer before items drawn; see `kernels.rowloss.bpr_rows`, and `gbce_over_all`."""

    def row_loss(
        scores: np.ndarray, answers: np.ndarray, weights: np.ndarray, lost: np.ndarray, first: int
    ) -> None:
        bpr_rows(scores, answers, weights, lost, negatives=negatives, key=key, first=first)

    return over_all(
        row_loss, x_TD, items_ID, answers_T, bias_I=bias_I, weights_T=weights_T,
        precision=precision,
    )  # fmt: skip


def gbce_power(negatives: int, num_items: int, calibration: float) -> float:
    """beta, the power of the answer's chance: `a (t (1 - 1/a) + 1/a)` with `a = k / (I - 1)`.

    Petrov and Macdonald, RecSys 2023, eq. 14.

    >>> round(gbce_power(256, 3416, 0.75), 7)
    0.3062225
    """
    share = min(negatives / max(num_items - 1, 1), 1.0)
    return 1 - calibration * (1 - share)


def over_all(
    row_loss: RowLoss,
    x_TD: Float[Tensor, "positions width"],
    items_ID: Float[Tensor, "items width"],
    answers_T: Int64[Tensor, " positions"],
    *,
    bias_I: Float[Tensor, " items"] | None = None,
    weights_T: Float[Tensor, " positions"] | None = None,
    precision: Precision = "float32",
) -> Float[Tensor, ""]:
    """The weighted sum over the positions of any loss of a row of scores; see `softmax_over_all`.

    Args:
        row_loss: the loss of some rows, and its gradient by their scores.
        x_TD: what each position holds.
        items_ID: the table of items.
        answers_T: the row of each position's answer.
        bias_I: what is added to an item's every score.
        weights_T: how much each position counts.
        precision: of the products.
    """
    if weights_T is None:
        weights_T = x_TD.new_full((len(x_TD),), 1 / max(len(x_TD), 1))
    apply: Callable[..., Tensor] = cast("Any", _OverAll).apply
    return apply(x_TD, items_ID, bias_I, answers_T, weights_T, row_loss, precision)


class _OverAll(torch.autograd.Function):
    """Both gradients are kept from the forward pass; the way back only scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        x_TD: Tensor,
        items_ID: Tensor,
        bias_I: Tensor | None,
        answers_T: Tensor,
        weights_T: Tensor,
        row_loss: RowLoss,
        precision: Precision,
    ) -> Tensor:
        low = LOW[precision]
        x, items = x_TD.detach().to(low), items_ID.detach().to(low)
        answers, weights = answers_T.numpy(), weights_T.detach().float().numpy()
        by_x = torch.empty(x_TD.shape, dtype=low)
        by_items = torch.zeros(items_ID.shape, dtype=torch.float32)
        by_bias = None if bias_I is None else torch.zeros(len(items_ID))
        lost = np.empty(len(x), np.float32)
        rows = _rows(len(items))
        scores = torch.empty(min(rows, len(x)), len(items), dtype=low)
        for start in range(0, len(x), rows):
            here = slice(start, min(start + rows, len(x)))
            block = scores[: here.stop - start]
            torch.mm(x[here], items.T, out=block)
            if bias_I is not None:
                block += bias_I.detach()
            row_loss(raw(block), answers[here], weights[here], lost[here], start)
            torch.mm(block, items, out=by_x[here])
            by_items += block.T @ x[here]
            if by_bias is not None:
                by_bias += block.sum(0, dtype=torch.float32)
        ctx.save_for_backward(by_x.to(x_TD.dtype), by_items.to(items_ID.dtype), by_bias)
        return x_TD.new_tensor(float((lost * weights).sum(dtype=np.float64)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = gradients
        # As they are, they are not to be written into by whoever keeps the graph.
        kept = ctx.saved_tensors
        if scale != 1:
            kept = [None if one is None else one * scale for one in kept]
        return (*kept, None, None, None, None)


def _rows(items: int) -> int:
    """Positions that are scored at once, by so many items."""
    return max(ROWS, SCORES // max(items, 1))
