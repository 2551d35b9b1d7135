"""The network of the sequence models: items at their places, and layers that listen."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from grapevine.core.kernels.dropout import Dropout
from grapevine.core.patterns import Causal, Complete
from grapevine.core.transformer import HSTULayer, TransformerLayer
from grapevine.models.sequence.batches import Places
from grapevine.models.sequence.config import Config

TIME_BUCKETS = 128
"""Of gaps in time, by their logarithm (code of Zhai et al., ICML 2024)."""

States = Float[Tensor, "batch places width"]

# B = histories, L = places, D = width, I = items


class Network(nn.Module):
    """Item vectors, and what each place of a history makes of those it hears.

    Args:
        config: the options.
        num_items: I.
        times: whether the times of events mean anything.
    """

    def __init__(self, config: Config, num_items: int, *, times: bool = True) -> None:
        super().__init__()
        width = config.width
        self.config, self.num_items = config, num_items
        # One row more for padding, and one for what is masked.
        self.items = nn.Parameter(torch.empty(num_items + 2, width))
        self.asked = None if config.tied else nn.Parameter(torch.empty(num_items, width))
        learned = config.positions == "learned" and config.encoder != "gru"
        self.places = nn.Parameter(torch.empty(config.length, width)) if learned else None
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(_layer(config) for _ in range(config.blocks))
        ends = config.encoder == "transformer" and config.norm != "post"
        self.last = nn.LayerNorm(width) if ends else nn.Identity()
        self.dense = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        if not config.head:
            self.dense = nn.Identity()
        self.bias = nn.Parameter(torch.zeros(num_items)) if config.head else None
        hstu = config.encoder == "hstu"
        self.near = nn.Parameter(torch.empty(config.length)) if hstu else None
        gaps = hstu and config.times and times
        self.gap = nn.Parameter(torch.empty(TIME_BUCKETS + 1)) if gaps else None
        self.pattern = Complete() if config.asks == "cloze" else Causal()
        self.start()

    def start(self) -> None:
        """Tables from a normal distribution of deviation 0.02, cut off at two deviations."""
        for table in (self.items, self.asked, self.places, self.near, self.gap):
            if table is not None:
                nn.init.trunc_normal_(table, std=0.02, a=-0.04, b=0.04)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_normal_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(self, seen: Places) -> States:
        """What each place holds in the end."""
        x_BLD, bias = self.start_of(seen), self.relative(seen)
        there = seen.there if isinstance(self.pattern, Complete) else None
        for layer in self.layers:
            x_BLD = layer(x_BLD, self.pattern, there=there, bias=bias)
        return self.last(x_BLD)

    def at(self, seen: Places, places_B: Int[Tensor, " batch"]) -> Float[Tensor, "batch width"]:
        """What one place of each history holds in the end: that after all it hears.

        The last layer is computed for these places alone.

        Args:
            seen: the histories.
            places_B: the last place of each.
        """
        x_BLD, bias = self.start_of(seen), self.relative(seen)
        *below, top = self.layers
        for layer in below:
            there = seen.there if isinstance(self.pattern, Complete) else None
            x_BLD = layer(x_BLD, self.pattern, there=there, bias=bias)
        row = torch.arange(len(places_B))
        if isinstance(top, Recurrent):
            return self.last(top(x_BLD, self.pattern)[row, places_B])
        if bias is not None:
            bias = bias.expand(len(row), -1, -1, -1)[row, :, places_B].unsqueeze(2)
        # The last place hears all that there is, whatever the pattern.
        asking = x_BLD[row, places_B].unsqueeze(1)
        heard = top(x_BLD, Complete(), there=seen.there, bias=bias, asking=asking)
        return self.last(heard.squeeze(1))

    def start_of(self, seen: Places) -> States:
        """What each place holds before it has heard anyone."""
        x_BLD = nn.functional.embedding(seen.items, self.items)
        if self.config.scaled:
            x_BLD = x_BLD * math.sqrt(self.config.width)
        if self.places is not None:
            x_BLD = x_BLD + nn.functional.embedding(seen.back, self.places)
        # Padding comes last: a place that hears what was before it never hears any.
        return self.dropout(x_BLD)

    def relative(self, seen: Places) -> Float[Tensor, "batch 1 places places"] | None:
        """What is added for how far apart two places are, in events and in time."""
        if self.near is None:
            return None
        length = seen.items.shape[1]
        apart = (torch.arange(length)[:, None] - torch.arange(length)).clamp_min(0)
        bias = self.near[apart][None]
        if self.gap is not None:
            gone = (seen.asked[:, :, None] - seen.times[:, None, :]).abs().clamp_min(1)
            bucket = (gone.float().log() / 0.301).long().clamp_max(TIME_BUCKETS)
            bias = bias + self.gap[bucket]
        return bias[:, None]

    def vectors(self) -> Float[Tensor, "items width"]:
        """What an answer is told by, as the scores want it."""
        table = self.items[: self.num_items] if self.asked is None else self.asked
        return normalize(table, dim=1) if self.config.cosine else table

    def ask(self, h_TD: Float[Tensor, "asking width"]) -> Float[Tensor, "asking width"]:
        """What a place asks with: its product with an item's vector is the score."""
        h_TD = self.dense(h_TD)
        if self.config.cosine:
            h_TD = normalize(h_TD, dim=1) / self.config.temperature
        return h_TD


class Recurrent(nn.Module):
    """A gated recurrent unit: each place hears its predecessor, in turn (Cho et al., 2014)."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.chain = nn.GRU(width, hidden, batch_first=True)
        self.out = nn.Linear(hidden, width)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: States, pattern: Causal, *, there: None = None, bias: None = None
    ) -> States:
        """What the places hold afterwards."""
        return self.out(self.dropout(self.chain(x)[0]))


def _layer(config: Config) -> nn.Module:
    width, hidden = config.width, config.hidden
    if config.encoder == "gru":
        return Recurrent(width, hidden or width, config.dropout)
    if config.encoder == "hstu":
        return HSTULayer(
            width, config.heads, width // config.heads, length=config.length,
            dropout=config.dropout,
        )  # fmt: skip
    return TransformerLayer(
        width, config.heads, hidden or 4 * width, norm=config.norm, activation=config.activation,
        dropout=config.dropout, attention_dropout=config.attention_dropout, gated=config.gated,
    )  # fmt: skip
