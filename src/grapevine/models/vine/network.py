"""The network of Vine: that of a sequence model, a head for each behaviour, and a tower."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import normalize

from grapevine.models.sequence.batches import Places
from grapevine.models.sequence.network import Network
from grapevine.models.sequence.sources import Sources
from grapevine.models.vine.begun import Pointed, Pointer
from grapevine.models.vine.config import Config

# T = places that ask, D = width, R = behaviours, P = pairs


class VineNetwork(Network):
    """One state of a history, with which every behaviour asks in its own way.

    Args:
        config: the options.
        num_items: I.
        behaviours: R.
        target: the behaviour that is learnt for, and that may point at the history.
        asking: the behaviour that `ask` asks about; the target if not given.
        times: whether the times of events mean anything.
        sources: what item vectors are made of; if not given, they stand in a table.
        takers: `(I,)` how many users took each item, where places pass questions on.
        links: in how many ways they do.
    """

    def __init__(
        self,
        config: Config,
        num_items: int,
        *,
        behaviours: int,
        target: int,
        asking: int | None = None,
        times: bool = True,
        sources: Sources | None = None,
        takers: Int64[Tensor, " items"] | None = None,
        links: int = 0,
    ) -> None:
        super().__init__(config, num_items, behaviours=behaviours, times=times, sources=sources)
        self.cascade, width = config.cascade, config.width
        self.target = target
        self.asking = target if asking is None else asking
        # At first all behaviours ask alike.
        self.about = nn.Parameter(torch.zeros(behaviours, width, width))
        self.tower = nn.Sequential(
            nn.Linear(3 * width, config.tower), nn.GELU(), nn.Linear(config.tower, behaviours + 1)
        )
        self.takers, self.pointer = takers, None
        if config.begun or links:
            self.pointer = Pointer(
                width, config.tower, behaviours, times=times, begun=config.begun, links=links,
                reach=config.reach,
            )  # fmt: skip

    def ask(self, h_TD: Float[Tensor, "asking width"]) -> Float[Tensor, "asking width"]:
        """What a place asks with about the behaviour that is asked about."""
        return self.ask_about(h_TD, self.asking)

    def ask_about(
        self, h_TD: Float[Tensor, "asking width"], behaviour: int
    ) -> Float[Tensor, "asking width"]:
        """What a place asks with about one behaviour.

        In a cascade a behaviour asks with all that those before it ask with, and adds to it.

        Args:
            h_TD: states.
            behaviour: its row.
        """
        first = 0 if self.cascade else behaviour
        head_DD = self.about[first : behaviour + 1].sum(0)
        return super().ask(h_TD + h_TD @ head_DD)

    def point(
        self,
        h_TD: Float[Tensor, "asking width"],
        seen: Places,
        row_T: Int64[Tensor, " asking"],
        place_T: Int64[Tensor, " asking"],
        *,
        still: bool = False,
    ) -> Pointed:
        """Who of a history is to answer: see `Pointer`.

        Args:
            h_TD: states that ask.
            seen: the histories.
            row_T: of each question, whose it is.
            place_T: the last place that it knows.
            still: nothing but the pointer itself learns of it.
        """
        assert self.pointer is not None
        takers, table_BLD = None, self._looked_up(seen.items)
        if self.takers is not None:
            takers = self.takers[seen.items.clamp_max(self.num_items - 1)]
        if still:
            h_TD, table_BLD = h_TD.detach(), table_BLD.detach()
        return self.pointer(h_TD, seen, row_T, place_T, table_BLD, takers)

    def judge(
        self, h_PD: Float[Tensor, "pairs width"], items_PD: Float[Tensor, "pairs width"]
    ) -> Float[Tensor, "pairs answers"]:
        """Of a history and an item: what each behaviour adds to the chain, and the rating.

        Args:
            h_PD: states of histories.
            items_PD: vectors of items, as `vectors` gives them.
        """
        # Of length one, so that no item is more sure of itself for having been met more often.
        h_PD, items_PD = normalize(h_PD, dim=1), normalize(items_PD, dim=1)
        scale = self.config.width**0.5
        return self.tower(torch.cat([h_PD, items_PD, scale * h_PD * items_PD], 1) * scale)
