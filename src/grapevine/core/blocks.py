"""Layers: what a node makes of what it hears.

The layers of the field differ in what is said, how it merges, whether the node's own state is set
beside it, and along which edges:

| layer | made by |
| --- | --- |
| basic graph network, `act(U h_i + V sum_j h_j)` | `Layer(D, O, merge="sum")` |
| mean, `act(B h_i + W mean_j h_j)` | `Layer(D, O, merge="mean")` |
| GraphSAGE, mean | `Block(Layer(D, O, merge="mean"), O, norm="l2")` |
| GraphSAGE, pooling | `Block(Layer(D, O, hidden=K, merge="max"), O, norm="l2")` |
| GraphSAGE, "gcn" | `Block(Layer(D, O, merge="mean", own=False), O, norm="l2")`, self-loops |
| GCN | `Layer(D, O, own=False)`, self-loops and `symmetric_normalised` weights |
| PinSage | `Convolve(D, K, O)` |

N = nodes that speak, M = nodes that hear, T = most neighbours of one, D = width, K = hidden width,
O = width afterwards.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import relu

from grapevine.core.kernels.unit import unit_rows
from grapevine.core.listen import listen
from grapevine.core.neighbourhoods import Neighbourhood, Table
from grapevine.core.table import Merge

Norm = Literal["none", "l2", "layer"]
"""Nothing, length one, or zero mean and unit variance with a gain and a bias (Ba et al., 2016)."""


class Layer(nn.Module):
    """`act(W [h_i, merge_j say(h_j)] + w)`: one round of listening.

    W beside a concatenation is two matrices, one for what the node holds and one for what it hears.

    Args:
        width: D, of what a node holds.
        out: O, of what it holds afterwards.
        merge: how messages merge.
        hidden: K, of what a node says: `ReLU(Q h + q)`. None: it says what it holds.
        own: whether its own state counts beside what it hears.
        active: whether ReLU comes last.
    """

    def __init__(
        self,
        width: int,
        out: int,
        *,
        merge: Merge = "importance",
        hidden: int | None = None,
        own: bool = True,
        active: bool = True,
    ) -> None:
        super().__init__()
        self.speak = None if hidden is None else nn.Linear(width, hidden)
        self.mix = nn.Linear((hidden or width) + (width if own else 0), out)
        self.merge: Merge = merge
        self.own, self.active = own, active

    def forward(
        self,
        h_ND: Float[Tensor, "nodes width"],
        neighbourhood: Neighbourhood,
        centres_M: Int[Tensor, " receivers"] | None = None,
    ) -> Float[Tensor, "receivers out"]:
        """What each receiver holds afterwards; what a node says is computed once.

        Args:
            h_ND: what the nodes hold.
            neighbourhood: who listens to whom.
            centres_M: the row of h that each receiver is; the same row if not given.
        """
        heard_MK = listen(neighbourhood, self.message(h_ND), self.merge)
        return self.update(h_ND if centres_M is None else h_ND[centres_M], heard_MK)

    def message(self, h_ND: Float[Tensor, "nodes width"]) -> Float[Tensor, "nodes hidden"]:
        """What each node says, to whomever listens."""
        return h_ND if self.speak is None else relu(self.speak(h_ND))

    def update(
        self, own_MD: Float[Tensor, "receivers width"], heard_MK: Float[Tensor, "receivers hidden"]
    ) -> Float[Tensor, "receivers out"]:
        """What a node makes of its own state and of what it heard."""
        out = self.mix(torch.cat([own_MD, heard_MK], 1) if self.own else heard_MK)
        return relu(out) if self.active else out


class Block(nn.Module):
    """A layer with a norm and a way past it.

    `norm(x + f(x))`, or with the norm first `x + f(norm(x))`. Where several follow each other with
    the norm first, one more norm belongs after the last.

    Args:
        layer: f, called as `Layer` is.
        width: of what is normalised: after the layer, or before it where the norm comes first.
        norm: which one.
        first: whether the norm comes before the layer.
        residual: whether the node's own state is added to what the layer makes; the widths before
            and after must then be the same.
    """

    def __init__(
        self,
        layer: nn.Module,
        width: int,
        *,
        norm: Norm = "none",
        first: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.norm = norm_of(norm, width)
        self.first, self.residual = first, residual

    def forward(
        self,
        h_ND: Float[Tensor, "nodes width"],
        neighbourhood: Neighbourhood,
        centres_M: Int[Tensor, " receivers"] | None = None,
    ) -> Float[Tensor, "receivers out"]:
        """As the layer."""
        given_ND = self.norm(h_ND) if self.first else h_ND
        out = self.layer(given_ND, neighbourhood, centres_M)
        if self.residual:
            out = out + (h_ND if centres_M is None else h_ND[centres_M])
        return out if self.first else self.norm(out)


class Convolve(nn.Module):
    """One convolution of PinSage (Ying et al., KDD 2018, arXiv:1806.01973, algorithm 1).

    Each node says `ReLU(Q h + q)`; what a node hears is merged, set beside what it holds, and gives
    `ReLU(W [h, n] + w)`, scaled to length one where it is not zero.

    Args:
        width: D, of what a node holds.
        hidden: K, of what a node says.
        out: O, of what a node holds afterwards.
        merge: how messages merge; "importance" in the paper.
    """

    def __init__(self, width: int, hidden: int, out: int, *, merge: Merge = "importance") -> None:
        super().__init__()
        self.layer = Layer(width, out, hidden=hidden, merge=merge)
        self.merge: Merge = merge

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
        return unit_length(self.layer(h_ND, Table(nodes_MT, weights_MT), centres_M))

    def message(self, h_ND: Float[Tensor, "nodes width"]) -> Float[Tensor, "nodes hidden"]:
        """What each node says, to whomever listens."""
        return self.layer.message(h_ND)

    def update(
        self, own_MD: Float[Tensor, "receivers width"], heard_MK: Float[Tensor, "receivers hidden"]
    ) -> Float[Tensor, "receivers out"]:
        """What a node makes of its own state and of what it heard."""
        return unit_length(self.layer.update(own_MD, heard_MK))


class UnitLength(nn.Module):
    """`unit_length` where a module is wanted."""

    def forward(self, x_ND: Float[Tensor, "nodes width"]) -> Float[Tensor, "nodes width"]:
        """Each row scaled."""
        return unit_length(x_ND)


def unit_length(x_ND: Float[Tensor, "nodes width"]) -> Float[Tensor, "nodes width"]:
    """Each row scaled to length one; ReLU can leave a zero row, which stays zero."""
    return unit_rows(x_ND)


def norm_of(norm: Norm, width: int) -> nn.Module:
    """The norm of that name, for rows of a width."""
    if norm == "layer":
        return nn.LayerNorm(width)
    return UnitLength() if norm == "l2" else nn.Identity()
