"""Who is told what by whom: directed edges over one set of nodes."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Graph:
    """Directed edges over one set of nodes.

    Attributes:
        senders: `(edges,)` row of the node each edge leaves.
        receivers: `(edges,)` row of the node each edge enters.
        num_nodes: N, the number of rows a node tensor must have.
        weights: `(edges,)` how much each edge counts, or None where all are alike.
    """

    senders: Int64[Tensor, " edges"]
    receivers: Int64[Tensor, " edges"]
    num_nodes: int
    weights: Float[Tensor, " edges"] | None = None

    def __post_init__(self) -> None:
        if self.senders.shape != self.receivers.shape:
            raise ValueError(
                f"senders and receivers must pair up: got {len(self.senders)} senders "
                f"and {len(self.receivers)} receivers"
            )
        if self.weights is not None and self.weights.shape != self.senders.shape:
            raise ValueError(f"got {len(self.weights)} weights for {len(self.senders)} edges")
        for name, nodes in (("senders", self.senders), ("receivers", self.receivers)):
            if len(nodes) and (int(nodes.min()) < 0 or int(nodes.max()) >= self.num_nodes):
                raise ValueError(
                    f"{name} must lie in [0, {self.num_nodes}): "
                    f"got {int(nodes.min())} .. {int(nodes.max())}"
                )
