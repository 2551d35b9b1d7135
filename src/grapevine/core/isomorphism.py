"""GIN: a sum, which unlike a mean or a maximum can tell all multisets of neighbours apart."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from grapevine.core.listen import listen
from grapevine.core.neighbourhoods import Neighbourhood


class GIN(nn.Module):
    """`f((1 + e) h_i + sum_j h_j)` (Xu et al., ICLR 2019, arXiv:1810.00826, eq. 4.1).

    Args:
        make: f, any module from rows to rows.
        learnt: whether e is learnt (GIN-e) or stays 0 (GIN-0).
    """

    def __init__(self, make: nn.Module, *, learnt: bool = False) -> None:
        super().__init__()
        self.make = make
        self.more = nn.Parameter(torch.zeros(()), requires_grad=learnt)

    def forward(
        self, h_ND: Float[Tensor, "nodes width"], neighbourhood: Neighbourhood
    ) -> Float[Tensor, "nodes out"]:
        """What each node holds afterwards."""
        return self.make((1 + self.more) * h_ND + listen(neighbourhood, h_ND, "sum"))
