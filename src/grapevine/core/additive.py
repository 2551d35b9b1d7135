"""Attention by what both ends add up to: GAT and GATv2.

Where a node should hear itself, its self-loop is among the edges (`with_self_loops`), as both
papers have it.

N = nodes that speak, M = nodes that hear, E = edges, D = width, H = heads, K = width per head
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import dropout

from grapevine.core.bag import Bag, project
from grapevine.core.edges import Edges
from grapevine.core.edgewise import bent_products, bent_sums, softmax, weighted_sum
from grapevine.core.neighbourhoods import Neighbourhood

Heard = Neighbourhood | Edges
"""Whichever form; `Edges` is made once where it is used again."""


class GAT(nn.Module):
    """`sum_j softmax_j(LeakyReLU(a . W h_i + b . W h_j)) W h_j + c` (Veličković et al., ICLR 2018).

    arXiv:1710.10903, eq. 1-6. Which of two senders counts more is the same for all receivers, since
    the receiver's part of the score is added to both (static attention; Brody et al., 2022).

    Args:
        width: D, of what a node holds.
        key: K, of what each head makes.
        heads: H; side by side, or their mean where they are not `joined`.
        joined: whether the heads stand side by side.
        slope: of the score below zero.
        drop: share of the weights that is dropped in training, and of what is said, as the
            authors' code has it.
    """

    def __init__(
        self,
        width: int,
        key: int,
        *,
        heads: int = 1,
        joined: bool = True,
        slope: float = 0.2,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.say = nn.Linear(width, heads * key, bias=False)
        self.asks_HK = nn.Parameter(glorot(heads, key))
        self.says_HK = nn.Parameter(glorot(heads, key))
        self.bias = nn.Parameter(torch.zeros(heads * key if joined else key))
        nn.init.xavier_uniform_(self.say.weight)
        self.heads, self.key, self.joined = heads, key, joined
        self.slope, self.drop = slope, drop

    def forward(
        self,
        h_ND: Float[Tensor, "nodes width"] | Bag,
        neighbourhood: Heard,
        centres_M: Int[Tensor, " receivers"] | None = None,
    ) -> Float[Tensor, "receivers out"]:
        """What each receiver holds afterwards.

        Args:
            h_ND: what the nodes hold.
            neighbourhood: who listens to whom.
            centres_M: the row of h that each receiver is; the same row if not given.
        """
        said_NHK = project(self.say, h_ND).view(-1, self.heads, self.key)
        edges = Edges.of(neighbourhood, len(said_NHK))
        shares_EH = self._shares(edges, said_NHK, centres_M)
        heard_MHK = _heard(edges, shares_EH, said_NHK, self.drop, self.training)
        return merged(heard_MHK, self.joined) + self.bias

    @torch.no_grad()
    def shares(
        self, h_ND: Float[Tensor, "nodes width"] | Bag, neighbourhood: Heard
    ) -> Float[Tensor, "edges heads"]:
        """How much each edge counts, in the order of `Edges.of`, for those who ask."""
        said_NHK = project(self.say, h_ND).view(-1, self.heads, self.key)
        return self._shares(Edges.of(neighbourhood, len(said_NHK)), said_NHK, None)

    def _shares(self, edges: Edges, said_NHK: Tensor, centres_M: Tensor | None) -> Tensor:
        says_NH = (said_NHK * self.says_HK).sum(-1)
        asks_NH = (said_NHK * self.asks_HK).sum(-1)
        asks_MH = asks_NH[: len(edges)] if centres_M is None else asks_NH[centres_M]
        return softmax(edges, bent_sums(edges, asks_MH, says_NH, self.slope))


class GATv2(nn.Module):
    """`sum_j softmax_j(a . LeakyReLU(U h_i + V h_j)) V h_j + c` (Brody, Alon, Yahav, ICLR 2022).

    arXiv:2105.14491, eq. 7; U and V have biases. Each receiver may rank its senders in an order of
    its own.

    Args:
        width: D, of what a node holds.
        key: K, of what each head makes.
        heads: H; side by side, or their mean where they are not `joined`.
        joined: whether the heads stand side by side.
        slope: of the score below zero.
        drop: share of the weights that is dropped in training, and of what is said, as the
            authors' code has it.
    """

    def __init__(
        self,
        width: int,
        key: int,
        *,
        heads: int = 1,
        joined: bool = True,
        slope: float = 0.2,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.ask, self.say = nn.Linear(width, heads * key), nn.Linear(width, heads * key)
        for side in (self.ask, self.say):
            nn.init.xavier_uniform_(side.weight)
            nn.init.zeros_(side.bias)
        self.score_HK = nn.Parameter(glorot(heads, key))
        self.bias = nn.Parameter(torch.zeros(heads * key if joined else key))
        self.heads, self.key, self.joined = heads, key, joined
        self.slope, self.drop = slope, drop

    def forward(
        self,
        h_ND: Float[Tensor, "nodes width"] | Bag,
        neighbourhood: Heard,
        centres_M: Int[Tensor, " receivers"] | None = None,
    ) -> Float[Tensor, "receivers out"]:
        """As `GAT`."""
        said_NHK = project(self.say, h_ND).view(-1, self.heads, self.key)
        edges = Edges.of(neighbourhood, len(said_NHK))
        shares_EH = self._shares(edges, h_ND, said_NHK, centres_M)
        heard_MHK = _heard(edges, shares_EH, said_NHK, self.drop, self.training)
        return merged(heard_MHK, self.joined) + self.bias

    @torch.no_grad()
    def shares(
        self, h_ND: Float[Tensor, "nodes width"] | Bag, neighbourhood: Heard
    ) -> Float[Tensor, "edges heads"]:
        """How much each edge counts, in the order of `Edges.of`, for those who ask."""
        said_NHK = project(self.say, h_ND).view(-1, self.heads, self.key)
        return self._shares(Edges.of(neighbourhood, len(said_NHK)), h_ND, said_NHK, None)

    def _shares(
        self, edges: Edges, h_ND: Tensor | Bag, said_NHK: Tensor, centres_M: Tensor | None
    ) -> Tensor:
        asked_NHK = project(self.ask, h_ND).view(-1, self.heads, self.key)
        asked_MHK = asked_NHK[: len(edges)] if centres_M is None else asked_NHK[centres_M]
        scores_EH = bent_products(edges, asked_MHK, said_NHK, self.score_HK, self.slope)
        return softmax(edges, scores_EH)


def _heard(
    edges: Edges, shares_EH: Tensor, said_NHK: Tensor, drop: float, training: bool
) -> Float[Tensor, "receivers heads key"]:
    """The weighted sum; in training some weights and some of what is said are dropped."""
    shares_EH, said_NHK = (dropout(part, drop, training) for part in (shares_EH, said_NHK))
    return weighted_sum(edges, shares_EH, said_NHK)


def merged(
    x_MHK: Float[Tensor, "receivers heads key"], joined: bool
) -> Float[Tensor, "receivers out"]:
    """The heads side by side, or their mean."""
    return x_MHK.flatten(1) if joined else x_MHK.mean(1)


def glorot(*shape: int) -> Tensor:
    """Uniform, with the variance of Glorot and Bengio (2010) for the last two axes."""
    most = math.sqrt(6 / (shape[-2] + shape[-1]))
    return torch.empty(*shape).uniform_(-most, most)
