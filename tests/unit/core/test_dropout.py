"""Dropout by counter: the share, the scale, the gradient, and no bit from threads."""

import numba
import numpy as np
import pytest
import torch

from grapevine.core.kernels.dropout import Dropout, dropout


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_is_left_out_and_the_rest_makes_up_for_it(share):
    out = dropout(torch.ones(300_001), share, 7)
    assert out.unique().tolist() == pytest.approx([0, 1 / (1 - share)], rel=1e-3)
    kept = (out > 0).float().mean()
    assert abs(kept - (1 - share)) < 5 * (share * (1 - share) / 300_001) ** 0.5
    assert abs(out.mean() - 1) < 0.02


@pytest.mark.parametrize("size", [0, 1, 3, 5, 4095, 4097, 9000])
def test_the_gradient_passes_where_the_number_did(size):
    x = torch.randn(size, requires_grad=True)
    out = dropout(x, 0.3, 11)
    (pull,) = torch.autograd.grad(out, x, torch.ones(size))
    torch.testing.assert_close(out, x * pull)


@pytest.mark.usefixtures("all_threads")
def test_no_bit_depends_on_the_number_of_threads():
    x = torch.randn(600_000)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = dropout(x, 0.2, 5)
        numba.set_num_threads(before)
        np.testing.assert_array_equal(alone, dropout(x, 0.2, 5))
    finally:
        numba.set_num_threads(before)


def test_neighbours_and_keys_have_nothing_to_do_with_each_other():
    x = torch.ones(100_000)
    one, other = (dropout(x, 0.5, key) > 0 for key in (1, 2))
    pairs = [(one, other), (one[:-1], one[1:]), (one[:-4], one[4:]), (one[:-4096], one[4096:])]
    for a, b in pairs:
        assert abs((a == b).float().mean() - 0.5) < 0.01


def test_the_layer_does_nothing_outside_training_and_follows_torchs_seed():
    layer, x = Dropout(0.4), torch.randn(50, 8)
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(first, layer(x))
    assert not torch.equal(first, layer(x))
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_left_to_torch(dtype):
    out = Dropout(0.5)(torch.ones(1000, dtype=dtype))
    assert out.dtype == dtype
    assert set(out.unique().tolist()) == {0.0, 2.0}
