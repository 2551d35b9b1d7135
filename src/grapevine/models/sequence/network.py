"""The network of the sequence models: items at their places, and layers that listen."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from grapevine.core.kernels.dropout import Dropout
from grapevine.core.kernels.unit import unit_rows
from grapevine.core.patterns import Causal, Complete, Pattern
from grapevine.core.positions.relative import log_times
from grapevine.core.transformer import HSTULayer, TransformerLayer
from grapevine.models.sequence.batches import Places
from grapevine.models.sequence.config import Config
from grapevine.models.sequence.inputs import GAPS, Inputs
from grapevine.models.sequence.items import MadeItems
from grapevine.models.sequence.mixer import MixerLayer
from grapevine.models.sequence.returns import Returns
from grapevine.models.sequence.sources import Sources

EVERYTHING = 20_000
"""Items up to which gradients are of the whole table, where a loss draws from them."""

States = Float[Tensor, "batch places width"]

# B = histories, L = places, D = width, I = items


class Network(nn.Module):
    """Item vectors, and what each place of a history makes of those it hears.

    Args:
        config: the options.
        num_items: I.
        times: whether the times of events mean anything.
        behaviours: how many there are.
        sources: what item vectors are made of; if not given, they stand in a table.

    Attributes:
        gathers: whether the loss looks up what it drew, of so many items, and touches no others.
    """

    def __init__(
        self,
        config: Config,
        num_items: int,
        *,
        times: bool = True,
        behaviours: int = 1,
        sources: Sources | None = None,
    ) -> None:
        super().__init__()
        width = config.width
        self.config, self.num_items = config, num_items
        self.gathers = config.loss != "softmax" and num_items > EVERYTHING
        # One row more for padding, and one for what is masked.
        ids = num_items if sources is None or sources.ids.any() else 0
        self.items = _table(ids + 2, width, self.gathers)
        self.asked = None if config.tied else _table(num_items, width, self.gathers)
        learned = config.positions == "learned" and config.encoder in {"transformer", "hstu"}
        self.places = nn.Parameter(torch.empty(config.length, width)) if learned else None
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(_layer(config) for _ in range(config.blocks))
        self.returns = Returns(width) if config.returns != "none" else None
        ends = config.encoder == "mixer" or (
            config.encoder == "transformer" and config.norm != "post"
        )
        self.last = nn.LayerNorm(width) if ends else nn.Identity()
        self.dense = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        if not config.head:
            self.dense = nn.Identity()
        biased = config.head or config.prior
        self.bias = nn.Parameter(torch.zeros(num_items)) if biased else None
        hstu = config.encoder == "hstu"
        self.near = nn.Parameter(torch.empty(config.length)) if hstu else None
        gaps = hstu and config.times and times
        self.gap = nn.Parameter(torch.empty(GAPS + 1)) if gaps else None
        self.inputs = Inputs(config, behaviours, times=times)
        self.made = None if sources is None else MadeItems(config, sources)
        self._held: Tensor | None = None
        self._heeded: Tensor | None = None
        self.pattern = Causal() if config.asks == "next" else Complete()
        self.start()

    @property
    def timed(self) -> bool:
        """Whether it looks at times."""
        return self.gap is not None or self.inputs.gap is not None

    def start(self) -> None:
        """Tables from a normal distribution of deviation 0.02, cut off at two deviations."""
        parts = (self.items, self.asked, self.places, self.near, self.gap)
        for part in (*parts, *self.inputs.parameters()):
            table = part.weight if isinstance(part, nn.Embedding) else part
            if table is not None:
                nn.init.trunc_normal_(table, std=0.02, a=-0.04, b=0.04)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_normal_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        if self.made is not None:
            self.made.start()

    @contextmanager
    def items_at_hand(self, step: int = 0) -> Iterator[None]:
        """Within it item vectors are made once, whoever asks for them.

        Args:
            step: of training: in most of them what was made before must do (`Config.refresh`).
        """
        if self.made is not None and step % self.config.refresh:
            self._heeded = self.made.heeded()
        elif self.made is not None:
            self._held = self._made()
        try:
            yield
        finally:
            self._held = self._heeded = None

    def _made(self) -> Float[Tensor, "rows width"]:
        assert self.made is not None
        # Looked up where the gradient of the table is one of rows.
        ids = self.items(torch.arange(len(self.items.weight))) if self.gathers else None
        return self.made(self.items.weight if ids is None else ids)

    def _looked_up(self, rows: Int[Tensor, " *any"]) -> Float[Tensor, "*any width"]:
        if self.made is None:
            return self.items(rows)
        if self._heeded is not None:
            return self.made.again(self.items, rows, self._heeded)
        return nn.functional.embedding(rows, self._made() if self._held is None else self._held)

    def forward(self, seen: Places) -> States:
        """What each place holds in the end."""
        x_BLD, bias = self.start_of(seen), self.relative(seen)
        there = seen.there if isinstance(self.pattern, Complete) else None
        for layer in self.layers:
            x_BLD = layer(x_BLD, self.pattern, there=there, bias=bias)
        # Where a return stands after each event, it is the one that asks.
        return self.last(x_BLD if self.returns is None else x_BLD[:, 1::2])

    def at(self, seen: Places, places_B: Int[Tensor, " batch"]) -> Float[Tensor, "batch width"]:
        """What one place of each history holds in the end: that after all it hears.

        The last layer is computed for these places alone.

        Args:
            seen: the histories.
            places_B: the last place of each.
        """
        x_BLD, bias = self.start_of(seen), self.relative(seen)
        *below, top = self.layers
        there = seen.there if isinstance(self.pattern, Complete) else None
        for layer in below:
            x_BLD = layer(x_BLD, self.pattern, there=there, bias=bias)
        # `len` would be a constant of a graph that is exported.
        batch = places_B.shape[0]
        row, held = torch.arange(batch), seen.there
        if isinstance(top, Recurrent | MixerLayer):
            return self.last(top(x_BLD, self.pattern, there=there)[row, places_B])
        if self.returns is not None:
            places_B, held = 2 * places_B + 1, held.repeat_interleave(2, 1)
        if bias is not None:
            bias = bias.expand(batch, -1, -1, -1)[row, :, places_B].unsqueeze(2)
        # The last place hears all that there is, whatever the pattern.
        asking = x_BLD[row, places_B].unsqueeze(1)
        heard = top(x_BLD, Complete(), there=held, bias=bias, asking=asking)
        return self.last(heard.squeeze(1))

    def start_of(self, seen: Places) -> States:
        """What each place holds before it has heard anyone."""
        x_BLD = self._looked_up(seen.items)
        if self.config.scaled:
            x_BLD = x_BLD * math.sqrt(self.config.width)
        x_BLD = self.inputs(x_BLD, seen)
        if self.returns is not None:
            assert seen.returns is not None
            x_BLD = torch.stack([x_BLD, self.returns(seen.returns)], 2)
        if self.places is not None:
            place_BLD = nn.functional.embedding(seen.back, self.places)
            x_BLD = x_BLD + (place_BLD if self.returns is None else place_BLD[:, :, None])
        if self.returns is not None:
            x_BLD = x_BLD.flatten(1, 2)
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
            gone = seen.asked[:, :, None] - seen.times[:, None, :]
            bias = bias + self.gap[log_times(gone.float(), GAPS)]
        return bias[:, None]

    def vectors(self, rows: Int[Tensor, " rows"] | None = None) -> Float[Tensor, "rows width"]:
        """What answers are told by, as the scores want it.

        Args:
            rows: of these items; of all if not given.
        """
        if self.made is not None:
            vectors = self._looked_up(torch.arange(self.num_items) if rows is None else rows)
        else:
            table = self.items if self.asked is None else self.asked
            vectors = table.weight if rows is None else table(rows)
        # Of a table all but the rows of padding and of a mask.
        longer = self.made is None and rows is None and self.asked is None
        count = self.num_items if longer else None
        if self.config.cosine:
            return unit_rows(vectors, count)
        return vectors[:count] if longer else vectors

    def ask(self, h_TD: Float[Tensor, "asking width"]) -> Float[Tensor, "asking width"]:
        """What a place asks with: its product with an item's vector is the score."""
        h_TD = self.dense(h_TD)
        if self.config.cosine:
            h_TD = unit_rows(h_TD) / self.config.temperature
        return h_TD


class Recurrent(nn.Module):
    """A gated recurrent unit: each place hears its predecessor, in turn (Cho et al., 2014)."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.chain = nn.GRU(width, hidden, batch_first=True)
        self.out = nn.Linear(hidden, width)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: States, pattern: Pattern, *, there: Tensor | None = None, bias: None = None
    ) -> States:
        """What the places hold afterwards."""
        return self.out(self.dropout(self.chain(x)[0]))


def _table(rows: int, width: int, sparse: bool) -> nn.Embedding:
    """A row an item; where sparse, a step touches the rows that it has looked up alone."""
    return nn.Embedding.from_pretrained(torch.empty(rows, width), freeze=False, sparse=sparse)


def _layer(config: Config) -> nn.Module:
    width, hidden = config.width, config.hidden
    if config.encoder == "gru":
        return Recurrent(width, hidden or width, config.dropout)
    if config.encoder == "mixer":
        return MixerLayer(width, hidden or 4 * width, length=config.length, dropout=config.dropout)
    if config.encoder == "hstu":
        return HSTULayer(
            width, config.heads, width // config.heads, length=config.length,
            dropout=config.dropout,
        )  # fmt: skip
    return TransformerLayer(
        width, config.heads, hidden or 4 * width, norm=config.norm, activation=config.activation,
        dropout=config.dropout, attention_dropout=config.attention_dropout, gated=config.gated,
        precision=config.precision,
    )  # fmt: skip
