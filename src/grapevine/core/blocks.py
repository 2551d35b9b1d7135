"""Layers: what a node makes of what it hears.

N = nodes that speak, M = nodes that hear, T = most neighbours of one, D = width, K = hidden width.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from grapevine.core.table import Merge, pool


class Convolve(nn.Module):
    """One convolution of PinSage (Ying et al., KDD 2018, arXiv:1806.01973, algorithm 1).

    Each node says `ReLU(Q h + q)`; what a node hears is merged, set beside what it holds, and gives
    `ReLU(W [h, n] + w)`, scaled to length one where it is not zero.

    Args:
        width: D, of what a node holds.
        hidden: K, of what a node says.
        out: of what a node holds afterwards.
        merge: how messages merge; "importance" in the paper.
    """

    def __init__(
        self, width: int, hidden: int, out: int, *, merge: Merge = "importance", eps: float = 1e-12
    ) -> None:
        super().__init__()
        self.speak = nn.Linear(width, hidden)
        self.listen = nn.Linear(width + hidden, out)
        self.merge: Merge = merge
        self.eps = eps

    def forward(
        self,
        h_ND: Float[Tensor, "nodes width"],
        nodes_MT: Int[Tensor, "receivers most"],
        weights_MT: Float[Tensor, "receivers most"],
        centres_M: Int[Tensor, " receivers"],
    ) -> Float[Tensor, "receivers out"]:
        """What each receiver holds afterwards; each row of h is projected once.

        Args:
            h_ND: the nodes of the level below, each once.
            nodes_MT: rows of h that each receiver hears; -1 where there are fewer than T.
            weights_MT: how much each counts.
            centres_M: the row of h that each receiver is.
        """
        heard_MK = pool(self.message(h_ND), nodes_MT, weights_MT, self.merge)
        return self.update(h_ND[centres_M], heard_MK)

    def message(self, h_ND: Float[Tensor, "nodes width"]) -> Float[Tensor, "nodes hidden"]:
        """What each node says, to whomever listens."""
        return relu(self.speak(h_ND))

    def update(
        self, own_MD: Float[Tensor, "receivers width"], heard_MK: Float[Tensor, "receivers hidden"]
    ) -> Float[Tensor, "receivers out"]:
        """What a node makes of its own state and of what it heard."""
        # ReLU can leave a zero vector, which has no direction: the guard keeps it zero.
        return normalize(relu(self.listen(torch.cat([own_MD, heard_MK], 1))), dim=1, eps=self.eps)
