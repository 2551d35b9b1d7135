"""Losses over all items, row by row: scores go in, their gradients come out in the same place.

A row of scores is read while it is in the nearest cache, so that a softmax over thousands of items
costs one pass and not four. Scores are float32, or uint16: the upper halves of float32 (bfloat16).

T = rows, I = items
"""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, Shaped
from numba import njit, prange

from grapevine.core.kernels.spmm import narrow, widen
from grapevine.core.kernels.threads import threads_for
from grapevine.graph.counter import below, mix

ROWS = 16
"""Rows that a thread takes at a time."""

LOG2_E = np.float32(1.4426950408889634)
# 2^f on [-1/2, 1/2], to 2e-8 of its size: the Taylor series of exp(f log 2).
C1, C2, C3 = np.float32(0.6931471805599453), np.float32(0.2402265069591), np.float32(0.055504108664)
C4, C5, C6 = np.float32(0.0096181291076), np.float32(0.0013333558146), np.float32(0.000154035304)


def softmax_rows(
    scores: Shaped[np.ndarray, "rows items"],
    answers: Int64[np.ndarray, " rows"],
    weights: Float32[np.ndarray, " rows"],
    lost: Float32[np.ndarray, " rows"],
) -> None:
    """Put `weight * (softmax - one at the answer)` in the place of the scores.

    Args:
        scores: `(T, I)` float32, or uint16 for bfloat16.
        answers: `(T,)` the item that each row should have named.
        weights: `(T,)` how much each row counts.
        lost: `(T,)` where `-log softmax[answer]` is written, not weighed.
    """
    with threads_for(scores.size):
        _softmax_rows(scores, answers, weights, lost)


def gbce_rows(
    scores: Shaped[np.ndarray, "rows items"],
    answers: Int64[np.ndarray, " rows"],
    weights: Float32[np.ndarray, " rows"],
    lost: Float32[np.ndarray, " rows"],
    *,
    negatives: int,
    beta: float,
    key: int,
    first: int,
) -> None:
    """Put the gradient of the binary cross-entropy with items drawn in the place of the scores.

    `-(beta log s(answer) + sum log(1 - s(drawn))) / (negatives + 1)` with s the sigmoid (gSASRec,
    Petrov and Macdonald, RecSys 2023, eq. 9); beta 1 is the plain one. Items are drawn uniformly
    from all but the answer, and one drawn twice counts twice.

    Args:
        scores: `(T, I)` float32, or uint16 for bfloat16.
        answers: `(T,)` the item that each row should have named.
        weights: `(T,)` how much each row counts.
        lost: `(T,)` where the loss is written, not weighed.
        negatives: items drawn for each row.
        beta: the power of the answer's chance.
        key: names the draws.
        first: the number of the first row among those of the key.
    """
    with threads_for(scores.size):
        _gbce_rows(
            scores, answers, weights, lost, negatives, np.float32(beta), np.uint64(key), first
        )


def bpr_rows(
    scores: Shaped[np.ndarray, "rows items"],
    answers: Int64[np.ndarray, " rows"],
    weights: Float32[np.ndarray, " rows"],
    lost: Float32[np.ndarray, " rows"],
    *,
    negatives: int,
    key: int,
    first: int,
) -> None:
    """Put the gradient of the order of an answer and items drawn in the place of the scores.

    `-mean log s(answer - drawn)` with s the sigmoid (Rendle et al., UAI 2009); the arguments are
    those of `gbce_rows`, and so are the draws.
    """
    with threads_for(scores.size):
        _bpr_rows(scores, answers, weights, lost, negatives, np.uint64(key), first)


@njit(inline="always", cache=True)
def exp(x: Any) -> Any:
    """e^x for x <= 0, to about 1e-7 of its size; 0 below -87."""
    y = max(x * LOG2_E, np.float32(-126.0))
    whole = np.floor(y + np.float32(0.5))
    f = y - whole
    part = np.float32(1.0) + f * (C1 + f * (C2 + f * (C3 + f * (C4 + f * (C5 + f * C6)))))
    power = np.uint32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)
    return part * power


@njit(inline="always", cache=True)
def ranked(bits: Any) -> Any:
    """The bits of a float32 as a whole number that rises with it, and back again."""
    return bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))


@njit(nogil=True, cache=True)
def greatest(line: np.ndarray) -> np.float32:
    """The greatest of a row; compilers compare whole numbers many at once, floats one by one."""
    best = np.int32(-(2**31))
    for i in range(len(line)):
        rank = ranked(np.float32(widen(line[i])).view(np.int32))
        best = rank if rank > best else best
    return np.int32(ranked(best)).view(np.float32)


@njit(parallel=True, nogil=True, cache=True, fastmath=True, error_model="numpy")
def _softmax_rows(
    scores: np.ndarray, answers: np.ndarray, weights: np.ndarray, lost: np.ndarray
) -> None:
    rows, items = scores.shape
    for block in prange((rows + ROWS - 1) // ROWS):
        shares = np.empty(items, np.float32)
        for row in range(block * ROWS, min((block + 1) * ROWS, rows)):
            lost[row] = softmax_row(scores[row], shares, answers[row], weights[row])


@njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def softmax_row(
    line: np.ndarray, shares: np.ndarray, answer: np.int64, weight: np.float32
) -> np.float32:
    """One row of `softmax_rows`; returns its loss.

    Args:
        line: `(I,)` the scores, then the gradient.
        shares: `(I,)` float32, for notes.
        answer: the item that should have been named.
        weight: of the row.
    """
    peak = greatest(line)
    at_answer = widen(line[answer]) - peak
    for i in range(len(line)):
        shares[i] = exp(widen(line[i]) - peak)
    total = np.float32(0)
    for i in range(len(line)):  # in a loop that writes nothing: see `kernels.memory`
        total += shares[i]
    scale = weight / total
    for i in range(len(line)):
        line[i] = narrow(shares[i] * scale, line)
    line[answer] = narrow(weight * (np.exp(at_answer) / total - 1), line)
    return np.float32(np.log(total) - at_answer)


@njit(inline="always", cache=True)
def softplus(x: Any) -> Any:
    """log(1 + e^x), without overflow."""
    return max(x, 0.0) + np.log1p(np.exp(-abs(x)))


@njit(parallel=True, nogil=True, cache=True)
def _gbce_rows(
    scores: np.ndarray,
    answers: np.ndarray,
    weights: np.ndarray,
    lost: np.ndarray,
    negatives: int,
    beta: np.float32,
    key: np.uint64,
    first: int,
) -> None:
    rows, items = scores.shape
    for row in prange(rows):
        line, answer = scores[row], answers[row]
        share = weights[row] / np.float32(negatives + 1)
        gradient = np.zeros(items, np.float32)
        score = widen(line[answer])
        total = beta * softplus(-score)
        gradient[answer] = -share * beta / (1 + np.exp(score))
        of_row = mix(key, np.uint64(first + row))
        for place in range(negatives if items > 1 else 0):
            item = below(of_row, np.uint64(place), items - 1)
            item += item >= answer
            score = widen(line[item])
            total += softplus(score)
            gradient[item] += share / (1 + np.exp(-score))
        lost[row] = total / (negatives + 1)
        for i in range(items):
            line[i] = narrow(gradient[i], line)


@njit(parallel=True, nogil=True, cache=True)
def _bpr_rows(
    scores: np.ndarray,
    answers: np.ndarray,
    weights: np.ndarray,
    lost: np.ndarray,
    negatives: int,
    key: np.uint64,
    first: int,
) -> None:
    rows, items = scores.shape
    for row in prange(rows):
        line, answer = scores[row], answers[row]
        share = weights[row] / np.float32(negatives)
        gradient = np.zeros(items, np.float32)
        own = widen(line[answer])
        total = 0.0
        of_row = mix(key, np.uint64(first + row))
        for place in range(negatives if items > 1 else 0):
            item = below(of_row, np.uint64(place), items - 1)
            item += item >= answer
            behind = widen(line[item]) - own
            total += softplus(behind)
            pull = share / (1 + np.exp(-behind))
            gradient[item] += pull
            gradient[answer] -= pull
        lost[row] = total / negatives
        for i in range(items):
            line[i] = narrow(gradient[i], line)
