"""Item vectors that are made: of ids, features, another run's vectors, and of the neighbours'.

They are made of the whole catalogue once a step, and gradients go back through all of it, so that
what an item is known by and what a history makes of it are learnt together. In a large catalogue
that is done every so many steps (`refresh`); in between the vectors of ids alone are learnt, and
only those of items that are looked up. What training leaves is the finished table: a model that is
opened needs neither the features nor the other run.
"""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.func import functional_call

from grapevine.core.neighbourhoods import Table
from grapevine.core.table import pool
from grapevine.encoders.fusion import ItemEncoder
from grapevine.models.sequence.config import Config
from grapevine.models.sequence.sources import Sources

SMALL = 0.03
"""What is made starts so much smaller than usual: of about the size of the vectors of ids."""

# I = items, D = width, J = I, or 0 where no item has a vector of its own


class MadeItems(nn.Module):
    """The sum of what an item is told by, and then what it hears of its neighbours.

    With `graph_layers`, each layer is `item + W (weighted mean of its neighbours)`, once for every
    item.

    Args:
        config: the options.
        sources: what is known of each item.
    """

    mine: Tensor
    left_out: Tensor
    told: Tensor

    def __init__(self, config: Config, sources: Sources) -> None:
        super().__init__()
        width = config.width
        mine = torch.from_numpy(sources.ids.astype(np.float32))
        left_out = torch.from_numpy(sources.others * np.float32(config.id_dropout))
        self.register_buffer("mine", mine, persistent=False)
        self.register_buffer("left_out", left_out, persistent=False)
        self.encoder = self.project = self.heard = None
        if sources.features is not None and sources.shapes is not None:
            how = ItemEncoder.Config(width=width, hidden=2 * width)
            self.encoder = how.build(sources.shapes)
            self.rows = self.encoder.gather(sources.features, np.arange(len(mine)))
        if sources.vectors is not None:
            given = torch.from_numpy(sources.vectors).clone()
            self.project = nn.Linear(given.shape[1], width, bias=False)
            # In the checkpoints either way; where the run has others by now, none goes on.
            if config.frozen:
                self.register_buffer("given", given)
            else:
                self.given = nn.Parameter(given)
        if sources.neighbours is not None:
            self.heard = Table.of(sources.neighbours)
        layers = (nn.Linear(width, width, bias=False) for _ in range(config.graph_layers))
        self.convolutions = nn.ModuleList(layers)
        self.refresh = config.refresh
        if config.refresh > 1:
            # In the checkpoints, for whoever goes on before it is made anew.
            self.register_buffer("told", torch.zeros(len(mine) + 2, width))

    @torch.no_grad()
    def start(self) -> None:
        """Make what comes of features and other vectors small, as vectors of ids are."""
        for last in (self.encoder and self.encoder.merge[-1], self.project):
            if isinstance(last, nn.Linear):
                last.weight.mul_(SMALL)

    def forward(self, ids: Float[Tensor, "some width"]) -> Float[Tensor, "more width"]:
        """The vectors of all items, then that of padding and that of a mask: `(I + 2, D)`.

        Args:
            ids: `(J + 2, D)`, the last two those of padding and of a mask.
        """
        own_ID = ids.new_zeros(len(self.mine), ids.shape[1])
        if len(ids) > 2:
            own_ID = ids[:-2] * self.heeded()[:, None]
        x_ID = own_ID
        if self.encoder is not None:
            x_ID = x_ID + self.encoder(self.rows)
        if self.project is not None:
            x_ID = x_ID + self.project(self.given)
        for convolution in self.convolutions:
            assert self.heard is not None
            x_ID = x_ID + convolution(pool(x_ID, self.heard.nodes, self.heard.weights))
        if self.training and self.refresh > 1:
            self.told[:-2] = (x_ID - own_ID).detach()
        return torch.cat([x_ID, ids[-2:]])

    def heeded(self) -> Float[Tensor, " items"]:
        """Whose vectors of ids count: in training some must do without theirs now and then.

        As one that nobody has met always must.
        """
        if not self.training:
            return self.mine
        return self.mine * (torch.rand(len(self.mine)) >= self.left_out)

    def again(
        self,
        ids: nn.Embedding,
        rows: Int64[Tensor, " *any"],
        heeded_I: Float[Tensor, " items"],
    ) -> Float[Tensor, "*any width"]:
        """The vectors of some items, told by what was made last, and by their ids as they are now.

        Args:
            ids: `(J + 2, D)`.
            rows: items, or I and I + 1 for padding and a mask.
            heeded_I: see `heeded`.
        """
        told = nn.functional.embedding(rows, self.told)
        last = rows >= len(self.mine)
        if ids.num_embeddings == 2:
            return told + ids((rows - len(self.mine)).clamp_min(0)) * last[..., None]
        counts = torch.where(last, 1.0, heeded_I[rows.clamp_max(len(heeded_I) - 1)])
        return told + ids(rows) * counts[..., None]


def written_out(made: MadeItems, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the same network with its item vectors in a table, made by these weights.

    Args:
        made: of the network.
        weights: of the network, by name.
    """
    own = {n.removeprefix("made."): one for n, one in weights.items() if n.startswith("made.")}
    before = made.training
    made.eval()
    with torch.no_grad():
        table = functional_call(made, own, (weights["items.weight"],))
    made.train(before)
    rest = {n: one for n, one in weights.items() if not n.startswith("made.")}
    return rest | {"items.weight": table}
