"""What a user has begun with: which item of the history is the next one to be bought.

Where behaviours lead to each other most of what is bought has been looked at before. Which of it
is next hangs on how far the user went with it, how often, how long ago, and on the history as a
whole; so a history points at one of its own items, or at none of them, as in pointer networks
(Vinyals et al., NIPS 2015, arXiv:1506.03134) and RepeatNet (Ren et al., AAAI 2019,
arXiv:1812.02646).
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import embedding, gelu, normalize

from grapevine.core.positions.relative import log_times
from grapevine.models.sequence.batches import Places
from grapevine.models.sequence.inputs import GAPS

MOST_TIMES, MOST_BACK, MOST_TAKERS = 8, 12, 14
"""From here on it is not told how often an item was met; and log2 of how many events ago that was,
and of how many users took it."""

WARMTHS = (1.0, 0.5, 0.2)
"""What the network's scores may be multiplied by, where nothing of the history is meant: a network
that has learnt its histories by heart is too sure of the others, and is heard more coolly."""

# B = histories, L = places, T = questions, P = pairs of a question and an item of it, D = width,
# W = ways in which a place may answer, C = ways in which the network is heard


@dataclass(frozen=True, slots=True)
class Begun:
    """Of each place of some histories: what its user had done with its item by then.

    Attributes:
        again: `(B, L)` the next place of the same item; L where there is none.
        furthest: `(B, L)` the last behaviour in the funnel, up to this event.
        times: `(B, L)` events with the item, up to this one.
    """

    again: Int64[Tensor, "batch places"]
    furthest: Int64[Tensor, "batch places"]
    times: Int64[Tensor, "batch places"]

    @classmethod
    def of(cls, seen: Places) -> "Begun":
        """What stands behind each place."""
        batch, longest = seen.items.shape
        row, place = (one.numpy() for one in seen.there.nonzero(as_tuple=True))
        pair = row * (int(seen.items.max()) + 1) + seen.items.numpy()[row, place]
        order = np.argsort(pair, kind="stable")
        new = np.diff(pair[order], prepend=-1) != 0
        first = np.flatnonzero(new)[np.cumsum(new) - 1]
        # A step of more than any behaviour at each pair keeps the running maximum within it.
        lift = np.cumsum(new) * np.int64(256)
        kinds = np.maximum(seen.behaviours.numpy()[row, place], 0)[order]
        again = np.full((batch, longest), longest)
        goes_on = ~new[1:]
        before = order[:-1][goes_on]
        again[row[before], place[before]] = place[order[1:][goes_on]]
        furthest, times = np.zeros((batch, longest), np.int64), np.zeros((batch, longest), np.int64)
        furthest[row[order], place[order]] = np.maximum.accumulate(lift + kinds) - lift
        times[row[order], place[order]] = np.arange(len(order)) - first + 1
        return cls(torch.from_numpy(again), torch.from_numpy(furthest), torch.from_numpy(times))

    def by(
        self,
        seen: Places,
        row_T: Int64[Tensor, " asking"],
        place_T: Int64[Tensor, " asking"],
        reach: int = 0,
    ) -> Bool[Tensor, "asking places"]:
        """Which places hold the last event with their item, as far as each question knows.

        Args:
            seen: the histories.
            row_T: whose question it is.
            place_T: the last place that it knows.
            reach: how many of the latest places count; 0 for all.
        """
        column = torch.arange(seen.items.shape[1])
        known = seen.there[row_T] & (column <= place_T[:, None])
        if reach:
            known &= column > place_T[:, None] - reach
        return known & (self.again[row_T] > place_T[:, None])


@dataclass(frozen=True, slots=True)
class Pointed:
    """The chances of the places of some histories to answer.

    Attributes:
        logs: `(T, L x W + C)` logs of chances, which add up to one: of each place in each way,
            place by place, and last of none of them, so warm or cool.
        question: `(P,)` of each pair of a question and an item of its history: which question.
        column: `(P,)` the place of the item.
        ways: W.
        warmths: C.
    """

    logs: Float[Tensor, "asking chances"]
    question: Int64[Tensor, " pairs"]
    column: Int64[Tensor, " pairs"]
    ways: int
    warmths: int = 1

    def of_pairs(self) -> Float[Tensor, "pairs ways"]:
        """The logs of the pairs alone."""
        places_TLW = self.logs[:, : -self.warmths].unflatten(1, (-1, self.ways))
        return places_TLW[self.question, self.column]

    def of_none(self) -> Float[Tensor, "asking warmths"]:
        """The logs of none of them."""
        return self.logs[:, -self.warmths :]

    def of_others(self) -> Float[Tensor, " asking"]:
        """The logs of no item naming itself."""
        places_TLW = self.logs[:, : -self.warmths].unflatten(1, (-1, self.ways))
        return torch.cat([places_TLW[:, :, 1:].flatten(1), self.of_none()], 1).logsumexp(1)


class Pointer(nn.Module):
    """The log of the chance that what comes next is told by an item of the history, and by which.

    Args:
        width: of states and of item vectors.
        hidden: of what a pair is told by.
        behaviours: how many there are.
        times: whether the times of events mean anything.
        begun: whether an item may name itself, the first way.
        links: in how many more ways it may pass the question on.
        reach: how many of the latest events may; 0 for all.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        behaviours: int,
        *,
        times: bool,
        begun: bool = True,
        links: int = 0,
        reach: int = 0,
    ) -> None:
        super().__init__()
        self.begun, self.ways, self.reach = begun, 1 + links, reach
        self.takers = nn.Parameter(torch.zeros(MOST_TAKERS + 1, hidden)) if links else None
        self.furthest = nn.Parameter(torch.zeros(behaviours, hidden))
        self.often = nn.Parameter(torch.zeros(MOST_TIMES + 1, hidden))
        self.back = nn.Parameter(torch.zeros(MOST_BACK + 1, hidden))
        self.gone = nn.Parameter(torch.zeros(GAPS + 1, hidden)) if times else None
        self.state, self.item = nn.Linear(width, hidden), nn.Linear(width, hidden, bias=False)
        self.product = nn.Linear(width, hidden, bias=False)
        self.out = nn.Linear(hidden, self.ways)
        self.warmths = len(WARMTHS) if links else 1
        self.none = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, self.warmths)
        )

    def forward(
        self,
        h_TD: Float[Tensor, "asking width"],
        seen: Places,
        row_T: Int64[Tensor, " asking"],
        place_T: Int64[Tensor, " asking"],
        table_BLD: Float[Tensor, "batch places width"],
        takers_BL: Int64[Tensor, "batch places"] | None = None,
    ) -> Pointed:
        """Who is to answer.

        Of an item that stands at several places the last one speaks; all others have no chance.

        Args:
            h_TD: states that ask.
            seen: the histories.
            row_T: of each question, whose it is.
            place_T: the last place that it knows.
            table_BLD: the vector of the item at each place.
            takers_BL: how many took it, its user counted, where places pass questions on.
        """
        behind = Begun.of(seen)
        there_TL = behind.by(seen, row_T, place_T, self.reach)
        question, column = there_TL.nonzero(as_tuple=True)
        row = row_T[question]
        ago = place_T[question] - column + 1
        h_TD = normalize(h_TD, dim=1)
        item_PD = normalize(table_BLD[row, column], dim=1)
        scale = h_TD.shape[1] ** 0.5
        told = (
            (scale * self.state(h_TD))[question]
            + scale * self.item(item_PD)
            + scale * self.product(scale * h_TD[question] * item_PD)
            + embedding(behind.furthest[row, column], self.furthest)
            + embedding(behind.times[row, column].clamp_max(MOST_TIMES), self.often)
            + embedding(ago.float().log2().long().clamp_max(MOST_BACK), self.back)
        )
        if self.gone is not None:
            gone = seen.asked[row_T, place_T][question] - seen.times[row, column]
            told = told + embedding(log_times(gone.clamp_min(0).float(), GAPS), self.gone)
        if self.takers is not None:
            assert takers_BL is not None
            many = (takers_BL[row, column] + 1).clamp_min(1).float().log2().long()
            told = told + embedding(many.clamp_max(MOST_TAKERS), self.takers)
        said_PW = self.out(gelu(told))
        if not self.begun:
            said_PW = torch.cat([torch.full_like(said_PW[:, :1], float("-inf")), said_PW[:, 1:]], 1)
        chances = there_TL.shape[1] * self.ways + self.warmths
        logits = h_TD.new_full((len(h_TD), chances), float("-inf"))
        places_TLW = logits[:, : -self.warmths].unflatten(1, (-1, self.ways))
        places_TLW[question, column] = said_PW
        logits[:, -self.warmths :] = self.none(scale * h_TD)
        return Pointed(logits.log_softmax(1), question, column, self.ways, self.warmths)
