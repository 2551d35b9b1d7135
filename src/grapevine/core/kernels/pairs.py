"""What pairs of rows come to: a weighted product of both, or their sum, bent.

Torch gathers both rows of every pair, multiplies them and adds up, and each of these is as large as
all pairs are wide; on the way back it clears a whole table for every gathering. Here a row is read
where it stands, and of the products nothing is written but their sums.

N = rows of a table, B = firsts, S = seconds of each, D = width
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int64
from numba import njit, prange
from torch import Tensor

from grapevine.core.kernels.memory import compiled
from grapevine.core.kernels.threads import threads_for

BLOCK = 64
"""Rows that a thread takes at a time."""

Firsts = Int64[Tensor, " firsts"]
Seconds = Int64[Tensor, "firsts seconds"]


def pair_products(
    x_ND: Float[Tensor, "rows width"],
    weights_D: Float[Tensor, " width"],
    firsts_B: Firsts,
    seconds_BS: Seconds,
) -> Float[Tensor, "firsts seconds"]:
    """`sum_d w[d] x[first, d] x[second, d]`.

    Args:
        x_ND: rows; float32 on the processor takes the quick way.
        weights_D: w.
        firsts_B: rows.
        seconds_BS: rows, some for each first.

    Raises:
        IndexError: there is no such row.
    """
    if not _serves(x_ND, weights_D):
        return torch.einsum("d,bd,bsd->bs", weights_D, x_ND[firsts_B], x_ND[seconds_BS])
    apply: Callable[..., Tensor] = cast("Any", _Products).apply
    return apply(x_ND, weights_D, _rows(firsts_B, x_ND), _rows(seconds_BS, x_ND))


def pair_sums(
    x_ND: Float[Tensor, "rows width"],
    y_MD: Float[Tensor, "others width"],
    firsts_B: Firsts,
    seconds_BS: Seconds,
) -> Float[Tensor, "firsts seconds width"]:
    """`relu(x[first] + y[second])`.

    Args:
        x_ND: rows; float32 on the processor takes the quick way.
        y_MD: rows of another table.
        firsts_B: rows of the one.
        seconds_BS: rows of the other, some for each first.

    Raises:
        IndexError: there is no such row.
    """
    if not _serves(x_ND, y_MD):
        return torch.relu(x_ND[firsts_B][:, None] + y_MD[seconds_BS])
    apply: Callable[..., Tensor] = cast("Any", _Sums).apply
    return apply(x_ND, y_MD, _rows(firsts_B, x_ND), _rows(seconds_BS, y_MD))


def _serves(*tables: Tensor) -> bool:
    return all(one.dtype == torch.float32 and compiled(one) for one in tables)


def _rows(named: Tensor, table_ND: Tensor) -> Tensor:
    """As compiled loops want them, which look at no bounds."""
    if named.numel() and not (int(named.min()) >= 0 and int(named.max()) < len(table_ND)):
        raise IndexError(f"a row that is asked for is not in a table of {len(table_ND)} rows")
    return named.contiguous()


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, weights: Tensor, firsts: Tensor, seconds: Tensor) -> Tensor:
        x, weights = x_ND.detach().contiguous(), weights.detach().contiguous()
        out = torch.empty(seconds.shape)
        with threads_for(seconds.numel() * x.shape[1]):
            _products(x.numpy(), weights.numpy(), firsts.numpy(), seconds.numpy(), out.numpy())
        ctx.save_for_backward(x, weights, firsts, seconds)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weights, firsts, seconds = ctx.saved_tensors
        by_x, sums = torch.empty_like(x), torch.empty(-(-len(x) // BLOCK), x.shape[1])
        with threads_for(seconds.numel() * x.shape[1]):
            _products_back(
                gradients[0].contiguous().numpy(), x.numpy(), weights.numpy(), firsts.numpy(),
                seconds.numpy(), by_x.numpy(), sums.numpy(),
            )  # fmt: skip
        return by_x, sums.sum(0), None, None


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, firsts: Tensor, seconds: Tensor) -> Tensor:
        x, y = x.detach().contiguous(), y.detach().contiguous()
        out = torch.empty(*seconds.shape, x.shape[1])
        with threads_for(out.numel()):
            _sums(x.numpy(), y.numpy(), firsts.numpy(), seconds.numpy(), out.numpy())
        ctx.save_for_backward(out, firsts, seconds)
        ctx.rows = len(x), len(y)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        out, firsts, seconds = ctx.saved_tensors
        by_x, by_y = (torch.empty(rows, out.shape[2]) for rows in ctx.rows)
        with threads_for(out.numel()):
            _sums_back(
                gradients[0].contiguous().numpy(), out.numpy(), firsts.numpy(), seconds.numpy(),
                by_x.numpy(), by_y.numpy(),
            )  # fmt: skip
        return by_x, by_y, None, None


# Functions of their own, which write nothing (see `memory`).
@njit(cache=True, fastmath={"reassoc", "contract"})
def _product(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> Any:
    total = np.float32(0)
    for d in range(len(weights)):
        total += weights[d] * a[d] * b[d]
    return total


@njit(parallel=True, nogil=True, cache=True)
def _products(
    x: np.ndarray, weights: np.ndarray, firsts: np.ndarray, seconds: np.ndarray, out: np.ndarray
) -> None:
    for block in prange((len(firsts) + BLOCK - 1) // BLOCK):
        for at in range(block * BLOCK, min((block + 1) * BLOCK, len(firsts))):
            for s in range(seconds.shape[1]):
                out[at, s] = _product(x[firsts[at]], x[seconds[at, s]], weights)


@njit(cache=True)
def _where(named: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The places at which each row is named, one row after another, and where each begins."""
    starts = np.zeros(rows + 1, np.int64)
    for at in range(len(named)):
        starts[named[at] + 1] += 1
    for row in range(rows):
        starts[row + 1] += starts[row]
    free, places = starts[:-1].copy(), np.empty(len(named), np.int64)
    for at in range(len(named)):
        places[free[named[at]]] = at
        free[named[at]] += 1
    return starts, places


@njit(cache=True)
def _add(total: np.ndarray, row: np.ndarray, times: Any) -> None:
    for d in range(len(total)):
        total[d] += times * row[d]


@njit(parallel=True, nogil=True, cache=True)
def _products_back(
    pull: np.ndarray,
    x: np.ndarray,
    weights: np.ndarray,
    firsts: np.ndarray,
    seconds: np.ndarray,
    by_x: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Row by row, each of all pairs that it stands in: so no two threads write the same."""
    count, width = seconds.shape[1], x.shape[1]
    flat, pulled = seconds.reshape(-1), pull.reshape(-1)
    first_starts, first_places = _where(firsts, len(x))
    second_starts, second_places = _where(flat, len(x))
    for block in prange(len(sums)):
        total, by_weights = np.empty(width, np.float32), np.zeros(width, np.float32)
        for row in range(block * BLOCK, min((block + 1) * BLOCK, len(x))):
            total[:] = 0
            for at in second_places[second_starts[row] : second_starts[row + 1]]:
                _add(total, x[firsts[at // count]], pulled[at])
            for d in range(width):
                by_weights[d] += total[d] * x[row, d]
            for at in first_places[first_starts[row] : first_starts[row + 1]]:
                for pair in range(at * count, (at + 1) * count):
                    _add(total, x[flat[pair]], pulled[pair])
            for d in range(width):
                by_x[row, d] = total[d] * weights[d]
        sums[block] = by_weights


@njit(parallel=True, nogil=True, cache=True)
def _sums(
    x: np.ndarray, y: np.ndarray, firsts: np.ndarray, seconds: np.ndarray, out: np.ndarray
) -> None:
    for block in prange((len(firsts) + BLOCK - 1) // BLOCK):
        for at in range(block * BLOCK, min((block + 1) * BLOCK, len(firsts))):
            first = x[firsts[at]]
            for s in range(seconds.shape[1]):
                second = y[seconds[at, s]]
                for d in range(x.shape[1]):
                    out[at, s, d] = max(first[d] + second[d], np.float32(0))


@njit(cache=True)
def _add_open(total: np.ndarray, row: np.ndarray, out: np.ndarray) -> None:
    """Add what the bend let through."""
    for d in range(len(total)):
        total[d] += row[d] if out[d] > np.float32(0) else np.float32(0)


@njit(parallel=True, nogil=True, cache=True)
def _sums_back(
    pull: np.ndarray,
    out: np.ndarray,
    firsts: np.ndarray,
    seconds: np.ndarray,
    by_x: np.ndarray,
    by_y: np.ndarray,
) -> None:
    """Row by row likewise."""
    count = seconds.shape[1]
    starts, places = _where(firsts, len(by_x))
    for block in prange((len(by_x) + BLOCK - 1) // BLOCK):
        for row in range(block * BLOCK, min((block + 1) * BLOCK, len(by_x))):
            by_x[row] = 0
            for at in places[starts[row] : starts[row + 1]]:
                for s in range(count):
                    _add_open(by_x[row], pull[at, s], out[at, s])
    others, standing = _where(seconds.reshape(-1), len(by_y))
    for block in prange((len(by_y) + BLOCK - 1) // BLOCK):
        for row in range(block * BLOCK, min((block + 1) * BLOCK, len(by_y))):
            by_y[row] = 0
            for at in standing[others[row] : others[row + 1]]:
                _add_open(by_y[row], pull[at // count, at % count], out[at // count, at % count])
