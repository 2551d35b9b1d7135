"""Attention by dot products along the edges of a graph, and the layer made of it.

On the complete graph with self-loops it is the attention of a Transformer.

N = nodes that speak, M = nodes that hear, E = edges, D = width, H = heads, K = width per head
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import dropout

from grapevine.core.additive import Heard, merged
from grapevine.core.bag import Bag, project
from grapevine.core.edges import Edges
from grapevine.core.edgewise import dot_products, softmax, weighted_sum


class GraphAttention(nn.Module):
    """`sum_j softmax_j(q_i . k_j / sqrt(K)) v_j + U h_i` (Shi et al., IJCAI 2021, eq. 1-4).

    arXiv:2009.03509; q, k and v with biases.

    Args:
        width: D, of what a node holds.
        key: K, of what each head makes.
        heads: H; side by side, or their mean where they are not `joined`.
        joined: whether the heads stand side by side.
        own: whether what a node holds is added, through a matrix of its own.
        drop: share of the weights that is dropped in training.
    """

    def __init__(
        self,
        width: int,
        key: int,
        *,
        heads: int = 1,
        joined: bool = True,
        own: bool = True,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, heads * key) for _ in range(3))
        self.own = nn.Linear(width, heads * key if joined else key) if own else None
        self.heads, self.size, self.joined, self.drop = heads, key, joined, drop

    def forward(
        self,
        h_ND: Float[Tensor, "nodes width"] | Bag,
        neighbourhood: Heard,
        centres_M: Int[Tensor, " receivers"] | None = None,
    ) -> Float[Tensor, "receivers out"]:
        """As `GAT`."""
        edges = Edges.of(neighbourhood, len(h_ND))
        shares_EH = dropout(self._shares(edges, h_ND, centres_M), self.drop, self.training)
        heard_MHK = weighted_sum(edges, shares_EH, self._split(self.value, h_ND))
        out = merged(heard_MHK, self.joined)
        if self.own is None:
            return out
        return out + chosen(project(self.own, h_ND), edges, centres_M)

    @torch.no_grad()
    def shares(
        self, h_ND: Float[Tensor, "nodes width"] | Bag, neighbourhood: Heard
    ) -> Float[Tensor, "edges heads"]:
        """How much each edge counts, in the order of `Edges.of`, for those who ask."""
        return self._shares(Edges.of(neighbourhood, len(h_ND)), h_ND, None)

    def _shares(self, edges: Edges, h_ND: Tensor | Bag, centres_M: Tensor | None) -> Tensor:
        q_MHK = chosen(self._split(self.query, h_ND), edges, centres_M)
        scores_EH = dot_products(edges, q_MHK * self.size**-0.5, self._split(self.key, h_ND))
        return softmax(edges, scores_EH)

    def _split(self, linear: nn.Linear, h_ND: Tensor | Bag) -> Float[Tensor, "nodes heads key"]:
        return project(linear, h_ND).view(-1, self.heads, self.size)


class GraphTransformer(nn.Module):
    """Attention along edges, then a dense layer, each added to what was there and normalised.

    Dwivedi and Bresson, 2020 (arXiv:2012.09699), eq. 1-7: `h = norm(h + O attend(h))`, then
    `h = norm(h + W ReLU(V h))` with twice the width between. Positions (Laplacian eigenvectors,
    random walks) are added to what the nodes hold before the first layer. The attention may also
    be that of a Transformer: on `complete(N)` this is an encoder layer with the norm last.

    Args:
        width: D, before and after; the heads share it.
        heads: H.
        norm: over the nodes of the batch, as the paper found better on graphs, or over each row.
        inner: width between the two matrices; twice D if not given.
        drop: share that is dropped of what each half adds, and of the weights.
    """

    def __init__(
        self,
        width: int,
        *,
        heads: int = 8,
        norm: Literal["batch", "layer"] = "batch",
        inner: int | None = None,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads cannot share a width of {width}")
        inner = inner or 2 * width
        self.attend = GraphAttention(width, width // heads, heads=heads, own=False, drop=drop)
        self.out = nn.Linear(width, width)
        self.inner, self.outer = nn.Linear(width, inner), nn.Linear(inner, width)
        make = nn.BatchNorm1d if norm == "batch" else nn.LayerNorm
        self.first, self.last = make(width), make(width)
        self.drop = drop

    def forward(
        self,
        h_ND: Float[Tensor, "nodes width"],
        neighbourhood: Heard,
        centres_M: Int[Tensor, " receivers"] | None = None,
    ) -> Float[Tensor, "receivers width"]:
        """As `GAT`."""
        edges = Edges.of(neighbourhood, len(h_ND))
        heard_MD = self.out(self.attend(h_ND, edges, centres_M))
        h_MD = self.first(chosen(h_ND, edges, centres_M) + self._dropped(heard_MD))
        return self.last(h_MD + self._dropped(self.outer(torch.relu(self.inner(h_MD)))))

    def _dropped(self, x: Tensor) -> Tensor:
        return dropout(x, self.drop, self.training)


def chosen(x: Tensor, edges: Edges, centres_M: Tensor | None) -> Tensor:
    """The rows of the receivers: the first, or those named."""
    return x[: len(edges)] if centres_M is None else x[centres_M]
