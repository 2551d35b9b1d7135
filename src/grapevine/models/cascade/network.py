"""What users and items hold for each behaviour.

U = users, I = items, N = nodes: the users, then the items; R = behaviours, D = width, B = pairs,
S = items of each
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import dropout, leaky_relu

from grapevine.core.kernels.unit import unit_rows
from grapevine.core.listen import listen
from grapevine.core.neighbourhoods import Adjacency
from grapevine.models.cascade.config import Config
from grapevine.models.cascade.scorer import Scorer, View, seeded
from grapevine.models.cascade.typed import Heard, Hiding, Typed


class Network(nn.Module):
    """Tables, graphs and scorers of behaviours that lead to each other.

    Args:
        config: the options.
        num_users: U.
        num_items: I.
        names: the behaviours in order, the target last.
        graphs: of each, over all nodes; none where the encoder has no use for them.
        hiding: the graph of behaviours and attributes, where the encoder hears one.
        seed: of the start. What a behaviour starts from is named by it, so that it is the same
            whatever others there are; but for relations of a typed graph.
    """

    def __init__(
        self,
        config: Config,
        num_users: int,
        num_items: int,
        names: Sequence[str],
        graphs: Sequence[Adjacency] = (),
        hiding: Hiding | None = None,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.config, self.num_users, self.names = config, num_users, tuple(names)
        self.graphs = list(graphs)
        width = config.width
        self.depths = config.deep(len(self.graphs))
        self.held = _table(num_users + num_items, config, seed, "held")
        if config.scorer == "neumf":
            self.deep = _table(num_users + num_items, config, seed, "deep")
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
                seeded(seed, "turn", name)
                self.turns.append(Turn(width, config.spread))
        self.typed = None
        if hiding is not None:
            self.typed = Typed(config, hiding.whole, hiding.labels, seed=seed)
        self.relations = nn.ParameterList()
        self.layers = nn.ModuleList()
        if config.encoder == "relations":
            seeded(seed, "relations")
            self.relations.extend(torch.ones(width) for _ in self.names)
            self.layers.extend(Relational(width) for _ in range(config.layers))
        # Logits of how much each graph counts in each layer: all alike at the start.
        rows = config.layers if config.encoder == "shares" else 0
        self.shares = nn.ParameterList(torch.zeros(len(self.names)) for _ in range(rows))

    def views(self, heard: Heard | None = None, met: Tensor | None = None) -> list[View]:
        """What all nodes hold for each behaviour.

        Args:
            heard: the typed graph, where the encoder hears one.
            met: `(U + I,)` nodes that hold something of their own; all if not given.

        Raises:
            ValueError: the encoder hears a typed graph, and there is none.
        """
        own = self.held.weight if met is None else self.held.weight * met[:, None]
        x_ND, deep = self._dropped(own), None
        if self.config.scorer == "neumf":
            own = self.deep.weight if met is None else self.deep.weight * met[:, None]
            deep = self._dropped(own)
        if self.config.encoder == "relations":
            nodes, weights = self._related(x_ND)
        else:
            if self.config.encoder == "blocks":
                nodes = self._in_blocks(x_ND)
            elif self.typed is not None:
                if heard is None:
                    raise ValueError(f"{self.config.encoder} hears a typed graph: give one")
                nodes = [self.typed(x_ND, heard)] * len(self.names)
            else:
                nodes = [self._by_shares(x_ND)] * len(self.names)
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
            residual = self.config.through == "residual"
            said_ND = total_ND = x_ND
            for _ in range(self.depths[place]):
                said_ND = listen(graph, said_ND, "importance")
                total_ND = said_ND if residual else total_ND + said_ND
            # A mean of all layers, which length one leaves as it is; of a residual block the last.
            scaled = residual or self.config.unit
            heard_ND = total_ND if scaled else total_ND / (1 + self.depths[place])
            heard_ND = unit_rows(heard_ND) if self.config.unit else heard_ND
            if residual:
                x_ND = x_ND + heard_ND
                out.append(x_ND)
            else:
                out.append(out[-1] + heard_ND if out else heard_ND)
                last = place == len(self.turns)
                x_ND = heard_ND if last else self.turns[place](heard_ND, self.num_users)
        return out

    def _by_shares(self, x_ND: Tensor) -> Tensor:
        """LightGCN over all graphs, each with its share of a layer; of no layer, what is held."""
        total_ND = x_ND
        for logits_R in self.shares:
            shares_R = logits_R.softmax(0)
            x_ND = sum(
                (share * listen(graph, x_ND, "importance")
                 for graph, share in zip(self.graphs, shares_R, strict=True)),
                torch.zeros_like(x_ND),
            )  # fmt: skip
            total_ND = total_ND + x_ND
        if not len(self.shares):
            return x_ND
        total_ND = total_ND / (1 + len(self.shares))
        return unit_rows(total_ND) if self.config.unit else total_ND

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


class Turn(nn.Module):
    """What the next block starts from: users by a map of their own, and items by theirs.

    Args:
        width: D.
        spread: standard deviation at the start. From large random maps the next blocks would say
            much of nothing.
    """

    def __init__(self, width: int, spread: float) -> None:
        super().__init__()
        self.users = nn.Linear(width, width, bias=False)
        self.items = nn.Linear(width, width, bias=False)
        for one in (self.users, self.items):
            nn.init.normal_(one.weight, std=spread)

    def forward(self, x_ND: Tensor, num_users: int) -> Tensor:
        """The users stand first."""
        return torch.cat([self.users(x_ND[:num_users]), self.items(x_ND[num_users:])])


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


def _table(rows: int, config: Config, seed: int, name: str) -> nn.Embedding:
    seeded(seed, name)
    table = nn.Embedding(rows, config.width)
    nn.init.normal_(table.weight, std=config.spread)
    return table


def _still(width: int) -> nn.Linear:
    """A map that changes nothing yet."""
    out = nn.Linear(width, width)
    nn.init.eye_(out.weight)
    nn.init.zeros_(out.bias)
    return out
