"""Losses over items that were drawn, some positions at a time: only what was drawn is gathered.

With a million items not even one row of scores by position is cheap. Here the rows of the items
that a batch needs are looked up once; scores are made a block at a time, turned into gradients
through any loss of `core.losses`, and forgotten. What is held grows with the rows looked up and
not with positions times negatives, nor with the catalogue.

T = positions, C = items looked up, S = items drawn for all positions, K = items drawn for each
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

SCORES = 2**19
"""Scores, or numbers of gathered rows, that are held at once."""

BlockLoss = Callable[[Tensor, Tensor, Tensor, slice], Tensor]
"""Mean loss of a block: `(positive_B, negative_BS, keep_BS, which positions)`; see `losses`."""


def lookups(
    num_items: int, *wanted: Int64[np.ndarray, "..."]
) -> tuple[Int64[np.ndarray, " rows"], list[Int64[np.ndarray, "..."]]]:
    """The items that are named, each once and rising, and where among them each name stands.

    >>> rows, (first, second) = lookups(9, np.array([7, 2]), np.array([[2, 5]]))
    >>> rows.tolist(), first.tolist(), second.tolist()
    ([2, 5, 7], [2, 0], [[0, 1]])
    """
    named = np.zeros(num_items, np.bool_)
    for items in wanted:
        named[items.ravel()] = True
    place = np.cumsum(named) - 1
    return np.flatnonzero(named), [place[items] for items in wanted]


def over_drawn(
    loss: BlockLoss,
    x_TD: Float[Tensor, "positions width"],
    rows_CD: Float[Tensor, "rows width"],
    answers_T: Int64[Tensor, " positions"],
    drawn: Int64[Tensor, " negatives"] | Int64[Tensor, "positions negatives"],
    *,
    bias_C: Float[Tensor, " rows"] | None = None,
) -> Float[Tensor, ""]:
    """The mean loss of answers among items drawn; a draw that is the answer does not count.

    Args:
        loss: of the scores of a block of positions.
        x_TD: what each position holds.
        rows_CD: the items looked up.
        answers_T: which of them is each position's answer.
        drawn: `(S,)` which were drawn for all positions, or `(T, K)` for each its own.
        bias_C: what is added to an item's every score.
    """
    apply: Callable[..., Tensor] = cast("Any", _OverDrawn).apply
    return apply(x_TD, rows_CD, bias_C, answers_T, drawn, loss)


class _OverDrawn(torch.autograd.Function):
    """All gradients are kept from the forward pass; the way back only scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        x_TD: Tensor,
        rows_CD: Tensor,
        bias_C: Tensor | None,
        answers_T: Tensor,
        drawn: Tensor,
        loss: BlockLoss,
    ) -> Tensor:
        bias = rows_CD.new_zeros(len(rows_CD)) if bias_C is None else bias_C
        into = _Shared(rows_CD, bias, drawn) if drawn.dim() == 1 else _Own(rows_CD, bias, drawn)
        by_x = torch.empty_like(x_TD)
        total = x_TD.new_zeros(())
        for start in range(0, len(x_TD), into.block):
            here = slice(start, min(start + into.block, len(x_TD)))
            x_BD, answers_B = x_TD[here], answers_T[here]
            positives_BD = rows_CD[answers_B]
            near_B = (x_BD * positives_BD).sum(1) + bias[answers_B]
            share = len(x_BD) / len(x_TD)
            lost, by_near_B, by_far_BS = _of_scores(
                loss, near_B, into.scores(x_BD, here), into.kept(answers_B, here), here
            )
            total += lost * share
            by_near_B, by_far_BS = by_near_B * share, by_far_BS * share
            by_x[here] = into.back(x_BD, by_far_BS, here)
            by_x[here].addcmul_(by_near_B[:, None], positives_BD)
            into.by_rows.index_add_(0, answers_B, by_near_B[:, None] * x_BD)
            into.by_bias.index_add_(0, answers_B, by_near_B)
        by_rows, by_bias = into.done()
        ctx.save_for_backward(by_x, by_rows, None if bias_C is None else by_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = gradients
        kept = [None if one is None else one * scale for one in ctx.saved_tensors]
        return (*kept, None, None, None)


def _of_scores(
    loss: BlockLoss,
    near_B: Tensor,
    far_BS: Tensor,
    keep_BS: Bool[Tensor, "positions negatives"],
    here: slice,
) -> tuple[Tensor, Tensor, Tensor]:
    """The mean loss of a block, and its gradients by the scores."""
    with torch.enable_grad():
        near_B, far_BS = near_B.requires_grad_(), far_BS.requires_grad_()
        lost = loss(near_B, far_BS, keep_BS, here)
        by_near_B, by_far_BS = torch.autograd.grad(lost, (near_B, far_BS))
    return lost.detach(), by_near_B, by_far_BS


class _Shared:
    """Items drawn once for all positions: their scores are one product."""

    def __init__(self, rows_CD: Tensor, bias_C: Tensor, drawn_S: Tensor) -> None:
        self.drawn, self.rows, self.bias = drawn_S, rows_CD[drawn_S], bias_C[drawn_S]
        self.by_rows, self.by_bias = torch.zeros_like(rows_CD), torch.zeros_like(bias_C)
        self.by_drawn, self.by_drawn_bias = torch.zeros_like(self.rows), torch.zeros_like(self.bias)
        self.block = max(SCORES // max(len(drawn_S), 1), 1)

    def scores(self, x_BD: Tensor, here: slice) -> Tensor:
        return torch.addmm(self.bias, x_BD, self.rows.T)

    def kept(self, answers_B: Tensor, here: slice) -> Tensor:
        return answers_B[:, None] != self.drawn

    def back(self, x_BD: Tensor, by_far_BS: Tensor, here: slice) -> Tensor:
        self.by_drawn.addmm_(by_far_BS.T, x_BD)
        self.by_drawn_bias += by_far_BS.sum(0)
        return by_far_BS @ self.rows

    def done(self) -> tuple[Tensor, Tensor]:
        self.by_rows.index_add_(0, self.drawn, self.by_drawn)
        self.by_bias.index_add_(0, self.drawn, self.by_drawn_bias)
        return self.by_rows, self.by_bias


class _Own:
    """Items drawn for each position: their rows are gathered a few positions at a time."""

    def __init__(self, rows_CD: Tensor, bias_C: Tensor, drawn_TK: Tensor) -> None:
        self.drawn, self.rows, self.bias = drawn_TK, rows_CD, bias_C
        self.by_rows, self.by_bias = torch.zeros_like(rows_CD), torch.zeros_like(bias_C)
        self.block = max(SCORES // max(drawn_TK.shape[1] * rows_CD.shape[1], 1), 1)

    def scores(self, x_BD: Tensor, here: slice) -> Tensor:
        self.gathered = self.rows[self.drawn[here]]
        products_BK = torch.bmm(self.gathered, x_BD[:, :, None]).squeeze(2)
        return products_BK + self.bias[self.drawn[here]]

    def kept(self, answers_B: Tensor, here: slice) -> Tensor:
        return answers_B[:, None] != self.drawn[here]

    def back(self, x_BD: Tensor, by_far_BK: Tensor, here: slice) -> Tensor:
        drawn = self.drawn[here].flatten()
        pulls = by_far_BK[:, :, None] * x_BD[:, None]
        self.by_rows.index_add_(0, drawn, pulls.flatten(0, 1))
        self.by_bias.index_add_(0, drawn, by_far_BK.flatten())
        return torch.bmm(by_far_BK[:, None], self.gathered).squeeze(1)

    def done(self) -> tuple[Tensor, Tensor]:
        return self.by_rows, self.by_bias
