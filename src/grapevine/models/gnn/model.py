"""What training leaves of a graph network: vectors, and a last round for strangers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Int64

from grapevine.graph.cooccurrence import distinct
from grapevine.models.base import Fitted
from grapevine.models.gnn.config import KINDS
from grapevine.models.gnn.config import Config as GNNConfig
from grapevine.models.histories import asked_history
from grapevine.models.vectors import met_users
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.structs.products import Products

# U = users, I = items, D = width


@dataclass(frozen=True, kw_only=True)
class GNN(Fitted):
    """A graph network on users and items; the score is the cosine of their vectors.

    Every node starts from a vector of its own, learnt with the rest: what is known of items beside
    who took them is not looked at (PinSage does). Of an item that nobody took nothing is known: it
    scores 0, and says nothing in a history. A known user keeps the vector it was trained to.
    A stranger goes through the last round with everyone else's layer: it hears the items of its
    history, and starts from what users hold on average before that round.

    Attributes:
        users: `(users, width)` vectors of length one; of zeros where training had no event of the
            user.
        items: `(items, width)` vectors of length one; of zeros where it had none of the item.
        said: `(items, width)` what each item says in the last round; of attention what it holds.
        own: `(width,)` what users hold before the last round, on average.
        weight: the matrix of the last round; of attention one row of all its parameters.
        bias: `(width,)` and what is added to it; empty for attention.
        degrees: `(items,)` how many users each item has.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
    """

    Config = GNNConfig

    users: Float32[np.ndarray, "users width"]
    items: Float32[np.ndarray, "items width"]
    said: Float32[np.ndarray, "items width"]
    own: Float32[np.ndarray, " width"]
    weight: Float32[np.ndarray, "rows columns"]
    bias: Float32[np.ndarray, " added"]
    degrees: Int64[np.ndarray, " items"]
    behaviour: Int64[np.ndarray, " one"]
    paper: ClassVar[str] = (
        "Kipf, Welling: Semi-supervised classification with graph convolutional networks. "
        "ICLR 2017. arXiv:1609.02907 (layer gcn). Hamilton, Ying, Leskovec: Inductive "
        "representation learning on large graphs. NeurIPS 2017. arXiv:1706.02216 (layers sage-*). "
        "Velickovic et al.: Graph attention networks. ICLR 2018. arXiv:1710.10903 (gat). Brody, "
        "Alon, Yahav: How attentive are graph attention networks? ICLR 2022. arXiv:2105.14491 "
        "(gatv2). Dwivedi, Bresson: A generalization of Transformer networks to graphs. 2020. "
        "arXiv:2012.09699 (graph-transformer)"
    )

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Cosines of users and items."""
        return np.asarray(self.products(batch))

    def products(self, batch: Batch) -> Products:
        """The vectors of who asks and of the items."""
        known = met_users(self.users, batch)
        asking = np.empty((len(batch), self.items.shape[1]), np.float32)
        asking[known] = self.users[batch.users[known]]
        if not known.all():
            history = distinct(asked_history(batch, self.behaviour), len(self.items))
            history = history.where(self.degrees[history.values] > 0)
            asking[~known] = self._hear(history.take(np.flatnonzero(~known)))
        return Products(asking, self.items)

    def _hear(self, histories: Jagged) -> Float32[np.ndarray, "histories width"]:
        """The vectors of strangers."""
        import torch

        from grapevine.models.gnn.network import attend_histories, hear_histories, layer_of

        if KINDS[self.config.layer].attends:
            return attend_histories(self.config, self.weight[0], self.said, self.own, histories)
        layer = layer_of(self.config, active=False)
        layer.mix.load_state_dict(
            {"weight": torch.as_tensor(self.weight), "bias": torch.as_tensor(self.bias)}
        )
        return hear_histories(self.config, layer, self.said, self.own, self.degrees, histories)
