"""A bias added and bent: torch's own numbers and gradients, in both types."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from grapevine.core.kernels.activations import CODES, ROWS, bend, bend_back

TORCH = {
    "none": lambda x: x,
    "relu": functional.relu,
    "gelu": functional.gelu,
    "swiglu": lambda x: functional.silu(x[:, : x.shape[1] // 2]) * x[:, x.shape[1] // 2 :],
}


@pytest.mark.parametrize("rows", [1, ROWS, 2 * ROWS + 3])
@pytest.mark.parametrize("name", CODES)
def test_bent_as_torch_bends(name, rows):
    generator = torch.Generator().manual_seed(rows)
    x = 3 * torch.randn(rows, 14, generator=generator)
    bias = torch.randn(14, generator=generator)
    kept = 7 if name == "swiglu" else 14
    pull = torch.randn(rows, kept, generator=generator)
    wanted_x, wanted_bias = x.clone().requires_grad_(), bias.clone().requires_grad_()
    wanted = TORCH[name](wanted_x + wanted_bias)
    wanted.backward(pull)
    out, by_x = np.empty((rows, kept), np.float32), np.empty((rows, 14), np.float32)
    by_x[:, :kept] = pull.numpy()
    sums = np.empty((-(-rows // ROWS), 14), np.float32)
    bend(x.numpy(), bias.numpy(), out, CODES[name])
    bend_back(pull.numpy(), x.numpy(), bias.numpy(), by_x, sums, CODES[name])
    torch.testing.assert_close(torch.from_numpy(out), wanted, atol=2e-6, rtol=2e-6)
    torch.testing.assert_close(torch.from_numpy(by_x), wanted_x.grad, atol=5e-6, rtol=5e-6)
    by_bias = torch.from_numpy(sums.sum(0))
    torch.testing.assert_close(by_bias, wanted_bias.grad, atol=2e-5, rtol=2e-5)


def test_far_out_a_gelu_is_its_number_or_nothing():
    x = np.array([[-50.0, -9.0, 0.0, 9.0, 50.0]], np.float32)
    out = np.empty_like(x)
    bend(x, np.zeros(5, np.float32), out, CODES["gelu"])
    np.testing.assert_allclose(out, [[0, 0, 0, 9, 50]], atol=1e-12)


def test_far_out_swiglu_is_a_product_or_nothing():
    x = np.array([[-500.0, -90.0, 0.0, 90.0, 500.0, 2.0, 2.0, 2.0, 2.0, 2.0]], np.float32)
    out = np.empty((1, 5), np.float32)
    bend(x, np.zeros(10, np.float32), out, CODES["swiglu"])
    np.testing.assert_allclose(out, [[0, 0, 0, 180, 1000]], atol=1e-12)


def test_halves_are_rounded_once():
    x = (3 * torch.randn(5, 8, generator=torch.Generator().manual_seed(0))).bfloat16()
    bias, out = torch.ones(8), torch.empty_like(x)
    bend(x.view(torch.uint16).numpy(), bias.numpy(), out.view(torch.uint16).numpy(), CODES["gelu"])
    wanted = functional.gelu(x.float() + 1).bfloat16()
    torch.testing.assert_close(out, wanted, atol=1e-6, rtol=2**-7)
