"""Losses of user and item vectors with their gradients in closed form: `core.losses`, by hand.

Where nothing but a table is learnt there is nothing for a graph of operations to remember. What is
summed over pairs of a batch and negatives is taken a block of pairs at a time, so that scores stay
in the cache and memory does not grow with the batch.

B = positive pairs of a batch, S = negatives that all of them share, D = width
"""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import softplus

Pairs = Float[Tensor, "pairs width"]
Negatives = Float[Tensor, "negatives width"]
Lost = tuple[float, list[Tensor]]
"""A loss, and its gradient by each of the vectors that it was given, in their order."""

SCORES = 2**20
"""Scores that are held at once: few enough for the cache, and few turns of starting threads."""


def bpr(users_BD: Pairs, positives_BD: Pairs, negatives_BD: Pairs) -> Lost:
    """As `losses.bpr` with a negative for each pair."""
    behind_B = ((negatives_BD - positives_BD) * users_BD).sum(1)
    pull_B1 = (behind_B.sigmoid() / len(users_BD))[:, None]
    pulled_BD = pull_B1 * users_BD
    return float(softplus(behind_B).mean()), [
        pull_B1 * (negatives_BD - positives_BD),
        -pulled_BD,
        pulled_BD,
    ]


def sampled_softmax(
    users_BD: Pairs,
    positives_BD: Pairs,
    negatives_SD: Negatives,
    *,
    left_out: Int64[np.ndarray, " left_out"] | None = None,
    log_expected_S: Float[Tensor, " negatives"] | float = 0.0,
    temperature: float = 1.0,
) -> Lost:
    """As `losses.sampled_softmax` with negatives that all pairs share.

    Args:
        users_BD: one vector a pair.
        positives_BD: likewise.
        negatives_SD: vectors of the negatives.
        left_out: pairs and negatives that must not meet, as `pair * S + negative`, rising.
        log_expected_S: log of how often each negative is expected.
        temperature: what scores are divided by.
    """
    pairs, width, total = len(users_BD), len(negatives_SD), 0.0
    block = _block(pairs, width)
    asking_BD = users_BD / temperature
    by_users_BD, by_positives_BD = torch.empty_like(users_BD), torch.empty_like(users_BD)
    by_negatives_SD = torch.zeros_like(negatives_SD)
    scores = users_BD.new_empty(block, 1 + width)
    for low in range(0, pairs, block):
        asking, positives = asking_BD[low : low + block], positives_BD[low : low + block]
        logits = scores[: len(asking)]
        logits[:, 0] = (asking * positives).sum(1)
        torch.mm(asking, negatives_SD.T, out=logits[:, 1:])
        logits[:, 1:] -= log_expected_S
        if left_out is not None:
            first, last = np.searchsorted(left_out, [low * width, (low + block) * width])
            pair, negative = np.divmod(left_out[first:last] - low * width, width)
            logits[pair, 1 + negative] = float("-inf")
        share = logits.log_softmax(1)
        total -= float(share[:, 0].sum())
        share = share.exp_()
        # What the positive lacks to having it all is what the negatives have.
        lacks_b1, shares_bS = 1 - share[:, :1], share[:, 1:]
        by_users_BD[low : low + block] = torch.mm(shares_bS, negatives_SD) - lacks_b1 * positives
        by_positives_BD[low : low + block] = -lacks_b1 * asking
        by_negatives_SD.addmm_(shares_bS.T, asking)
    by_users_BD /= pairs * temperature
    return total / pairs, [by_users_BD, by_positives_BD / pairs, by_negatives_SD / pairs]


def _block(pairs: int, negatives: int) -> int:
    return max(1, min(pairs, SCORES // max(negatives, 1)))


def weighted_entropy(
    users_BD: Pairs,
    positives_BD: Pairs,
    negatives_SD: Negatives,
    *,
    positive_B: Float[Tensor, " pairs"],
    of_users_B: Float[Tensor, " pairs"],
    of_negatives_S: Float[Tensor, " negatives"],
    least: float,
) -> Lost:
    """Binary cross-entropy in which pairs weigh differently, meaned over the positive pairs.

    Args:
        users_BD: one vector a pair.
        positives_BD: likewise.
        negatives_SD: vectors of the negatives.
        positive_B: weight of each positive.
        of_users_B: the weight of user and negative is `of_users * of_negatives + least`.
        of_negatives_S: the other factor.
        least: what every negative weighs.
    """
    pairs, total = len(users_BD), 0.0
    block = _block(pairs, len(negatives_SD))
    by_users_BD, by_positives_BD = torch.empty_like(users_BD), torch.empty_like(users_BD)
    by_negatives_SD = torch.zeros_like(negatives_SD)
    for low in range(0, pairs, block):
        here = slice(low, low + block)
        users, positives, weight_b = users_BD[here], positives_BD[here], positive_B[here]
        near_b = (users * positives).sum(1)
        far_bS = torch.mm(users, negatives_SD.T)
        weight_bS = torch.outer(of_users_B[here], of_negatives_S) + least
        total += float((weight_b * softplus(-near_b)).sum())
        total += float((weight_bS * softplus(far_bS)).sum())
        pull_b1 = -(weight_b * (-near_b).sigmoid())[:, None]
        push_bS = far_bS.sigmoid_().mul_(weight_bS)
        by_users_BD[here] = torch.mm(push_bS, negatives_SD) + pull_b1 * positives
        by_positives_BD[here] = pull_b1 * users
        by_negatives_SD.addmm_(push_bS.T, users)
    return total / pairs, [one / pairs for one in (by_users_BD, by_positives_BD, by_negatives_SD)]


def attraction(
    users_BD: Pairs, near_BKD: Float[Tensor, "pairs near width"], weight_BK: Tensor
) -> Lost:
    """-log sigmoid of the scores of users and the neighbours of their items, weighted.

    Summed over the K neighbours and meaned over the pairs.
    """
    score_BK = torch.bmm(near_BKD, users_BD[:, :, None]).squeeze(2)
    pull_BK = -weight_BK * (-score_BK).sigmoid() / len(users_BD)
    by_users_BD = torch.bmm(pull_BK[:, None], near_BKD).squeeze(1)
    lost = float((weight_BK * softplus(-score_BK)).sum()) / len(users_BD)
    return lost, [by_users_BD, pull_BK[:, :, None] * users_BD[:, None]]


def unit(x: Pairs) -> tuple[Pairs, Float[Tensor, "pairs 1"]]:
    """Rows of length one, and how long they were; a row of zeros stays one."""
    length = (x * x).sum(1, keepdim=True).sqrt().clamp_min(torch.finfo(x.dtype).tiny)
    return x / length, length


def through_unit(gradient: Pairs, unit: Pairs, length: Float[Tensor, "pairs 1"]) -> Pairs:
    """The gradient by x, from that by its rows of length one."""
    along = (gradient * unit).sum(1, keepdim=True)
    return (gradient - along * unit) / length
