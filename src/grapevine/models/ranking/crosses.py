"""Products of inputs: hashed pairs of ids with a weight each, and cross layers.

B = questions, S = items of each, L = events, R = behaviours, K = experts, M = rank, N = inputs
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from grapevine.models.ranking.inputs import Inputs

ODD = -7046029254386353131
"""2^64 divided by the golden ratio, as a signed number: Knuth's multiplicative hash."""
MORE = 1_000_003
"""Takes the first of a pair apart from the second."""


class Wide(nn.Module):
    """A weight for each behaviour of each cross: logistic regression on what is there or not.

    Cheng et al., DLRS 2016, section 3.1. Crosses are of an item of the history and the candidate,
    which count as often as they are there; of the user, the candidate, and what was done with it,
    each by itself. Two that are hashed alike share a weight.

    Args:
        bits: there are 2 to that many weights.
        tasks: R.
    """

    def __init__(self, bits: int, tasks: int) -> None:
        super().__init__()
        self.bits = bits
        self.weights = nn.Parameter(torch.zeros(2**bits, tasks))

    def forward(self, seen: Inputs) -> Float[Tensor, "questions items tasks"]:
        """The sum of the weights of what is there."""
        alone_BS3, pairs_BSL = self.crosses(seen)
        there_BSL = seen.there[:, None].expand_as(pairs_BSL)
        every_BSX = torch.cat([alone_BS3, pairs_BSL], 2)
        counts_BSX = torch.cat([torch.ones_like(alone_BS3, dtype=torch.bool), there_BSL], 2)
        said_TR = embedding_bag(
            every_BSX.flatten(0, 1), self.weights, mode="sum",
            per_sample_weights=counts_BSX.flatten(0, 1).to(self.weights.dtype),
        )  # fmt: skip
        return said_TR.view(*seen.items.shape, -1)

    def crosses(
        self, seen: Inputs
    ) -> tuple[Int64[Tensor, "questions items three"], Int64[Tensor, "questions items events"]]:
        """Which weights those of a candidate are, and those of it and each event."""
        users_BS = seen.users[:, None].expand_as(seen.items)
        alone = (users_BS, seen.items, seen.done)
        kinds = [self._hashed(torch.full_like(one, kind), one) for kind, one in enumerate(alone)]
        # Kinds end where pairs of items begin.
        pairs_BSL = self._hashed(seen.history[:, None] + len(alone), seen.items[:, :, None])
        return torch.stack(kinds, 2), pairs_BSL

    def _hashed(self, first: Tensor, second: Tensor) -> Tensor:
        key = ((first * MORE + second) * MORE + second) * ODD
        return (key >> (64 - self.bits)) & (2**self.bits - 1)


class Cross(nn.Module):
    """`x' = x0 * (W x + b) + x`, or with maps of low rank that a gate mixes.

    DCN-V2 (Wang et al., WWW 2021, arXiv:2008.13535), eq. 1, and eq. 3 to 5:
    `x' = sum_k g_k(x) x0 * (U_k tanh(C_k tanh(V_k x)) + b) + x`, g a softmax over the experts and 1
    for one alone.

    Args:
        inputs: N.
        rank: M; 0 for a whole map.
        experts: K.
    """

    def __init__(self, inputs: int, rank: int = 0, experts: int = 1) -> None:
        super().__init__()
        self.rank = rank
        self.bias = nn.Parameter(torch.zeros(inputs))
        if not rank:
            self.whole = nn.Linear(inputs, inputs, bias=False)
            return
        self.down = nn.Parameter(_small(experts, inputs, rank))
        self.within = nn.Parameter(_small(experts, rank, rank))
        self.up = nn.Parameter(_small(experts, rank, inputs))
        self.gate = nn.Linear(inputs, experts, bias=False)

    def forward(
        self, first: Float[Tensor, "*any inputs"], x: Float[Tensor, "*any inputs"]
    ) -> Float[Tensor, "*any inputs"]:
        """What the layer makes of its input.

        Args:
            first: what came into the first of the layers, x0.
            x: what the layer before left.
        """
        if not self.rank:
            return first * (self.whole(x) + self.bias) + x
        low = (x[..., None, None, :] @ self.down).tanh()
        told = ((low @ self.within).tanh() @ self.up).squeeze(-2) + self.bias
        share = self.gate(x).softmax(-1)
        return first * (share[..., None] * told).sum(-2) + x


def _small(*shape: int) -> Tensor:
    return torch.randn(shape) * (2 / (shape[-1] + shape[-2])) ** 0.5
