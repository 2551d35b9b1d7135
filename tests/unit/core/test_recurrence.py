import pytest
import torch
from torch import nn

from grapevine.core.attention import attend
from grapevine.core.patterns import Causal, Window
from grapevine.core.positions import rotated, sinusoid
from grapevine.core.recurrence import Kept, RelativeScores, Segments

WIDTH, HEADS = 8, 2


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def heads(x):
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


class Layer(nn.Module):
    """A layer of Transformer-XL without what is the same in every Transformer."""

    def __init__(self):
        super().__init__()
        self.query, self.told, self.out = nn.Linear(8, 8), nn.Linear(8, 16), nn.Linear(8, 8)
        self.scores = RelativeScores(HEADS, WIDTH // HEADS, WIDTH)
        for parameter in (self.scores.content, self.scores.way):
            nn.init.normal_(parameter)

    def forward(self, x, heard, pattern, route=None):
        k, v = (heads(part) for part in self.told(heard).chunk(2, -1))
        bound = pattern.reach()
        q, bias = self.scores(heads(self.query(x)), heard.shape[1], furthest=bound and bound[0])
        out = attend(q, k, v, pattern, bias=bias, route=route).transpose(1, 2).flatten(2)
        return torch.tanh(x + self.out(out))


def test_the_four_terms_by_hand():
    layer, x = Layer(), torch.randn(1, 5, WIDTH)
    scores, q, k = layer.scores, heads(torch.randn(1, 3, WIDTH)), heads(x)
    asked, rule = scores(q, 5)
    ours = asked @ k.transpose(-1, -2) / 2 + rule(
        torch.arange(2, 5)[:, None], torch.arange(5)[None]
    )
    waves = (sinusoid(5, WIDTH) @ scores.turn.weight.T).view(5, HEADS, 4)
    for i in range(3):
        for j in range(3 + i):
            for h in range(HEADS):
                r, q_i, k_j = waves[2 + i - j, h], q[0, h, i], k[0, h, j]
                u, v = scores.content[h, 0], scores.way[h, 0]
                terms = q_i @ k_j + q_i @ r + u @ k_j + v @ r
                torch.testing.assert_close(ours[0, h, i, j], terms / 2)


@pytest.mark.parametrize("pattern", [Causal(), Window(4)])
@pytest.mark.parametrize("route", [None, "fused", "edges", "chunked"])
def test_segments_with_memory_are_the_whole_at_once(pattern, route):
    """Two layers, three segments: with memory for all that a place hears, nothing is lost."""
    layers, x = [Layer(), Layer()], torch.randn(2, 11, WIDTH)
    whole = x
    for layer in layers:
        whole = layer(whole, whole, pattern)
    memory, parts = Segments((), most=11 if isinstance(pattern, Causal) else 3), []
    for part in x.split((3, 5, 3), 1):
        inputs = [part]
        for depth, layer in enumerate(layers):
            heard = memory.before(depth, inputs[-1])
            inputs.append(layer(inputs[-1], heard, pattern, route))
        memory = memory.then(inputs[:-1])
        parts.append(inputs[-1])
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-10, rtol=0)


def test_no_gradient_goes_back_to_an_earlier_segment():
    layer, x = Layer(), torch.randn(1, 6, WIDTH, requires_grad=True)
    memory = Segments((), most=4).then([x[:, :3]])
    out = layer(x[:, 3:], memory.before(0, x[:, 3:]), Causal())
    reached = torch.autograd.grad(out.square().sum(), x)[0]
    assert not reached[:, :3].any()
    assert reached[:, 3:].any()


def test_only_the_last_places_are_kept():
    memory = Segments((), most=4)
    for low in range(0, 9, 3):
        memory = memory.then([torch.arange(low, low + 3.0).view(1, 3, 1)])
    assert memory.states[0].flatten().tolist() == [5, 6, 7, 8]


@pytest.mark.parametrize("pattern", [Causal(), Window(3)])
def test_decoding_from_what_is_kept_is_recomputing_it(pattern):
    q, k, v = torch.randn(3, 2, HEADS, 9, 4).unbind()
    places = torch.arange(9)
    whole = attend(rotated(q, places), rotated(k, places), v, pattern)
    kept, parts = Kept(), []
    for some in places.split((4, 1, 1, 3)):
        new = (x[:, :, some] for x in (q, k, v))
        q_new, k_new, v_new = new
        keys, values = kept.then(rotated(k_new, some), v_new)
        parts.append(attend(rotated(q_new, some), keys, values, pattern))
    assert len(kept) == 9
    torch.testing.assert_close(torch.cat(parts, 2), whole, atol=1e-10, rtol=0)


def test_a_beam_goes_on_with_the_sequences_that_it_picks():
    kept, (k, v) = Kept(), torch.randn(2, 3, HEADS, 5, 4).unbind()
    kept.then(k, v)
    kept.pick(torch.tensor([2, 2, 0]))
    keys, values = kept.then(k[:, :, :1], v[:, :, :1])
    torch.testing.assert_close(keys[:, :, :5], k[[2, 2, 0]])
    torch.testing.assert_close(values, torch.cat([v[[2, 2, 0]], v[:, :, :1]], 2))
