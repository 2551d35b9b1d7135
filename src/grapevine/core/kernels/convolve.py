"""LightGCN's convolutions and Adam over one table of nodes, fused; by hand, for speed.

With A the symmetrically normalised matrix of a graph, the output of K convolutions is
`(E + A E + ... + A^K E) / (K + 1)` (He et al., SIGIR 2020, arXiv:2002.02126, eq. 7). It is linear
in the table E and A is its own transpose, so the way back is the same polynomial of the gradient.
Both are taken by Horner's rule: `H = A H + E`, K times.

What each node holds is stored times its share `s = 1 / sqrt(degree)`: then `A H` is a plain sum
over neighbours, times s, without a weight for each edge. It may be stored rounded to bfloat16; sums
are in the type of the table.

N = nodes, D = width, R = rows asked for, K = layers
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int32, Int64
from numba import njit, prange

from grapevine.core.kernels.memory import empty, zeros
from grapevine.core.kernels.spmm import blocks_of, narrow, widen
from grapevine.core.kernels.threads import threads_for
from grapevine.structs.jagged import Jagged


@dataclass(frozen=True, slots=True)
class Adam:
    """Kingma and Ba, ICLR 2015, arXiv:1412.6980, algorithm 1."""

    first: float = 0.9
    """Decay of the mean of the gradient."""
    second: float = 0.999
    """Decay of the mean of its square."""
    epsilon: float = 1e-8
    """Added to the length that a step is divided by."""


class Convolution:
    """K convolutions of a table of nodes: forth for some rows, back to all, and a step of Adam.

    Attributes:
        table: `(N, D)` E, what is learnt; changed in place by `learn`.
        mean: `(N, D)` Adam's mean of the gradient.
        square: `(N, D)` Adam's mean of its square.
    """

    def __init__(
        self,
        neighbours: Jagged,
        table: Float[np.ndarray, "nodes width"],
        layers: int,
        *,
        rounded: bool = False,
        adam: Adam | None = None,
    ) -> None:
        """Build it.

        Args:
            neighbours: of each node; symmetric: each is its neighbours' neighbour.
            table: float32 or float64; taken, not copied.
            layers: K; without any this is Adam on the table.
            rounded: whether what passes between nodes is rounded to bfloat16.
            adam: its decays.
        """
        degrees = neighbours.lengths
        self.layers, self.adam, self.neighbours = layers, adam or Adam(), neighbours
        self.starts = blocks_of(degrees)
        self.shares = np.zeros(len(degrees), table.dtype)
        self.shares[degrees > 0] = degrees[degrees > 0] ** -0.5
        kind = np.uint16 if rounded else table.dtype
        self.passed, self.spare = (zeros(table.shape, kind) for _ in range(2))
        self.table = zeros(table.shape, table.dtype)
        self.mean, self.square = (zeros(table.shape, table.dtype) for _ in range(2))
        self.work = table.size + len(neighbours.values) * table.shape[1]
        self.everyone = np.arange(len(table), dtype=np.int32)
        self.load(table, np.zeros_like(table), np.zeros_like(table))

    def load(self, table: np.ndarray, mean: np.ndarray, square: np.ndarray) -> None:
        """Go on from a table and its moments."""
        self.table[:], self.mean[:], self.square[:] = table, mean, square
        with threads_for(self.work):
            self._send(self.everyone, self.table)
        self.passes_table = True

    def forward(self, rows: Int64[np.ndarray, " rows"]) -> Float[np.ndarray, "rows width"]:
        """What these rows hold after K convolutions, meaned over the layers."""
        with threads_for(self.work):
            return self._forward(rows)

    def _forward(self, rows: np.ndarray) -> np.ndarray:
        if not self.passes_table:
            self._send(self.everyone, self.table)
        for _ in range(self.layers - 1):
            self._convolve(self.everyone, self.table)
        self.passes_table = self.layers <= 1
        lists = self.neighbours
        starts = blocks_of(lists.lengths[rows])
        out = empty((len(rows), self.table.shape[1]), self.table.dtype)
        _gather(
            starts, rows, lists.offsets, lists.values, self.shares, self.passed, self.table,
            self.layers, out,
        )  # fmt: skip
        return out

    def learn(
        self,
        slots: Int32[np.ndarray, " nodes"],
        gradient: Float[np.ndarray, "rows width"],
        decay: Float[np.ndarray, " nodes"],
        *,
        rate: float,
        step: int,
    ) -> None:
        """One step of Adam along the gradient of the rows that `forward` gave.

        Args:
            slots: where each node's gradient stands; -1 for none.
            gradient: of the loss, by what `forward` returned.
            decay: times its row, this is added to the gradient of a node's row of the table.
            rate: learning rate.
            step: steps taken, this one counted.
        """
        with threads_for(self.work):
            self._learn(slots, gradient, decay, rate, step)

    def _learn(
        self, slots: np.ndarray, gradient: np.ndarray, decay: np.ndarray, rate: float, step: int
    ) -> None:
        lists, adam, kind = self.neighbours, self.adam, self.table.dtype.type
        if self.layers:
            self._send(slots, gradient)
        for _ in range(self.layers - 1):
            self._convolve(slots, gradient)
        _adam(
            self.starts, lists.offsets, lists.values, self.shares, self.passed, slots, gradient,
            self.layers, self.table, self.mean, self.square, decay, self.spare,
            kind(rate / (1 - adam.first**step)), kind(1 / (1 - adam.second**step) ** 0.5),
            kind(adam.first), kind(adam.second), kind(adam.epsilon),
        )  # fmt: skip
        self.passed, self.spare = self.spare, self.passed
        self.passes_table = True

    def _send(self, slots: np.ndarray, base: np.ndarray) -> None:
        """What all pass on at first: their own."""
        _send(self.starts, self.shares, slots, base, self.passed)

    def _convolve(self, slots: np.ndarray, base: np.ndarray) -> None:
        """One turn of Horner's rule, of what is passed on."""
        lists = self.neighbours
        _convolve(
            self.starts, lists.offsets, lists.values, self.shares, self.passed, slots, base,
            self.spare,
        )  # fmt: skip
        self.passed, self.spare = self.spare, self.passed


@njit(inline="always", cache=True)
def _sum(total: np.ndarray, columns: np.ndarray, place: Any, stop: Any, passed: np.ndarray) -> None:
    """Add up what the neighbours in `columns[place:stop]` pass on, in order."""
    width = len(total)
    total[:] = 0
    # Eight at once: the total is read and written an eighth as often.
    while place + 8 <= stop:
        a, b, c, e = columns[place], columns[place + 1], columns[place + 2], columns[place + 3]
        f, g, h, i = columns[place + 4], columns[place + 5], columns[place + 6], columns[place + 7]
        for d in range(width):
            near = widen(passed[a, d]) + widen(passed[b, d]) + widen(passed[c, d])
            next_ = widen(passed[e, d]) + widen(passed[f, d]) + widen(passed[g, d])
            total[d] += near + next_ + (widen(passed[h, d]) + widen(passed[i, d]))
        place += 8
    while place < stop:
        a = columns[place]
        for d in range(width):
            total[d] += widen(passed[a, d])
        place += 1


@njit(parallel=True, nogil=True, cache=True)
def _send(
    starts: np.ndarray, shares: np.ndarray, slots: np.ndarray, base: np.ndarray, out: np.ndarray
) -> None:
    width = base.shape[1]
    for block in prange(len(starts) - 1):
        for row in range(starts[block], starts[block + 1]):
            share, slot = shares[row], slots[row]
            if slot < 0:
                out[row, :] = 0
            else:
                for d in range(width):
                    out[row, d] = narrow(share * base[slot, d], out)


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract"})
def _convolve(
    starts: np.ndarray,
    offsets: np.ndarray,
    columns: np.ndarray,
    shares: np.ndarray,
    passed: np.ndarray,
    slots: np.ndarray,
    base: np.ndarray,
    out: np.ndarray,
) -> None:
    width = base.shape[1]
    for block in prange(len(starts) - 1):
        total = np.empty(width, base.dtype)
        for row in range(starts[block], starts[block + 1]):
            _sum(total, columns, offsets[row], offsets[row + 1], passed)
            share, slot = shares[row], slots[row]
            if slot < 0:
                for d in range(width):
                    out[row, d] = narrow(share * share * total[d], out)
            else:
                for d in range(width):
                    out[row, d] = narrow(share * (share * total[d] + base[slot, d]), out)


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract"})
def _gather(
    starts: np.ndarray,
    rows: np.ndarray,
    offsets: np.ndarray,
    columns: np.ndarray,
    shares: np.ndarray,
    passed: np.ndarray,
    table: np.ndarray,
    layers: int,
    out: np.ndarray,
) -> None:
    width = table.shape[1]
    part = table.dtype.type(1) / table.dtype.type(layers + 1)
    for block in prange(len(starts) - 1):
        total = np.empty(width, table.dtype)
        for place in range(starts[block], starts[block + 1]):
            row = int(rows[place])
            total[:] = 0
            if layers:
                _sum(total, columns, offsets[row], offsets[row + 1], passed)
            for d in range(width):
                out[place, d] = part * (shares[row] * total[d] + table[row, d])


@njit(parallel=True, nogil=True, cache=True, fastmath={"contract"})
def _adam(
    starts: np.ndarray,
    offsets: np.ndarray,
    columns: np.ndarray,
    shares: np.ndarray,
    passed: np.ndarray,
    slots: np.ndarray,
    base: np.ndarray,
    layers: int,
    table: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    decay: np.ndarray,
    out: np.ndarray,
    rate: np.floating,
    longer: np.floating,
    first: np.floating,
    second: np.floating,
    epsilon: np.floating,
) -> None:
    """The last turn of the way back, row by row followed by Adam and by what is passed on next."""
    width = table.shape[1]
    one = table.dtype.type(1)
    part = one / table.dtype.type(layers + 1)
    for block in prange(len(starts) - 1):
        total = np.empty(width, table.dtype)
        for row in range(starts[block], starts[block + 1]):
            share, slot = shares[row], slots[row]
            total[:] = 0
            if layers:
                _sum(total, columns, offsets[row], offsets[row + 1], passed)
            for d in range(width):
                total[d] *= share
            if slot >= 0:
                for d in range(width):
                    total[d] += base[slot, d]
            for d in range(width):
                slope = part * total[d] + decay[row] * table[row, d]
                mean[row, d] = first * mean[row, d] + (one - first) * slope
                square[row, d] = second * square[row, d] + (one - second) * slope * slope
                down = np.sqrt(square[row, d]) * longer + epsilon
                table[row, d] -= rate * mean[row, d] / down
                out[row, d] = narrow(share * table[row, d], out)
