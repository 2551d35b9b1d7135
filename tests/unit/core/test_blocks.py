import pytest
import torch

from grapevine.core.blocks import Convolve


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def by_hand():
    """Q = 1, W = I, no biases."""
    layer = Convolve(1, 1, 2)
    with torch.no_grad():
        layer.speak.weight.fill_(1)
        layer.listen.weight.copy_(torch.eye(2))
        layer.speak.bias.zero_()
        layer.listen.bias.zero_()
    return layer


def test_a_convolution_by_hand():
    h = torch.tensor([[4.0], [1.0], [2.0]])
    nodes = torch.tensor([[2, 0, -1], [-1, -1, -1]])
    weights = torch.tensor([[0.75, 0.25, 9.0], [0.0, 0.0, 0.0]])
    out = by_hand()(h, nodes, weights, torch.tensor([1, 0]))
    # n = 0.75 x 2 + 0.25 x 4 = 2.5, then (1, 2.5) to length one; nobody heard leaves (4, 0).
    torch.testing.assert_close(
        out, torch.tensor([[0.371391, 0.928477], [1.0, 0.0]]), atol=1e-6, rtol=0
    )


def test_what_relu_leaves_at_zero_stays_zero_and_so_does_its_gradient():
    h = torch.tensor([[-1.0], [-2.0]], requires_grad=True)
    out = by_hand()(h, torch.tensor([[1]]), torch.tensor([[1.0]]), torch.tensor([0]))
    assert out.tolist() == [[0.0, 0.0]]
    assert torch.autograd.grad(out.sum(), h)[0].tolist() == [[0.0], [0.0]]
