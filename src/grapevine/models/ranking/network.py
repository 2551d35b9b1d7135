"""The network that orders candidates: vectors, a history, crosses, layers, a head a behaviour.

B = questions, S = items of each, L = events, D = width, R = behaviours that are asked for
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import embedding

from grapevine.models.ranking import history
from grapevine.models.ranking.config import Config
from grapevine.models.ranking.crosses import Cross, Wide
from grapevine.models.ranking.inputs import GAPS, Inputs, columns
from grapevine.models.sequence.items import MadeItems

SPREAD = 0.05
"""Standard deviation of vectors at the start."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is of what.

    Attributes:
        users: U.
        items: I.
        behaviours: that events may have.
        tasks: R, the first of them.
    """

    users: int
    items: int
    behaviours: int
    tasks: int


class Network(nn.Module):
    """One logit for each candidate and behaviour.

    The products of a candidate's vector with the user's and with the history's, number by number,
    stand beside all that the papers have: layers learn them from sums only slowly (Rendle et al.,
    RecSys 2020, arXiv:2005.09683).

    Args:
        config: the options.
        shape: how much there is.
        made: what item vectors are made of; if not given, they stand in a table.
    """

    def __init__(self, config: Config, shape: Shape, made: MadeItems | None = None) -> None:
        super().__init__()
        width = config.width
        self.config, self.shape, self.made = config, shape, made
        # Two rows more, of which MadeItems keeps the last; a stranger has zeros.
        self.items = nn.Embedding(shape.items + 2, width)
        self.users = nn.Embedding(shape.users, width)
        self.behaviour = nn.Embedding(shape.behaviours, width)
        self.gap = nn.Embedding(GAPS + 2, width)
        self.attention = history.Attention(width) if config.history == "attention" else None
        self.evolution = history.Evolution(width) if config.history == "evolution" else None
        inputs = 5 * width + columns(shape.behaviours)
        self.crosses = nn.ModuleList(
            Cross(inputs, config.rank, config.experts) for _ in range(config.crosses)
        )
        layers, before = list[nn.Module](), inputs
        for size in config.hidden:
            layers += [nn.Linear(before, size), nn.ReLU(), nn.Dropout(config.dropout)]
            before = size
        self.layers = nn.Sequential(*layers)
        self.heads = nn.Linear(before, shape.tasks)
        self.wide = Wide(config.bits, shape.tasks) if config.wide else None
        for table in (self.items, self.users, self.behaviour, self.gap):
            nn.init.normal_(table.weight, std=SPREAD)
        if made is not None:
            made.start()

    def forward(
        self, seen: Inputs, others: Int64[Tensor, "questions events"] | None = None
    ) -> tuple[list[Float[Tensor, "questions items"]], Float[Tensor, ""] | None]:
        """The logits of each behaviour's own, and what states lose on the next events.

        Args:
            seen: the questions.
            others: an item drawn beside each event; the second result is None without.
        """
        table = self.items.weight if self.made is None else self.made(self.items.weight)
        item_BSD = embedding(seen.items, table)
        met_BLD = embedding(seen.history, table)
        event_BLD = met_BLD + self.behaviour(seen.behaviours) + self.gap(seen.gaps)
        event_BLD = event_BLD * seen.there[:, :, None]
        lost = None
        if self.evolution is None:
            if self.attention is None:
                past_BSD = history.mean(event_BLD, seen.there)
            else:
                past_BSD = self.attention(event_BLD, item_BSD, seen.there) @ event_BLD
        else:
            states_BLD = self.evolution.states(event_BLD)
            past_BSD = self.evolution(states_BLD, item_BSD, seen.there)
            if others is not None:
                drawn_BLD = embedding(others, table)
                lost = history.next_loss(states_BLD, met_BLD, drawn_BLD, seen.there)
        return self._said(seen, item_BSD, past_BSD), lost

    def _said(self, seen: Inputs, item_BSD: Tensor, past_BSD: Tensor) -> list[Tensor]:
        user_BSD = self._users(seen.users)[:, None]
        alike = [one.expand_as(item_BSD) for one in (user_BSD, past_BSD)]
        products = [one * item_BSD for one in alike]
        first = x = torch.cat([item_BSD, *alike, *products, seen.numbers], 2)
        for cross in self.crosses:
            x = cross(first, x)
        said_BSR = self.heads(self.layers(x))
        if self.wide is not None:
            said_BSR = said_BSR + self.wide(seen)
        return [*said_BSR.unbind(2)]

    def _users(self, users_B: Tensor) -> Tensor:
        known_B = users_B < self.shape.users
        if self.training and self.config.id_dropout:
            known_B = known_B & (torch.rand(len(users_B)) >= self.config.id_dropout)
        return self.users(users_B.clamp_max(self.shape.users - 1)) * known_B[:, None]
