"""What users and items hold for each behaviour, and how a pair scores.

U = users, I = items, N = nodes: the users, then the items; R = behaviours, D = width, B = pairs,
S = items of each
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import dropout, leaky_relu

from grapevine.core.kernels.pairs import pair_products, pair_sums
from grapevine.core.kernels.unit import unit_rows
from grapevine.core.listen import listen
from grapevine.core.neighbourhoods import Adjacency
from grapevine.models.cascade.config import Config
from grapevine.random import stream

SPREAD = 0.1
"""Standard deviation of the tables at the start."""


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
            _seeded(seed, "tower", name)
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


class Network(nn.Module):
    """Tables, graphs and scorers of behaviours that lead to each other.

    Args:
        config: the options.
        num_users: U.
        num_items: I.
        names: the behaviours in order, the target last.
        graphs: of each, over all nodes; none where the encoder has no use for them.
        seed: of the start. What a behaviour starts from is named by it, so that it is the same
            whatever others there are.
    """

    def __init__(
        self,
        config: Config,
        num_users: int,
        num_items: int,
        names: Sequence[str],
        graphs: Sequence[Adjacency] = (),
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.config, self.num_users, self.names = config, num_users, tuple(names)
        self.graphs = list(graphs)
        width = config.width
        self.held = _table(num_users + num_items, width, seed, "held")
        if config.scorer == "neumf":
            self.deep = _table(num_users + num_items, width, seed, "deep")
        held = 0
        if config.scorer != "mlp" and config.encoder != "relations":
            held = 1 if config.transfer else len(self.names)
        self.weights = nn.ParameterList(torch.ones(width) for _ in range(held))
        maps = len(self.names) - 1 if config.transfer else 0
        self.maps = nn.ModuleList(_still(width) for _ in range(maps))
        self.scorer = Scorer(config, self.names, seed=seed)
        self.turns = nn.ModuleList()
        if config.encoder == "blocks" and config.through == "linear":
            for name in self.names[:-1]:
                _seeded(seed, "turn", name)
                self.turns.append(nn.Linear(width, width, bias=False))
        self.relations = nn.ParameterList()
        self.layers = nn.ModuleList()
        if config.encoder == "relations":
            _seeded(seed, "relations")
            self.relations.extend(torch.ones(width) for _ in self.names)
            self.layers.extend(Relational(width) for _ in range(config.layers))

    def views(self) -> list[View]:
        """What all nodes hold for each behaviour."""
        x_ND = self._dropped(self.held.weight)
        deep = self._dropped(self.deep.weight) if self.config.scorer == "neumf" else None
        if self.config.encoder == "relations":
            nodes, weights = self._related(x_ND)
        else:
            blocks = self.config.encoder == "blocks"
            nodes = self._in_blocks(x_ND) if blocks else [x_ND] * len(self.names)
            weights = [*self.weights] or [torch.ones(self.config.width)] * len(self.names)
            for turn in self.maps:
                weights.append(turn(weights[-1]))
        return [
            View(one, weight, one if deep is None else deep)
            for one, weight in zip(nodes, weights, strict=True)
        ]

    def own(
        self,
        views: Sequence[View],
        place: int,
        users_B: Int64[Tensor, " pairs"],
        items_BS: Int64[Tensor, "pairs items"],
    ) -> Float[Tensor, "pairs items"]:
        """What pairs of users and items score by one behaviour of its own.

        Args:
            views: as they are now.
            place: of the behaviour.
            users_B: their rows.
            items_BS: theirs.
        """
        return self.scorer.of_pairs(place, views[place], users_B, items_BS, self.num_users)

    def rows(self, nodes_B: Int64[Tensor, " rows"]) -> Float[Tensor, "rows columns"]:
        """What these nodes have of their own, all tables side by side."""
        tables = [one.weight for one in self.children() if isinstance(one, nn.Embedding)]
        return torch.cat([table[nodes_B] for table in tables], 1)

    def _dropped(self, x_ND: Tensor) -> Tensor:
        return dropout(x_ND, self.config.dropout, self.training)

    def _in_blocks(self, x_ND: Tensor) -> list[Tensor]:
        """LightGCN by each behaviour in turn (CRGCN; MB-CGCN)."""
        out: list[Tensor] = []
        for place, graph in enumerate(self.graphs):
            said_ND = total_ND = x_ND
            for _ in range(self.config.layers):
                said_ND = listen(graph, said_ND, "importance")
                total_ND = total_ND + said_ND
            heard_ND = unit_rows(total_ND)
            if self.config.through == "residual":
                x_ND = x_ND + heard_ND
                out.append(x_ND)
            else:
                out.append(out[-1] + heard_ND if out else heard_ND)
                x_ND = self.turns[place](heard_ND) if place < len(self.turns) else heard_ND
        return out

    def _related(self, x_ND: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """All behaviours at once, what is said being multiplied by the relation (GHCF)."""
        said_RD = torch.stack([*self.relations])
        nodes, relations = x_ND, said_RD
        for layer in self.layers:
            x_ND, said_RD = layer(x_ND, said_RD, self.graphs)
            x_ND = self._dropped(x_ND)
            nodes, relations = nodes + x_ND, relations + said_RD
        share = 1 / (1 + len(self.layers))
        return [nodes * share] * len(relations), [one * share for one in relations]


class Relational(nn.Module):
    """`leaky_relu(W sum_r A_r (h * e_r))`, and a map of e_r (Chen et al., AAAI 2021, eq. 2, 4).

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.nodes = nn.Linear(width, width, bias=False)
        self.relations = nn.Linear(width, width, bias=False)
        # From a small random map the loss over all pairs finds nothing but zeros.
        nn.init.eye_(self.nodes.weight)
        nn.init.eye_(self.relations.weight)

    def forward(
        self, x_ND: Tensor, said_RD: Tensor, graphs: Sequence[Adjacency]
    ) -> tuple[Tensor, Tensor]:
        """What nodes and relations hold afterwards."""
        heard_ND = sum(
            (listen(graph, x_ND * one, "importance") for graph, one in zip(graphs, said_RD)),
            torch.zeros_like(x_ND),
        )
        return leaky_relu(self.nodes(heard_ND), 0.2), self.relations(said_RD)


def _table(rows: int, width: int, seed: int, name: str) -> nn.Embedding:
    _seeded(seed, name)
    table = nn.Embedding(rows, width)
    nn.init.normal_(table.weight, std=SPREAD)
    return table


def _tower(width: int) -> nn.Sequential:
    """A perceptron from both ends of a pair to a score, half as wide at each layer."""
    half = max(width // 2, 1)
    return nn.Sequential(
        nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, half), nn.ReLU(),
        nn.Linear(half, 1, bias=False),
    )  # fmt: skip


def _still(width: int) -> nn.Linear:
    """A map that changes nothing yet."""
    out = nn.Linear(width, width)
    nn.init.eye_(out.weight)
    nn.init.zeros_(out.bias)
    return out


def _seeded(seed: int, *names: str) -> None:
    torch.manual_seed(int(stream(seed, "cascade", *names).integers(2**63)))
