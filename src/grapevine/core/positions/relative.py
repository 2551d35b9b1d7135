"""What is added to the product of two places: by the way between them, the time, or their edge.

Each is a rule that `core.attention.attend` takes as its bias: told receivers and senders, it gives
numbers `(#B, H, *places)`, for as many pairs as the route asks about.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from grapevine.core.patterns import Listed

Rule = Callable[[Tensor, Tensor], Tensor]


class Relative(nn.Module):
    """One learnt number a head for each kind of way back.

    Args:
        heads: H.
        kinds: how many there are.
        kind: told ways back (places from the sender to the receiver, negative if it is ahead), the
            kind of each.
    """

    def __init__(self, heads: int, kinds: int, kind: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(heads, kinds))
        self.kind = kind

    def forward(self, receivers: Tensor, senders: Tensor) -> Tensor:
        """The number of each pair, `(1, H, *places)`."""
        return self.table[None, :, self.kind(receivers - senders)]


def log_buckets(
    back: Int[Tensor, " *any"], buckets: int = 32, furthest: int = 128, *, ahead: bool = False
) -> Int[Tensor, " *any"]:
    """T5's kinds: near ways one by one, farther ones by their logarithm (Raffel et al., JMLR 2020).

    Args:
        back: places from the sender to the receiver.
        buckets: kinds; where later places are heard too, half of them are for those.
        furthest: from here on all ways are of one kind.
        ahead: whether later places are heard; they share kind 0 otherwise.

    >>> log_buckets(torch.tensor([-3, 0, 1, 15, 16, 127, 128, 999])).tolist()
    [0, 0, 1, 15, 16, 31, 31, 31]
    """
    kinds = buckets // 2 if ahead else buckets
    far = back.abs() if ahead else back.clamp_min(0)
    exact = kinds // 2
    # Whole numbers decide where a bucket starts, in whichever precision logarithms are taken.
    grown = torch.log(far.clamp_min(1).double() / exact) / math.log(furthest / exact)
    large = (exact + (grown * (kinds - exact) + 1e-9).long()).clamp_max(kinds - 1)
    kind = torch.where(far < exact, far.long(), large)
    return kind + kinds * (back < 0) if ahead else kind


def t5(heads: int, buckets: int = 32, furthest: int = 128, *, ahead: bool = False) -> Relative:
    """T5's relative positions; one of them is shared by all layers of a stack."""
    kind = partial(log_buckets, buckets=buckets, furthest=furthest, ahead=ahead)
    return Relative(heads, buckets, kind)


def by_distance(heads: int, furthest: int, *, ahead: bool = False) -> Relative:
    """A number of its own for each way back; those beyond the furthest have that one's."""
    least = -furthest if ahead else 0
    return Relative(heads, furthest + 1 - least, lambda back: back.clamp(least, furthest) - least)


def alibi(heads: int) -> Rule:
    """What is farther counts less, at another pace for each head (Press et al., ICLR 2022).

    The paces are `2^(-8 h / H)`, h = 1 .. H; nothing is learnt.
    """

    def rule(receivers: Tensor, senders: Tensor) -> Tensor:
        away = (receivers - senders).abs()
        paces = torch.exp2(-8.0 / heads * torch.arange(1, heads + 1, device=away.device))
        return -paces.view(1, -1, *[1] * away.dim()) * away

    return rule


def log_times(gaps: Float[Tensor, " *any"], buckets: int = 128) -> Int[Tensor, " *any"]:
    """HSTU's kinds of time gaps: whole steps of a factor 10^0.1307, that is e^0.301.

    Zhai et al., ICML 2024, arXiv:2402.17152, as their code has it. Gaps below one count as one.
    """
    return (gaps.abs().clamp_min(1.0).log() / 0.301).long().clamp_max(buckets)


class TimeGaps(nn.Module):
    """One learnt number a head for each kind of time gap, on a logarithmic scale.

    Args:
        heads: H; 1 for one that all heads share, as HSTU has it.
        buckets: kinds of gaps above the least.
        unit: gaps are counted in units of so many of what the times are in: 1000 makes seconds of
            milliseconds.
    """

    def __init__(self, heads: int = 1, buckets: int = 128, *, unit: float = 1.0) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(heads, buckets + 1).normal_(std=0.02))
        self.buckets, self.unit = buckets, unit

    def forward(
        self, told: Int[Tensor, "batch keys"], asked: Int[Tensor, "batch queries"] | None = None
    ) -> Rule:
        """A rule for places with these times.

        Args:
            told: when each key was.
            asked: when each query is asked, if that is another time; HSTU takes that of the next
                event, which is the one to be foretold.
        """
        asked = told if asked is None else asked
        first = told.shape[1] - asked.shape[1]  # the queries stand at the last places

        def rule(receivers: Tensor, senders: Tensor) -> Tensor:
            gaps = asked[:, receivers - first] - told[:, senders]
            kinds = log_times(gaps.double() / self.unit, self.buckets)
            return self.table[:, kinds].movedim(0, 1)

        return rule


class EdgeTypes(nn.Module):
    """One learnt number a head for each type of edge.

    Args:
        heads: H.
        types: how many there are.
    """

    def __init__(self, heads: int, types: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(heads, types))

    def forward(self, pattern: Listed) -> Rule:
        """A rule for the edges of a pattern."""
        return lambda receivers, senders: self.table[None, :, pattern.types_of(receivers, senders)]


def together(*rules: Rule) -> Rule:
    """The sum of several rules."""

    def rule(receivers: Tensor, senders: Tensor) -> Tensor:
        first, *others = (each(receivers, senders) for each in rules)
        for other in others:
            first = first + other
        return first

    return rule
