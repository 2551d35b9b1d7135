"""The losses of the sequence models: each one function of what was asked, by its name.

Three of them score every item of a small catalogue, though they only draw from it: a product of
matrices is less work than gathering rows, unless few are drawn. In a large one (`gathers`) what was
drawn is always gathered, and no step costs more for there being more items.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from grapevine.core import losses
from grapevine.core.over_all import bpr_over_all, gbce_over_all, gbce_power, softmax_over_all
from grapevine.core.sampled import BlockLoss, lookups, over_drawn
from grapevine.models.sequence.config import Config, Loss
from grapevine.models.sequence.network import Network
from grapevine.models.sequence.proposal import Proposal
from grapevine.random import stream

ALL = 100
"""Items that are scored, by a product of matrices, while one that was drawn is gathered."""

TRIES = 20
"""Times that an item is drawn anew whose user has met it; then nearly all is met, and it stays."""

Known = Callable[[Int64[np.ndarray, "asking drawn"]], Bool[np.ndarray, "asking drawn"]]

# T = positions that ask, I = items, S = items drawn for all positions, B = positions of a block


@dataclass(frozen=True, slots=True)
class Asked:
    """Positions that ask, and all that a loss may want to know.

    Attributes:
        h: `(T, width)` what they ask with.
        answers: `(T,)` item rows, or places among `rows`.
        network: has the items' vectors.
        config: the options.
        proposal: how negatives are drawn.
        key: names the draws of this step.
        rows: the items that may be answers; all if not given.
        known: which of some item rows, `(T, drawn)`, the user of each position has met; not given
            where that does not matter.
    """

    h: Float[Tensor, "asking width"]
    answers: Int64[Tensor, " asking"]
    network: Network
    config: Config
    proposal: Proposal
    key: int
    rows: Int64[Tensor, " items"] | None = None
    known: Known | None = None

    @property
    def num_items(self) -> int:
        """How many items may be answers."""
        return self.network.num_items if self.rows is None else len(self.rows)

    @property
    def whole(self) -> dict[str, Any]:
        """What every loss over all items is given."""
        return {
            "x_TD": self.h,
            "items_ID": self.network.vectors(self.rows),
            "answers_T": self.answers,
            "bias_I": self.bias(self.rows),
            "precision": self.config.precision,
        }

    def bias(self, rows: Int64[Tensor, " rows"] | None) -> Float[Tensor, " rows"] | None:
        """What is added to the scores of these items; of all if none are named."""
        bias = self.network.bias
        return bias if bias is None or rows is None else bias[rows]


def softmax(asked: Asked) -> Tensor:
    """-log of the answer's share among all items."""
    return softmax_over_all(**asked.whole)


def gbce(asked: Asked) -> Tensor:
    """Yes for the answer and no for items drawn for it, with the calibration of gSASRec."""
    return _yes_and_no(asked, asked.config.calibration)


def bce(asked: Asked) -> Tensor:
    """Yes for the answer and no for items drawn for it; one of them in SASRec as published."""
    return _yes_and_no(asked, 0.0)


def _yes_and_no(asked: Asked, calibration: float) -> Tensor:
    count, num_items = asked.config.negatives, asked.num_items
    if _all_is_less(asked):
        return gbce_over_all(**asked.whole, negatives=count, calibration=calibration, key=asked.key)
    beta = gbce_power(count, num_items, calibration)
    return _of_own(asked, lambda near, far, keep, _: losses.gbce(near, far, keep, beta=beta))


def bpr(asked: Asked) -> Tensor:
    """-log of the chance that the answer comes before an item drawn for it."""
    if _all_is_less(asked):
        return bpr_over_all(**asked.whole, negatives=asked.config.negatives, key=asked.key)
    return _of_own(asked, lambda near, far, keep, _: losses.bpr(near, far, keep))


def _all_is_less(asked: Asked) -> bool:
    """Whether to score every item is less work than to gather those drawn for each position."""
    if asked.known is not None:  # what is drawn among all is drawn by a loop that knows no users
        return False
    return not asked.network.gathers and ALL * asked.config.negatives >= asked.num_items


def _of_own(asked: Asked, loss: BlockLoss) -> Tensor:
    """Of items drawn for each position: uniform over all but its answer, or all that is unmet."""
    answers, items = asked.answers.numpy(), asked.num_items
    draw = stream(asked.key, "sequence", "negatives")
    drawn = draw.integers(items - 1, size=(len(answers), asked.config.negatives))
    drawn += drawn >= answers[:, None]
    if asked.known is not None:
        for _ in range(TRIES):
            met = asked.known(drawn if asked.rows is None else asked.rows.numpy()[drawn])
            if not met.any():
                break
            drawn[met] = draw.integers(items, size=int(met.sum()))
        # Of one who has met everything all but the answer will do.
        own = np.nonzero(drawn == answers[:, None])
        others = draw.integers(items - 1, size=len(own[0]))
        drawn[own] = others + (others >= answers[own[0]])
    return _gathered(asked, loss, drawn)


def bpr_max(asked: Asked) -> Tensor:
    """The answer before the best of items that the batch shares (GRU4Rec)."""
    drawn = _shared(asked)
    log_times_S = _as_tensor(np.log(drawn.times))

    def loss(near_B: Tensor, far_BS: Tensor, keep_BS: Tensor, _: slice) -> Tensor:
        return losses.bpr_max(
            near_B, far_BS, keep_BS, log_times_S=log_times_S,
            regularisation=asked.config.regularisation, bend=asked.config.bend,
        )  # fmt: skip

    return _gathered(asked, loss, drawn.items)


def sampled_softmax(asked: Asked) -> Tensor:
    """-log of the answer's share among itself and items that the batch shares.

    What is taken off the scores, by `log_q`:

    - "none": nothing. The most popular items are told off the most.
    - "classic": log Q, of the answer too; an answer that was drawn counts among the drawn.
    - "refined": off the drawn alone, log of how often each was to be expected among the draws that
      are not the answer, `n Q / (1 - Q(answer))`. The answer was not drawn (Khrylchenko et al.,
      RecSys 2025, arXiv:2507.09331): its gradient is theirs, and with all items drawn once each it
      is the softmax over all of them. Where a chance is tiny one draw outweighs all others.
    """
    drawn, config = _shared(asked), asked.config
    log_times_S = _as_tensor(np.log(drawn.times))
    if config.log_q == "none":
        return _gathered(
            asked,
            lambda near, far, keep, _: losses.sampled_softmax(
                near, far, keep, log_expected_S=-log_times_S
            ),
            drawn.items,
        )
    chances, answers = asked.proposal.chances, asked.answers.numpy()
    log_chance_S = _as_tensor(np.log(chances[drawn.items])) - log_times_S
    chance_T = chances[answers]
    if config.log_q == "classic":
        own_T = _as_tensor(np.log(chance_T))
        return _gathered(
            asked,
            lambda near, far, _, here: losses.sampled_softmax(
                near, far, log_expected_S=log_chance_S, log_positive_B=own_T[here]
            ),
            drawn.items,
        )
    # Of the draws those that are not the answer count; where none is left nothing is lost.
    times = np.zeros(len(chances), np.int64)
    times[drawn.items] = drawn.times
    left_T = np.maximum(drawn.total - times[answers], 1)
    others_T = np.maximum(1 - chance_T, 1e-12)
    shift_T = _as_tensor(np.log(left_T) - np.log(others_T))
    return _gathered(
        asked,
        lambda near, far, keep, here: losses.sampled_softmax(
            near, far, keep, log_expected_S=log_chance_S + shift_T[here, None]
        ),
        drawn.items,
    )


def _shared(asked: Asked) -> Any:
    draw = stream(asked.key, "sequence", "negatives")
    return asked.proposal.draw(asked.answers.numpy(), draw)


def _gathered(asked: Asked, loss: BlockLoss, drawn: Int64[np.ndarray, "..."]) -> Tensor:
    """The loss over what was drawn, with no row looked up but of it and of the answers."""
    network = asked.network
    rows, (answers, others) = lookups(asked.num_items, asked.answers.numpy(), drawn)
    wanted = torch.from_numpy(rows)
    wanted = wanted if asked.rows is None else asked.rows[wanted]
    return over_drawn(
        loss, asked.h, network.vectors(wanted), torch.from_numpy(answers),
        torch.from_numpy(others), bias_C=asked.bias(wanted),
    )  # fmt: skip


def _as_tensor(numbers: np.ndarray) -> Tensor:
    return torch.from_numpy(numbers.astype(np.float32))


LOSSES: dict[Loss, Callable[[Asked], Tensor]] = {
    "softmax": softmax,
    "gbce": gbce,
    "bce": bce,
    "bpr": bpr,
    "bpr-max": bpr_max,
    "sampled-softmax": sampled_softmax,
}
"""Every loss by the name that `model.loss` gives it."""
