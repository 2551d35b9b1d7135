"""No compiled loop gives other bits where its arrays stand near each other in memory."""

from collections.abc import Callable

import numpy as np
import pytest

from grapevine.core.kernels.activations import CODES, bend, bend_back
from grapevine.core.kernels.fused import ROWS, _norm, _norm_back
from grapevine.core.kernels.pointwise import _bend, _bend_back
from grapevine.core.kernels.rowloss import softmax_row

WIDTHS = [5, 14, 16, 40]


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def same_wherever(run: Callable[..., object], *arrays: np.ndarray) -> None:
    """Whatever the order of the arrays in one piece of memory, and the gaps between them."""
    rng, found = np.random.default_rng(0), set()
    size = sum(one.size for one in arrays)
    for _ in range(200):
        room, at = np.zeros(size + 64 * len(arrays), np.float32), int(rng.integers(16))
        placed = [one[:0] for one in arrays]
        for which in rng.permutation(len(arrays)):
            one = arrays[which]
            placed[which] = room[at : at + one.size].reshape(one.shape)
            placed[which][...] = one
            at += one.size + int(rng.choice([0, 1, 4, 8, 16, 40]))
        told = run(*placed)
        found.add((b"".join(one.tobytes() for one in placed), told))
    assert len(found) == 1


@pytest.mark.parametrize("items", WIDTHS)
def test_softmax(items):
    def run(line, shares):
        return float(softmax_row(line, shares, np.int64(3), np.float32(0.1)))

    same_wherever(run, numbers(items), numbers(items) * 0)


@pytest.mark.parametrize("width", WIDTHS)
def test_norm(width):
    x, gain, shift = numbers(9, width), numbers(width), numbers(width) * 2
    told = np.stack([x.mean(1), 1 / x.std(1)], 1)
    sums = np.zeros((-(-len(x) // ROWS), 2, width), np.float32)
    eps = np.float32(1e-5)
    same_wherever(lambda *arrays: _norm(*arrays[:3], eps, *arrays[3:]), x, gain, shift, x, told)
    same_wherever(_norm_back, x[::-1].copy(), x, told, gain, x, sums)


@pytest.mark.parametrize("code", CODES.values())
@pytest.mark.parametrize("width", WIDTHS)
def test_activation(width, code):
    told = numbers(9, width)
    x = numbers(9, 2 * width) if code == CODES["swiglu"] else told
    bias = numbers(x.shape[1])
    sums = np.zeros((-(-len(x) // ROWS), x.shape[1]), np.float32)
    same_wherever(lambda *arrays: bend(*arrays, code), x, bias, told)
    same_wherever(lambda *arrays: bend_back(*arrays, code), told[::-1].copy(), x, bias, x, sums)


@pytest.mark.parametrize("keys", WIDTHS)
def test_gated_attention(keys):
    products, bias = numbers(2, 2, 3, keys), numbers(1, 3, keys)
    heard, scale = np.ones((1, 3, keys), bool), np.float32(0.3)
    same_wherever(lambda x, more: _bend(x, more, heard, 0, scale), products, bias)

    def back(*arrays):
        _bend_back(*arrays, heard, 0, scale)

    same_wherever(back, products, products[::-1].copy(), bias, bias * 0)
