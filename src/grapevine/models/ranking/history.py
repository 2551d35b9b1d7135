"""What is made of a history for a candidate: a mean, attention, or interests that evolve.

B = questions, S = items of each, L = events, D = width
"""

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

Events = Float[Tensor, "questions events width"]
There = Bool[Tensor, "questions events"]
Wanted = Float[Tensor, "questions items width"]


def mean(events_BLD: Events, there_BL: There) -> Float[Tensor, "questions 1 width"]:
    """The mean of the events, the same for every candidate; 0 without any."""
    count_B1 = there_BL.sum(1, keepdim=True).clamp_min(1)
    return ((events_BLD * there_BL[:, :, None]).sum(1) / count_B1)[:, None]


class Attention(nn.Module):
    """`a_l = softmax over the events of (h_l W e)`: DIEN, eq. 12, e the candidate's vector.

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.turn = nn.Linear(width, width, bias=False)

    def forward(
        self, events_BLD: Events, wanted_BSD: Wanted, there_BL: There
    ) -> Float[Tensor, "questions items events"]:
        """How much each event says of each candidate; 0 of all without any event."""
        score_BSL = self.turn(wanted_BSD) @ events_BLD.transpose(1, 2)
        # Finite, so that a history without events has shares of 0 and not of NaN.
        share_BSL = score_BSL.masked_fill(~there_BL[:, None], -1e30).softmax(2)
        return share_BSL * there_BL[:, None]


class Evolution(nn.Module):
    """A recurrence over the events, and for each candidate one over its states (DIEN).

    Zhou et al., AAAI 2019, arXiv:1809.03672, sections "Interest Extractor Layer" and "Interest
    Evolving Layer".

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.extractor = nn.GRU(width, width, batch_first=True)
        self.attention = Attention(width)
        self.evolving = AUGRU(width)

    def states(self, events_BLD: Events) -> Events:
        """What was of interest after each event (eq. 2 to 5)."""
        return self.extractor(events_BLD)[0] if events_BLD.shape[1] else events_BLD

    def forward(
        self, states_BLD: Events, wanted_BSD: Wanted, there_BL: There
    ) -> Float[Tensor, "questions items width"]:
        """The last state of each candidate's own recurrence."""
        return self.evolving(states_BLD, self.attention(states_BLD, wanted_BSD, there_BL))


class AUGRU(nn.Module):
    """A gated recurrent unit whose update gate is multiplied by the attention (DIEN, eq. 15, 16).

    `u' = a u; h' = (1 - u') h + u' n`, `n = tanh(W i + r (U h))`. An event of no weight, such as
    padding, leaves the state as it is.

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.heard = nn.Linear(width, 3 * width)
        self.held = nn.Linear(width, 3 * width, bias=False)

    def forward(
        self, events_BLD: Events, weights_BSL: Float[Tensor, "questions items events"]
    ) -> Float[Tensor, "questions items width"]:
        """The last state, which starts from 0."""
        said_BLG = self.heard(events_BLD)
        h_BSD = events_BLD.new_zeros(*weights_BSL.shape[:2], self.width)
        gates = 2 * self.width
        for place in range(events_BLD.shape[1]):
            now_B1G, own_BSG = said_BLG[:, place, None], self.held(h_BSD)
            both_BSG = (now_B1G[..., :gates] + own_BSG[..., :gates]).sigmoid()
            reset_BSD, update_BSD = both_BSG.chunk(2, 2)
            new_BSD = (now_B1G[..., gates:] + reset_BSD * own_BSG[..., gates:]).tanh()
            h_BSD = h_BSD.lerp(new_BSD, weights_BSL[:, :, place, None] * update_BSD)
        return h_BSD


def next_loss(
    states_BLD: Events, next_BLD: Events, other_BLD: Events, there_BL: There
) -> Float[Tensor, ""]:
    """By how much states do not tell the event after theirs from one drawn (DIEN, eq. 7).

    `-log s(h_l e_(l+1)) - log(1 - s(h_l e'))`, meaned over all events that have one before; the
    paper sums over the events of a history.

    Args:
        states_BLD: after each event.
        next_BLD: vectors of the items of the same events.
        other_BLD: of items drawn in their place.
        there_BL: which places hold an event.
    """
    asked_BL = there_BL[:, 1:]
    if not asked_BL.any():
        return states_BLD.sum() * 0
    yes_BL = (states_BLD[:, :-1] * next_BLD[:, 1:]).sum(2)
    no_BL = (states_BLD[:, :-1] * other_BLD[:, 1:]).sum(2)
    return -(logsigmoid(yes_BL) + logsigmoid(-no_BL))[asked_BL].mean()
