"""RecTools' SASRec, with the same weights: the same.

What RecTools says is kept in a small file, so that this holds where RecTools is not; the script
beside the file made it. Two things differ, and are set here:

- its last norm has an epsilon of 1e-8, ours of 1e-5 as all others;
- unless `use_key_padding_mask` is given, places of padding hold zeros and are heard: a history
  shorter than the longest hears the biases of keys and values too. Ours, like the authors' code,
  hears events alone.
"""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from grapevine.core.patterns import Causal
from grapevine.data.interactions import Interactions
from grapevine.models.sequence import SASRec
from grapevine.models.sequence.batches import side_by_side
from grapevine.models.sequence.network import Network
from grapevine.models.sequence.reading import read

GOLDEN = Path(__file__).parents[1] / "golden"
EXACTLY = {"rtol": 0, "atol": 1e-12}


@pytest.fixture(scope="module")
def told():
    return load_file(GOLDEN / "rectools_sasrec.safetensors")


@pytest.fixture(scope="module")
def network(told):
    """Ours, with every weight of theirs."""
    items = told["item_model.item_net_blocks.0.ids_emb.weight"]
    places = told["pos_encoding_layer.pos_emb.weight"]
    config = SASRec.Config(
        width=8, heads=2, blocks=2, hidden=8, length=6, norm="sasrec", activation="relu",
        scaled=False, dropout=0.0, precision="float32",
    )  # fmt: skip
    network = Network(config, len(items) - 1).double().eval()
    # Our padding comes behind the items, and one more for a mask.
    state = {"items.weight": torch.cat([items[1:], items[:1], items[:1]]), "places": places}
    for end in ("weight", "bias"):
        state[f"last.{end}"] = told[f"transformer_layers.last_layernorm.{end}"]
        for block in range(2):
            ours, theirs = f"layers.{block}", f"transformer_layers.transformer_blocks.{block}"
            mixed = told[f"{theirs}.multi_head_attn.in_proj_{end}"]
            state[f"{ours}.attention.query.{end}"] = mixed[:8]
            state[f"{ours}.attention.keys_values.{end}"] = mixed[8:]
            for one, other in {
                "attention.out": "multi_head_attn.out_proj",
                "feed.up": "feed_forward.ff_linear_1",
                "feed.down": "feed_forward.ff_linear_2",
                "norms.0": "q_layer_norm",
                "norms.1": "ff_layer_norm",
            }.items():
                state[f"{ours}.{one}.{end}"] = told[f"{theirs}.{other}.{end}"]
    network.load_state_dict(state)
    network.last.eps = 1e-8
    return network


@pytest.fixture(scope="module")
def events(told):
    """Their histories without the padding, items from 0."""
    there = told["histories"].numpy() > 0
    offsets = np.concatenate([[0], there.sum(1).cumsum()])
    items = (told["histories"].numpy()[there] - 1).astype(np.int32)
    return Interactions(
        offsets, items, np.zeros(len(items), np.uint8), np.zeros(len(items), int), 7
    )


def placed(network, events):
    """Logits of every event, history by history."""
    zeros = np.zeros(len(events.offsets) - 1, np.int64)
    seen = side_by_side(events, events.offsets[:-1], events.offsets[1:], zeros)
    with torch.no_grad():
        return (network(seen) @ network.vectors().T)[seen.there]


def test_every_place_scores_every_item_the_same(told, network, events):
    """Theirs stand at the right of a frame of six, ours begin at its left: places count back."""
    there = told["histories"] > 0
    torch.testing.assert_close(placed(network, events), told["masked"][there], **EXACTLY)


def test_the_last_place_alone_scores_every_item_the_same(told, network, events):
    rows = np.arange(len(told["histories"]))
    with torch.no_grad():
        logits = read(network, events, rows, np.zeros_like(rows)) @ network.vectors().T
    torch.testing.assert_close(logits, told["masked"][:, -1], **EXACTLY)


def test_a_full_history_needs_no_mask_of_padding(told, network, events):
    full = (told["histories"] > 0).all(1)
    assert full.sum() == 2
    torch.testing.assert_close(told["plain"][full], told["masked"][full], **EXACTLY)


def test_without_the_mask_theirs_hears_padding_and_nothing_else_differs(told, network):
    there = (told["histories"] > 0)[:, :, None]
    with torch.no_grad():
        x = network.items((told["histories"] - 1) % 8) + network.places.flip(0)
        for layer in network.layers:
            x = layer(x * there, Causal())
        logits = network.last(x * there) @ network.vectors().T
    torch.testing.assert_close(logits, told["plain"], **EXACTLY)
    short = ~there.squeeze(2).all(1)
    assert (told["plain"] - told["masked"])[short, -1].abs().max() > 0.1


def test_the_file_is_what_rectools_says(told):
    pytest.importorskip("rectools", reason="compares with RecTools itself, where it is installed")
    said = runpy.run_path(str(GOLDEN / "make_rectools_sasrec.py"))["made"]()
    assert set(said) == set(told)
    for name, one in told.items():
        torch.testing.assert_close(said[name], one, rtol=0, atol=1e-10)
