"""How a pair scores by a behaviour, from what both ends hold.

U = users, I = items, N = nodes: the users, then the items; D = width, H = width of the first layer
of a tower, B = pairs, S = items of each
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from grapevine.core.kernels.pairs import pair_products, pair_sums
from grapevine.models.cascade.config import Config
from grapevine.random import stream


@dataclass(frozen=True, slots=True)
class View:
    """What nodes hold for one behaviour, and how much each of it counts.

    Attributes:
        nodes: `(N, D)`.
        weights: `(D,)` h, of the product of both ends.
        deep: `(N, D)` what its tower is shown.
        made: what the first layer of the tower made of all users and of all items, if it did.
    """

    nodes: Tensor
    weights: Tensor
    deep: Tensor
    made: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ends:
    """Both ends of pairs.

    Attributes:
        users: `(B, D)`.
        items: `(I, D)` the same for all.
    """

    users: Tensor
    items: Tensor


class Scorer(nn.Module):
    """What a pair scores by a behaviour: a weighted product, what a tower makes of it, or both.

    GMF, MLP and NeuMF of He, Liao, Zhang, Nie, Hu, Chua: Neural collaborative filtering, WWW 2017,
    arXiv:1708.05031, eq. 8 to 12, without the sigmoid.

    Args:
        config: the options.
        names: the behaviours.
        seed: of the towers.
    """

    def __init__(self, config: Config, names: Sequence[str], *, seed: int = 0) -> None:
        super().__init__()
        self.kind, self.names = config.scorer, tuple(names)
        self.towers = nn.ModuleList()
        for name in self.names if self.kind != "gmf" else ():
            seeded(seed, "tower", name)
            self.towers.append(_tower(config.width))

    def forward(
        self, place: int, ends: Ends, weights: Float[Tensor, " width"], deep: Ends
    ) -> Float[Tensor, "users items"]:
        """The scores of all users with all items.

        Args:
            place: of the behaviour.
            ends: of the product, or of the tower where that is all.
            weights: of the product.
            deep: of the tower.
        """
        score_BI = None
        if self.kind != "mlp":
            score_BI = (ends.users * weights) @ ends.items.T
        if self.kind == "gmf":
            assert score_BI is not None
            return score_BI
        of_users = self._first(place, "users", deep.users)
        of_items = self._first(place, "items", deep.items)
        made_BI = self._made(place, torch.relu(of_users[:, None] + of_items))
        return made_BI if score_BI is None else score_BI + made_BI

    def of_pairs(
        self,
        place: int,
        view: View,
        users_B: Int64[Tensor, " pairs"],
        items_BS: Int64[Tensor, "pairs items"],
        num_users: int,
    ) -> Float[Tensor, "pairs items"]:
        """The same of users with some items each.

        Args:
            place: of the behaviour.
            view: what all nodes hold for it.
            users_B: rows.
            items_BS: rows.
            num_users: U.
        """
        score_BS = None
        if self.kind != "mlp":
            score_BS = pair_products(view.nodes, view.weights, users_B, items_BS + num_users)
        if self.kind == "gmf":
            assert score_BS is not None
            return score_BS
        wanted = (
            ("users", view.deep[:num_users], users_B),
            ("items", view.deep[num_users:], items_BS),
        )
        (x_ND, users_B), (y_ND, items_BS) = (self._shown(place, view, *one) for one in wanted)
        made_BS = self._made(place, pair_sums(x_ND, y_ND, users_B, items_BS))
        return made_BS if score_BS is None else score_BS + made_BS

    def _shown(
        self, place: int, view: View, side: str, table_ND: Tensor, rows: Int64[Tensor, " *rows"]
    ) -> tuple[Tensor, Tensor]:
        """Some of the users or items through the first layer, and where each of the rows is.

        All of them once a step where rows are more than that, else those rows alone.
        """
        if rows.numel() < len(table_ND) and side not in view.made:
            here = torch.arange(rows.numel()).view(rows.shape)
            return self._first(place, side, table_ND[rows.flatten()]), here
        if side not in view.made:
            view.made[side] = self._first(place, side, table_ND)
        return view.made[side], rows

    def _first(self, place: int, side: str, x: Tensor) -> Tensor:
        """The first layer for one end alone, so that none is multiplied for each pair."""
        first = cast("nn.Linear", cast("nn.Sequential", self.towers[place])[0])
        of_users, of_items = first.weight.chunk(2, 1)
        return x @ of_users.T if side == "users" else x @ of_items.T + first.bias

    def _made(self, place: int, x: Float[Tensor, "pairs items width"]) -> Tensor:
        """What the other layers of a tower make of the first."""
        for layer in [*cast("nn.Sequential", self.towers[place])][2:]:
            x = layer(x)
        return x[..., 0]


def _tower(width: int) -> nn.Sequential:
    """A perceptron from both ends of a pair to a score, half as wide at each layer."""
    half = max(width // 2, 1)
    return nn.Sequential(
        nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, half), nn.ReLU(),
        nn.Linear(half, 1, bias=False),
    )  # fmt: skip


def seeded(seed: int, *names: str) -> None:
    """Let what is drawn next depend on the seed and these names alone."""
    torch.manual_seed(int(stream(seed, "cascade", *names).integers(2**63)))
