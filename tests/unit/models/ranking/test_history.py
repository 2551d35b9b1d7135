import math

import numpy as np
import pytest
import torch
from torch import nn

from grapevine.models.ranking.history import AUGRU, Attention, Evolution, mean, next_loss


def some(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).double()


def slow_augru(layer, events, weights):
    """One candidate of one question at a time, number by number of the paper's formulas."""
    said = [part.detach().numpy() for part in layer.heard.weight.chunk(3)]
    bias = [part.detach().numpy() for part in layer.heard.bias.chunk(3)]
    held = [part.detach().numpy() for part in layer.held.weight.chunk(3)]
    state = np.zeros(layer.width)
    for event, weight in zip(events, weights, strict=True):
        reset, update = (
            1 / (1 + np.exp(-(said[k] @ event + held[k] @ state + bias[k]))) for k in (0, 1)
        )
        new = np.tanh(said[2] @ event + reset * (held[2] @ state) + bias[2])
        state = (1 - weight * update) * state + weight * update * new
    return state


def test_augru_is_the_slow_loop():
    layer, events, weights = AUGRU(3).double(), some(2, 4, 3), some(2, 5, 4).sigmoid()
    found = layer(events, weights).detach().numpy()
    for question, item in np.ndindex(2, 5):
        wanted = slow_augru(layer, events[question].numpy(), weights[question, item].numpy())
        np.testing.assert_allclose(found[question, item], wanted, rtol=1e-10)


def test_augru_of_full_weights_is_a_gru():
    layer, plain = AUGRU(3).double(), nn.GRU(3, 3, batch_first=True).double()
    with torch.no_grad():
        # torch's update gate is what stays, and ours what is taken over.
        for name, one in (("weight_ih_l0", layer.heard.weight), ("weight_hh_l0", layer.held.weight),
                          ("bias_ih_l0", layer.heard.bias)):  # fmt: skip
            reset, update, new = one.chunk(3)
            getattr(plain, name).copy_(torch.cat([reset, -update, new]))
        plain.bias_hh_l0.zero_()
    events = some(2, 6, 3)
    found = layer(events, torch.ones(2, 1, 6).double())
    torch.testing.assert_close(found[:, 0], plain(events)[1][0])


def test_an_event_of_no_weight_leaves_the_state_as_it_is():
    layer, events, weights = AUGRU(3).double(), some(1, 3, 3), some(1, 2, 3).sigmoid()
    longer = torch.cat([events, some(1, 2, 3)], 1)
    more = torch.cat([weights, torch.zeros(1, 2, 2).double()], 2)
    torch.testing.assert_close(layer(longer, more), layer(events, weights))


def test_attention_by_hand():
    layer = Attention(2)
    with torch.no_grad():
        layer.turn.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    events = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [7.0, 7.0]]])
    wanted = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    there = torch.tensor([[True, True, False]])
    # Products are 1 and 2 for the first candidate, and 0 and 0 for the second.
    first = math.e / (math.e + math.e**2)
    found = layer(events, wanted, there)
    torch.testing.assert_close(found, torch.tensor([[[first, 1 - first, 0], [0.5, 0.5, 0]]]))


def test_a_history_without_events_says_nothing():
    events, items, there = some(2, 3, 4), some(2, 5, 4), torch.zeros(2, 3, dtype=torch.bool)
    assert not Attention(4).double()(events, items, there).any()
    assert not Evolution(4).double()(events, items, there).any()
    assert not mean(events, there).any()


@pytest.mark.parametrize("kind", [Attention, Evolution])
def test_padding_changes_nothing(kind):
    layer, events, items = kind(4).double(), some(2, 3, 4), some(2, 5, 4)
    there = torch.tensor([[True, True, True], [True, False, False]])

    def asked(events, there):
        states = layer.states(events) if kind is Evolution else events
        return layer(states, items, there)

    found = asked(events, there)
    padded = asked(torch.cat([events, 9 + some(2, 2, 4)], 1), nn.functional.pad(there, (0, 2)))
    if kind is Attention:
        assert not padded[..., 3:].any()
        padded = padded[..., :3]
    torch.testing.assert_close(padded, found)


def test_the_mean_is_of_the_events_that_are_there():
    events = torch.tensor([[[1.0], [3.0], [100.0]]])
    found = mean(events, torch.tensor([[True, True, False]]))
    assert found.tolist() == [[[2.0]]]


def test_the_loss_on_next_events_by_hand():
    states = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]]])
    following = torch.tensor([[[9.0, 9.0], [2.0, 0.0], [0.0, -1.0]]])
    others = torch.tensor([[[9.0, 9.0], [0.0, 3.0], [1.0, 1.0]]])
    there = torch.tensor([[True, True, True]])

    def s(x):
        return 1 / (1 + math.exp(-x))

    wanted = -(math.log(s(2)) + math.log(1 - s(0)) + math.log(s(-1)) + math.log(1 - s(1))) / 2
    assert next_loss(states, following, others, there).item() == pytest.approx(wanted, rel=1e-6)
    alone = torch.tensor([[True, False, False]])
    assert next_loss(states, following, others, alone).item() == 0
