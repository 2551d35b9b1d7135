"""Layers that speak first and are heard after: GCN and the mean, for states and for bags of words.

N = nodes, D = width, O = width afterwards
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from grapevine.core.bag import Bag, dropped, project
from grapevine.core.listen import listen
from grapevine.core.neighbourhoods import Neighbourhood
from grapevine.core.table import Merge


class GraphConvolution(nn.Module):
    """`merge_j W h_j + U h_i + b`: as `Layer` without ReLU, in the order that is cheaper here.

    What is merged is linear, so that it does not matter whether the matrix comes before or after;
    of many words and few numbers afterwards, before costs less. GCN is without U, on symmetric
    weights with self-loops (Kipf and Welling, ICLR 2017, eq. 2).

    Args:
        width: D, of what a node holds.
        out: O, of what it holds afterwards.
        merge: how messages merge; not "max", which is not linear.
        own: whether its own state counts, through U.
    """

    def __init__(self, width: int, out: int, *, merge: Merge = "importance", own: bool) -> None:
        super().__init__()
        self.say = nn.Linear(width, out, bias=False)
        self.own = nn.Linear(width, out, bias=False) if own else None
        self.bias = nn.Parameter(torch.zeros(out))
        for matrix in (self.say, self.own):
            if matrix is not None:
                nn.init.xavier_uniform_(matrix.weight)
        self.merge: Merge = merge

    def forward(
        self, h_ND: Float[Tensor, "nodes width"] | Bag, neighbourhood: Neighbourhood
    ) -> Float[Tensor, "nodes out"]:
        """What each node holds afterwards."""
        out = listen(neighbourhood, project(self.say, h_ND), self.merge) + self.bias
        return out if self.own is None else out + project(self.own, h_ND)


class RandomPropagation(nn.Module):
    """A dense network on the mean of what is near, nodes dropped at random (GRAND).

    Feng et al., NeurIPS 2020 (arXiv:2005.11079), eq. 2-4: whole nodes are dropped, what is left
    spreads along the graph, and a network of two layers makes of the mean over 0 .. hops steps what
    is asked. All before the first ReLU is linear, so that the first matrix is applied before the
    steps and not after: 32 numbers a node travel instead of 1,433 words. Entries of the input are
    dropped before they spread, too, where the paper drops them afterwards.

    Args:
        width: D, of what a node holds.
        hidden: width between the two layers.
        out: O, of what it holds afterwards.
        hops: steps.
        drop_nodes: share of the nodes that say nothing.
        drop_inputs: share of the entries that are dropped.
        drop: share of the hidden numbers.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        out: int,
        *,
        hops: int,
        drop_nodes: float = 0.5,
        drop_inputs: float = 0.5,
        drop: float = 0.5,
    ) -> None:
        super().__init__()
        self.first = nn.Linear(width, hidden, bias=False)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.last = nn.Linear(hidden, out)
        for linear in (self.first, self.last):
            nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(self.last.bias)
        self.hops = hops
        self.drop_nodes, self.drop_inputs, self.drop = drop_nodes, drop_inputs, drop

    def forward(
        self, h_ND: Float[Tensor, "nodes width"] | Bag, neighbourhood: Neighbourhood
    ) -> Float[Tensor, "nodes out"]:
        """What is asked of each node."""
        h = project(self.first, dropped(h_ND, self.drop_inputs, self.training))
        # As the paper has it: what is left is not scaled up in training, but down outside of it.
        speaks_N = torch.full((len(h), 1), 1 - self.drop_nodes, dtype=h.dtype)
        said = heard = h * (speaks_N.bernoulli() if self.training else speaks_N)
        for _ in range(self.hops):
            heard = said + listen(neighbourhood, heard)
        h = torch.relu(heard / (self.hops + 1) + self.bias)
        return self.last(nn.functional.dropout(h, self.drop, self.training))
