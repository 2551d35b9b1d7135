"""Write what RecTools' SASRec says of a few histories, for `equivalence/test_rectools_sasrec.py`.

Run by hand with RecTools (0.19.0) installed: `python tests/golden/make_rectools_sasrec.py`.
Weights are drawn, all in float64, biases and gains too, so that none is silently left out.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

OUT = Path(__file__).with_name("rectools_sasrec.safetensors")
ITEMS, WIDTH, HEADS, BLOCKS, LENGTH = 7, 8, 2, 2, 6
# 0 is padding, which stands before the first event; 1 to 7 are items.
HISTORIES = [
    [0, 0, 0, 0, 0, 3],
    [0, 0, 0, 5, 1, 5],
    [0, 2, 7, 6, 4, 1],
    [1, 2, 3, 4, 5, 6],
    [7, 7, 1, 3, 7, 2],
]


def made() -> dict[str, torch.Tensor]:
    """The weights by RecTools' names, the histories, and the logits of items 1 to 7.

    `masked` are those with `use_key_padding_mask`, `plain` those without, as SASRecModel has it
    unless told otherwise.
    """
    model = backbone().double().eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for one in model.parameters():
            one.copy_(torch.randn(one.shape, generator=draw, dtype=torch.float64) / 2)
        model.item_model.item_net_blocks[0].ids_emb.weight[0] = 0  # padding, as training leaves it
        histories = torch.tensor(HISTORIES)
        logits = {}
        for name, masked in (("plain", False), ("masked", True)):
            model.use_key_padding_mask = masked
            logits[name] = model({"x": histories})[..., 1:].contiguous()
    return {**model.state_dict(), "histories": histories, **logits}


def backbone() -> Any:
    """As SASRecModel(n_factors=8, n_blocks=2, n_heads=2, session_max_len=6) builds it."""
    # Here, since the tests are collected where RecTools is not.
    from rectools.models.nn.item_net import IdEmbeddingsItemNet, SumOfEmbeddingsConstructor
    from rectools.models.nn.transformers.net_blocks import LearnableInversePositionalEncoding
    from rectools.models.nn.transformers.sasrec import SASRecTransformerLayers
    from rectools.models.nn.transformers.similarity import DistanceSimilarityModule
    from rectools.models.nn.transformers.torch_backbone import TransformerTorchBackbone

    ids = IdEmbeddingsItemNet(WIDTH, ITEMS + 1, dropout_rate=0.0)
    return TransformerTorchBackbone(
        n_heads=HEADS,
        dropout_rate=0.0,
        item_model=SumOfEmbeddingsConstructor(ITEMS + 1, [ids]),
        pos_encoding_layer=LearnableInversePositionalEncoding(True, LENGTH, WIDTH),
        transformer_layers=SASRecTransformerLayers(BLOCKS, WIDTH, HEADS, 0.0),
        similarity_module=DistanceSimilarityModule("dot"),
        use_causal_attn=True,
    )


if __name__ == "__main__":
    save_file(made(), OUT)
