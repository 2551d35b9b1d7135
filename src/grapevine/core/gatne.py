"""GATNE: a vector of a node for each relation, of what it is in all and what it hears in each.

B = nodes that are asked for, N = all nodes, R = relations, T = neighbours drawn, D = width,
S = width of what is said along a relation, A = width of the attention, F = features
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from grapevine.core.additive import glorot
from grapevine.core.table import pool


class GATNE(nn.Module):
    """`v_r = b + alpha M_r' U a_r` with `a_r = softmax(w_r' tanh(W_r U))`.

    Cen et al., KDD 2019, arXiv:1905.01669, eq. 4-6. U has a column for each relation: the sum of
    what the neighbours drawn along it say, of one level, as the authors' code has it. Which
    relations count for relation r is the attention's to say. Of the inductive form (eq. 10) the
    authors' code leaves out the term `beta D x`, and so does this: b is a function of x already.

    Args:
        width: D, of the vectors.
        relations: R.
        said: S, of what is said along a relation.
        attention: A.
        alpha: how much counts what is heard.
        unit: whether vectors are brought to length one.
    """

    def __init__(
        self,
        width: int,
        relations: int,
        *,
        said: int = 10,
        attention: int = 20,
        alpha: float = 1.0,
        unit: bool = True,
    ) -> None:
        super().__init__()
        self.alpha, self.unit = alpha, unit
        self.mix_RSD = nn.Parameter(glorot(relations, said, width))
        self.ask_RSA = nn.Parameter(glorot(relations, said, attention))
        self.weigh_RA = nn.Parameter(glorot(relations, attention))

    def forward(
        self,
        base_BD: Float[Tensor, "asked width"],
        said_NRS: Float[Tensor, "nodes relations said"],
        neighbours_BRT: Int[Tensor, "asked relations drawn"],
    ) -> Float[Tensor, "asked relations width"]:
        """The vectors of some nodes, one for each relation.

        Args:
            base_BD: b, of the nodes that are asked for.
            said_NRS: what each node says along each relation.
            neighbours_BRT: whom each hears along each relation; -1 where there are fewer.
        """
        heard_BRS = heard(said_NRS, neighbours_BRT)
        mixed_BRS = torch.einsum("brm,bms->brs", self.shares(heard_BRS), heard_BRS)
        told_BRD = torch.einsum("brs,rsd->brd", mixed_BRS, self.mix_RSD)
        out_BRD = base_BD[:, None] + self.alpha * told_BRD
        return normalize(out_BRD, dim=-1) if self.unit else out_BRD

    def shares(
        self, heard_BRS: Float[Tensor, "asked relations said"]
    ) -> Float[Tensor, "asked relations relations"]:
        """How much each relation's vector takes of what is heard along each; rows sum to 1."""
        asked_BRMA = torch.einsum("bms,rsa->brma", heard_BRS, self.ask_RSA).tanh()
        return torch.einsum("brma,ra->brm", asked_BRMA, self.weigh_RA).softmax(-1)


def heard(
    said_NRS: Float[Tensor, "nodes relations said"],
    neighbours_BRT: Int[Tensor, "asked relations drawn"],
) -> Float[Tensor, "asked relations said"]:
    """U of each node: the sum of what its neighbours say, relation by relation; 0 without one."""
    asked, relations, drawn = neighbours_BRT.shape
    places = neighbours_BRT * relations + torch.arange(relations)[:, None]
    places = torch.where(neighbours_BRT >= 0, places, -1).view(asked * relations, drawn)
    out = pool(said_NRS.flatten(0, 1), places, torch.zeros(places.shape), "sum")
    return out.view(asked, relations, -1)


class Known(nn.Module):
    """b and what is said, a vector of its own for each node: GATNE-T.

    Args:
        nodes: N.
        width: D.
        relations: R.
        said: S.
    """

    def __init__(self, nodes: int, width: int, relations: int, *, said: int = 10) -> None:
        super().__init__()
        self.base_ND = nn.Parameter(torch.randn(nodes, width) * width**-0.5)
        self.said_NRS = nn.Parameter(torch.randn(nodes, relations, said) * said**-0.5)

    def forward(self) -> tuple[Tensor, Tensor]:
        """`(N, D)` and `(N, R, S)`."""
        return self.base_ND, self.said_NRS


class Described(nn.Module):
    """b and what is said as linear maps of features, by the type of the node: GATNE-I.

    A node that training never met has both, too.

    Args:
        features: F of each type.
        width: D.
        relations: R.
        said: S.
    """

    def __init__(
        self, features: Sequence[int], width: int, relations: int, *, said: int = 10
    ) -> None:
        super().__init__()
        self.shape = relations, said
        self.base = nn.ModuleList(nn.Linear(one, width) for one in features)
        self.say = nn.ModuleList(nn.Linear(one, relations * said) for one in features)

    def forward(self, *features: Float[Tensor, "_nodes _features"]) -> tuple[Tensor, Tensor]:
        """`(N, D)` and `(N, R, S)`, type by type.

        Args:
            features: of the nodes of each type.
        """
        base_ND = torch.cat([one(x) for one, x in zip(self.base, features, strict=True)])
        said = torch.cat([one(x) for one, x in zip(self.say, features, strict=True)])
        return base_ND, said.view(len(said), *self.shape)
