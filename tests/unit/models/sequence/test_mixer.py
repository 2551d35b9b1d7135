"""Mixing places by learnt weights: causal with its triangle, and not without."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine.core.patterns import Causal, Complete
from grapevine.errors import ConfigError
from grapevine.models import MODELS
from grapevine.models.sequence import MLP4Rec
from grapevine.models.sequence.batches import EpochBatches
from grapevine.models.sequence.mixer import MixerLayer
from grapevine.testing.worlds import world


def layer(width=6, length=8):
    torch.manual_seed(1)
    made = MixerLayer(width, 12, length=length)
    for offset in (made.heard, made.said):
        offset.data.normal_()
    return made.eval()


def test_with_the_triangle_no_place_hears_what_came_later_and_without_it_all_do():
    """Spec 04 section 13, test 2: without its triangle the mixer must fail."""
    made, x = layer(), torch.randn(3, 8, 6)
    later = x.clone()
    later[:, 5:] = torch.randn(3, 3, 6)  # a norm does not hear what is added to all of its width
    for pattern, causal in ((Causal(), True), (Complete(), False)):
        before, after = made(x, pattern), made(later, pattern)
        assert torch.allclose(before[:, :5], after[:, :5]) == causal
        assert not torch.allclose(before[:, 5:], after[:, 5:])


def test_one_place_is_a_dense_layer_by_hand():
    made, x = layer(length=1), torch.randn(2, 1, 6)
    normed = made.norms[0](x)
    y = x + made.say * torch.nn.functional.gelu(made.hear * normed + made.heard) + made.said
    torch.testing.assert_close(made(x, Causal()), y + made.feed(made.norms[1](y)))
    torch.testing.assert_close(made(x, Complete()), made(x, Causal()))


@pytest.mark.parametrize("pattern", [Causal(), Complete()])
def test_what_stands_behind_a_history_is_not_heard(pattern):
    made, x = layer(), torch.randn(3, 7, 6)
    lengths = torch.tensor([7, 4, 1])
    there = torch.arange(7) < lengths[:, None]
    together = made(x, pattern, there=there)
    for row, length in enumerate(lengths):
        alone = made(x[row : row + 1, :length], pattern, there=there[row : row + 1, :length])
        torch.testing.assert_close(together[row, :length], alone[0])


def test_the_whole_tables_are_asked_about_the_item_after_the_window_alone():
    events = [(f"u{u}", (u + step) % 10) for u in range(30) for step in range(9)]
    data = world([*events, ("alone", 3)])
    options = MLP4Rec.Config.paper(width=8, heads=1, length=5, batch=30)
    seen = set()
    for epoch in range(20):
        batches = EpochBatches(options, data.interactions, 0, epoch)
        batch = batches[0]
        assert batches.examples == len(batch.answers) == 30
        items = batch.places.items
        last = items.flatten()[batch.asking]
        names = data.items.ids
        assert [(names[one] + 1) % 10 for one in last.tolist()] == [
            names[one] for one in batch.answers.tolist()
        ]
        lengths = batch.places.there.sum(1)
        assert torch.equal(batch.asking, torch.arange(30) * items.shape[1] + lengths - 1)
        seen |= set(lengths.tolist())
    assert seen == {1, 2, 3, 4, 5}
    latest = EpochBatches(replace(options, windows="latest"), data.interactions, 0, 0)
    np.testing.assert_array_equal(latest.windows[1], data.interactions.offsets[1:])


def test_a_cloze_is_no_question_for_a_mixer():
    with pytest.raises(ConfigError, match="hear both ways"):
        replace(MODELS["mlp4rec"].config, asks="cloze")
