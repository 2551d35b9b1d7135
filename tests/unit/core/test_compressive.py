import pytest
import torch
from torch import nn

from grapevine.core.attention import attend
from grapevine.core.compressive import Compress, Evicted, Memories, reconstruction
from grapevine.core.patterns import Complete, Cross


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def numbered(low, high):
    return torch.arange(float(low), float(high)).view(1, -1, 1)


def test_ways_to_compress_by_hand():
    x = numbered(0, 7)
    assert Compress(1, 3, "mean")(x).flatten().tolist() == [1, 4]
    assert Compress(1, 3, "max")(x).flatten().tolist() == [2, 5]
    heard = torch.tensor([[0.0, 5.0, 1.0, 0.0, 0.0, 0.0, 3.0]])
    assert Compress(1, 3, "used")(x, heard).flatten().tolist() == [1, 6]
    with pytest.raises(ValueError, match="how much"):
        Compress(1, 3, "used")(x)
    conv = Compress(1, 3, "conv")
    conv.conv.weight.data.fill_(1.0)
    conv.conv.bias.data.zero_()
    assert conv(x).flatten().tolist() == [3, 12]
    dilated = Compress(2, 3, "dilated")
    assert dilated(torch.randn(1, 7, 2)).shape == (1, 2, 2)


def test_what_is_oldest_goes_first_and_comes_back_compressed():
    memories, compress = Memories.empty(1, 1), Compress(1, 2, "mean")
    gone = []
    for low in range(0, 15, 3):
        memories, evicted = memories.then(
            numbered(low, low + 3), compress, most=4, most_compressed=3
        )
        gone += evicted.states.flatten().tolist() if evicted else []
    # 15 states, at least 4 kept, pairs gone: 10 of them, in five pairs, of which three are kept.
    assert memories.recent.flatten().tolist() == [10, 11, 12, 13, 14]
    assert gone == list(range(10))
    assert memories.compressed.flatten().tolist() == [4.5, 6.5, 8.5]
    assert memories.before(numbered(15, 16)).flatten().tolist() == [
        4.5, 6.5, 8.5, 10, 11, 12, 13, 14, 15
    ]  # fmt: skip


def test_what_was_heard_is_added_up_over_segments_and_decides_what_stays():
    memories, compress = Memories.empty(1, 1), Compress(1, 2, "used")
    for low, heard in ((0, [9.0, 1.0]), (2, [0.0, 3.0, 1.0, 0.0])):
        memories, evicted = memories.then(
            numbered(low, low + 2), compress, most=4, most_compressed=9, heard=torch.tensor([heard])
        )
        assert evicted is None
    memories, evicted = memories.then(
        numbered(4, 6), compress, most=2, most_compressed=9, heard=torch.zeros(1, 6)
    )
    # 9, 4, 1 and 0 of the four that go: the first two stay.
    assert evicted.compressed.flatten().tolist() == [0, 1]
    assert memories.recent.flatten().tolist() == [4, 5]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, asking, told, pattern):
        parts = (self.query(asking), self.key(told), self.value(told))
        return attend(*(x[:, None] for x in parts), pattern)[:, 0]


def test_reconstruction_teaches_the_compression_alone_and_is_none_where_nothing_is_lost():
    attention, compress, old = Attention(), Compress(4, 2, "conv"), torch.randn(2, 6, 4)
    x = torch.randn(2, 3, 4, requires_grad=True)
    loss = reconstruction(attention, x, Evicted(old, compress(old)), Cross(Complete()))
    assert loss > 0
    loss.backward()
    assert x.grad is None
    assert all(weight.grad is None for weight in attention.parameters())
    assert all(weight.grad.any() for weight in compress.parameters())
    twice = old.repeat_interleave(2, 1)  # two alike are their mean
    same = Evicted(twice, Compress(4, 2, "mean")(twice))
    lost = reconstruction(attention, x, same, Cross(Complete()))
    torch.testing.assert_close(lost, torch.zeros(()), atol=1e-20, rtol=0)


def test_no_gradient_goes_into_the_memory():
    x = torch.randn(1, 4, 2, requires_grad=True)
    memories, evicted = Memories.empty(1, 2).then(
        x, Compress(2, 2, "conv"), most=2, most_compressed=2
    )
    assert not memories.recent.requires_grad
    assert not memories.compressed.requires_grad
    assert evicted.compressed.requires_grad
    assert torch.autograd.grad(evicted.compressed.sum(), x, allow_unused=True)[0] is None
