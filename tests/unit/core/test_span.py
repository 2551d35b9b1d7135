import pytest
import torch

from grapevine.core.attention import attend
from grapevine.core.patterns import Causal, Window
from grapevine.core.span import AdaptiveSpan


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def test_the_ramp_by_hand():
    span = AdaptiveSpan(2, 10, ramp=4)
    span.share.data = torch.tensor([0.0, 0.3])  # spans 0 and 3
    m = span(torch.tensor(7), torch.arange(8)).exp()[0]
    assert m[0].tolist() == pytest.approx([0, 0, 0, 0, 0.25, 0.5, 0.75, 1])
    assert m[1].tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1, 1, 1])
    assert span.pattern() == Window(7)
    assert span.penalty().item() == pytest.approx(1.5)


@pytest.mark.parametrize("route", ["fused", "matrix", "band", "edges", "chunked", None])
def test_weights_are_shares_of_what_the_ramp_leaves(route):
    span = AdaptiveSpan(2, 30, ramp=3)
    span.share.data = torch.tensor([0.01, 0.12])
    q, k, v = torch.randn(3, 2, 2, 40, 4).requires_grad_().unbind()
    ours = attend(q, k, v, span.pattern(), bias=span, route=route)
    back = torch.arange(40)[:, None] - torch.arange(40)[None, :]
    z = 30 * span.share.view(1, 2, 1, 1)
    m = ((3 + z - back) / 3).clamp(0, 1) * Causal().mask(40)
    powers = m * (q @ k.transpose(-1, -2) / 2).exp()
    theirs = powers / powers.sum(-1, keepdim=True) @ v
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=0)
    pull = torch.randn_like(ours)
    mine, other = (
        torch.autograd.grad((out * pull).sum(), (q, k, v, span.share), retain_graph=True)
        for out in (ours, theirs)
    )
    torch.testing.assert_close(mine, other, atol=1e-9, rtol=0)


def test_spans_grow_where_far_places_matter_and_shrink_by_the_penalty_where_not():
    """Head 0 has to say what was said 12 places ago, head 1 what is said now."""
    span = AdaptiveSpan(2, 32, ramp=4, start=9.0)
    optimiser = torch.optim.Adam(span.parameters(), lr=0.005)
    v = torch.randn(1, 2, 32, 4)
    wanted = torch.stack([v[:, 0].roll(12, 1), v[:, 1]], 1)
    reach = torch.tensor([12, 0]).view(1, 2, 1, 1)

    def bias(receivers, senders):
        # Each head already looks where it should; only the ramp may be in its way.
        return span(receivers, senders) + 9.0 * (receivers - senders == reach)

    q = torch.zeros(1, 2, 32, 4)
    for _ in range(60):
        optimiser.zero_grad()
        out = attend(q, q, v, span.pattern(), bias=bias)
        loss = (out - wanted)[:, :, 12:].square().mean() + 0.02 * span.penalty()
        loss.backward()
        optimiser.step()
    far, near = span.spans.tolist()
    assert far > 8
    assert near < 1.0
