"""Attention over an item and its neighbours, where PinSage has a weighted mean."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import relu

from grapevine.core.blocks import unit_length

# N = nodes that speak, M = nodes that hear, T = most neighbours, D = width, K = hidden width


class Attend(nn.Module):
    """One layer of attention in the place of `core.blocks.Convolve`, with the same parts.

    A node asks; it and its neighbours answer, each with a key and a value. What is heard is the
    softmax over them of `q k / sqrt(K)` plus the log of a neighbour's weight, so that with keys
    that say nothing it is importance pooling, the node counted as one neighbour of weight 1. As in
    OmniSage (Badrinath et al., KDD 2025, arXiv:2504.17811) a place of its own listens to all;
    unlike there it is the node itself, and there is one head.

    Args:
        width: D, of what a node holds.
        hidden: K, of a query, a key and a value.
        out: of what a node holds afterwards.
    """

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.ask = nn.Linear(width, hidden)
        self.speak = nn.Linear(width, 2 * hidden)
        self.mix = nn.Linear(width + hidden, out)

    def message(self, h_ND: Float[Tensor, "nodes width"]) -> Float[Tensor, "nodes said"]:
        """The key and the value of each node, side by side."""
        key_NK, value_NK = self.speak(h_ND).chunk(2, 1)
        return torch.cat([key_NK, relu(value_NK)], 1)

    def hear(
        self,
        said_NK: Float[Tensor, "nodes said"],
        own_MD: Float[Tensor, "receivers width"],
        nodes_MT: Int[Tensor, "receivers most"],
        weights_MT: Float[Tensor, "receivers most"],
    ) -> Float[Tensor, "receivers hidden"]:
        """What each receiver hears.

        Args:
            said_NK: messages.
            own_MD: what the receivers hold.
            nodes_MT: rows of said that each hears; -1 where there are fewer than T.
            weights_MT: how much each counts before the keys are looked at.
        """
        there_MT = nodes_MT >= 0
        heard_MTK = torch.cat([self.message(own_MD)[:, None], said_NK[nodes_MT.clamp_min(0)]], 1)
        key_MTK, value_MTK = heard_MTK.chunk(2, 2)
        logits_MT = (self.ask(own_MD)[:, None] * key_MTK).sum(2) / key_MTK.shape[2] ** 0.5
        prior_MT = weights_MT.clamp_min(1e-12).log().masked_fill(~there_MT, float("-inf"))
        # The node itself has weight 1, so that a softmax is never over nothing.
        prior_MT = torch.cat([prior_MT.new_zeros(len(prior_MT), 1), prior_MT], 1)
        share_MT = (logits_MT + prior_MT).softmax(1)
        return torch.einsum("mt,mtk->mk", share_MT, value_MTK)

    def update(
        self, own_MD: Float[Tensor, "receivers width"], heard_MK: Float[Tensor, "receivers hidden"]
    ) -> Float[Tensor, "receivers out"]:
        """What a node makes of its own state and of what it heard."""
        return unit_length(relu(self.mix(torch.cat([own_MD, heard_MK], 1))))
