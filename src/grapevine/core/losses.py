"""What is lost where a positive does not stand above its negatives: six ways to say it.

All take scores, so that it is all the same whether a negative was drawn for one query or is shared
by the whole batch. A negative that must not count (it is the query, or a known positive) is one
that `keep` leaves out; a query of which none is kept loses nothing.

B = positive pairs of a batch, S = negatives of each.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import elu, logsigmoid, softplus

Scores = Float[Tensor, "pairs negatives"]
Keep = Bool[Tensor, "pairs negatives"]


def bpr(
    positive_B: Float[Tensor, " pairs"], negative_BS: Scores, keep_BS: Keep | None = None
) -> Float[Tensor, ""]:
    """-log of the chance that a positive comes before a negative, meaned over both.

    BPR (Rendle et al., UAI 2009, arXiv:1205.2618, section 4.1), without its regularisation.
    """
    return _mean(softplus(negative_BS - positive_B[:, None]), keep_BS)


def max_margin(
    positive_B: Float[Tensor, " pairs"],
    negative_BS: Scores,
    keep_BS: Keep | None = None,
    *,
    margin: float,
) -> Float[Tensor, ""]:
    """By how much a negative comes nearer to its positive than the margin, meaned over both.

    PinSage (Ying et al., KDD 2018, arXiv:1806.01973, eq. 1). A negative that is farther off pulls
    at nothing.
    """
    return _mean((negative_BS - positive_B[:, None] + margin).relu(), keep_BS)


def cross_entropy(
    positive_B: Float[Tensor, " pairs"], negative_BS: Scores, keep_BS: Keep | None = None
) -> Float[Tensor, ""]:
    """-log of the chance that a positive is told for one, and each negative for none.

    GraphSAGE (Hamilton et al., NeurIPS 2017, arXiv:1706.02216, eq. 1), with as much weight on all
    negatives of a pair together as on its positive; "xent" in the ablations of PinSage.
    """
    return softplus(-positive_B).mean() + _mean(softplus(negative_BS), keep_BS)


def gbce(
    positive_B: Float[Tensor, " pairs"],
    negative_BS: Scores,
    keep_BS: Keep | None = None,
    *,
    beta: float = 1.0,
) -> Float[Tensor, ""]:
    """-log that a positive is told for one, to the power beta, and each negative for none.

    `-(beta log s(positive) + sum log(1 - s(negative))) / (S + 1)` with s the sigmoid, meaned over
    the pairs: gSASRec (Petrov and Macdonald, RecSys 2023, arXiv:2308.07192, eq. 9); beta 1 with
    one negative is the loss of SASRec. A positive weighs as one negative does, which is what sets
    it apart from `cross_entropy`.
    """
    no_BS = softplus(negative_BS)
    if keep_BS is not None:
        no_BS = no_BS.masked_fill(~keep_BS, 0.0)
    return (beta * softplus(-positive_B) + no_BS.sum(1)).mean() / (negative_BS.shape[1] + 1)


def bpr_max(
    positive_B: Float[Tensor, " pairs"],
    negative_BS: Scores,
    keep_BS: Keep | None = None,
    *,
    regularisation: float = 1.0,
    bend: float = 0.5,
    log_times_S: Float[Tensor, " negatives"] | float = 0.0,
) -> Float[Tensor, ""]:
    """-log of the chance that a positive comes before the negative that looks best.

    `-log sum_j s_j sigmoid(r - r_j) + regularisation * sum_j s_j r_j^2`, where s is the softmax of
    the negatives' scores r_j: a negative far below pulls at nothing, so that many may be drawn
    (GRU4Rec, Hidasi and Karatzoglou, CIKM 2018, arXiv:1706.03847, eq. 10 and its regularised form).

    Args:
        positive_B: score of each positive.
        negative_BS: scores of its negatives.
        keep_BS: which of them count; all if not given.
        regularisation: how much the scores of the best negatives are held near 0.
        bend: scores below 0 are bent to stay above minus this (ELU) before all else; 0 leaves
            them as they are. The order of items is the same either way.
        log_times_S: log of how often each negative was drawn, where it stands here once.
    """
    if bend:
        positive_B, negative_BS = elu(positive_B, bend), elu(negative_BS, bend)
    logits_BS = negative_BS + log_times_S
    if keep_BS is not None:
        # Finite, so that a pair without negatives has a gradient of 0 and not of NaN.
        logits_BS = logits_BS.masked_fill(~keep_BS, -1e30)
    log_share_BS = logits_BS.log_softmax(1)
    ahead_B = (log_share_BS + logsigmoid(positive_B[:, None] - negative_BS)).logsumexp(1)
    size_B = (log_share_BS.exp() * negative_BS.square()).sum(1)
    lost_B = regularisation * size_B - ahead_B
    return (lost_B if keep_BS is None else lost_B * keep_BS.any(1)).mean()


def sampled_softmax(
    positive_B: Float[Tensor, " pairs"],
    negative_BS: Scores,
    keep_BS: Keep | None = None,
    *,
    log_expected_S: Float[Tensor, "*alike negatives"] | float = 0.0,
    log_positive_B: Float[Tensor, " pairs"] | float = 0.0,
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """-log of the positive's share among itself and the negatives, meaned over the pairs.

    Negatives that are drawn more often than others are heard more often; taking off the log of how
    often each was to be expected (log Q) makes the sum over them an estimate of the sum over all
    items (Bengio and Senécal, 2008; Yi et al., RecSys 2019). The positive was not drawn but given,
    so nothing need be taken off it. Without it, and with what is expected of the others alone,
    the gradient is that of the refined estimator of Khrylchenko et al. (RecSys 2025,
    arXiv:2507.09331): `-(1 - P) (ds - sum_j w_j ds_j)` with P the positive's share here.

    Args:
        positive_B: score of each positive.
        negative_BS: scores of its negatives.
        keep_BS: which of them count; all if not given.
        log_expected_S: log of how often each negative is expected among the S: S times its chance
            for S independent draws. Items drawn alike may leave it out, at the price of a constant
            weight on the negatives.
        log_positive_B: what is taken off the positives; their own log Q, in the classic form.
        temperature: what scores are divided by.
    """
    logits_BS = negative_BS / temperature - log_expected_S
    if keep_BS is not None:
        logits_BS = logits_BS.masked_fill(~keep_BS, float("-inf"))
    positive_B = positive_B / temperature - log_positive_B
    # The positive is among the summed, so that the sum is never empty.
    total_B = torch.cat([positive_B[:, None], logits_BS], 1).logsumexp(1)
    return (total_B - positive_B).mean()


def _mean(lost_BS: Scores, keep_BS: Keep | None) -> Float[Tensor, ""]:
    """Over the negatives of each pair that are kept, then over the pairs."""
    if keep_BS is None:
        return lost_BS.mean()
    kept_B = keep_BS.sum(1).clamp_min(1)
    return (lost_BS.masked_fill(~keep_BS, 0.0).sum(1) / kept_B).mean()
