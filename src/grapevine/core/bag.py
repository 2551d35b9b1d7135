"""Rows of which most entries are zero, such as the words of a document, on their way into a layer.

N = rows, F = columns, E = entries, O = width afterwards
"""

from dataclasses import dataclass, replace
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout

from grapevine.core.edges import Edges
from grapevine.core.edgewise import weighted_sum
from grapevine.core.kernels.dropout import Dropout


@dataclass(frozen=True, slots=True)
class Bag:
    """A sparse matrix of what nodes hold: node n hears its columns, each with a weight.

    Attributes:
        columns: of each row.
        values: `(E,)` the entries, in their order.
    """

    columns: Edges
    values: Float[Tensor, " entries"]

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def width(self) -> int:
        """F."""
        return len(self.columns.told)


def dropped(x: Tensor | Bag, share: float, training: bool) -> Tensor | Bag:
    """Entries dropped in training and the others scaled up; what is zero stays zero."""
    if isinstance(x, Bag):
        return replace(x, values=dropout(x.values, share, training))
    return Dropout(share).train(training)(x)


def project(linear: nn.Linear, x: Tensor | Bag) -> Float[Tensor, "rows out"]:
    """`x W' + b` for either form."""
    if isinstance(x, Tensor):
        return linear(x)
    weight_F1O = linear.weight.T[:, None]
    out_NO = weighted_sum(x.columns, x.values[:, None], weight_F1O)[:, 0]
    bias = cast("Tensor | None", linear.bias)
    return out_NO if bias is None else out_NO + bias
