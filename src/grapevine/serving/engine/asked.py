"""What is asked of a model in service, and what it answers: values that check themselves once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from grapevine.errors import ConfigError

MOST_ASKED = 500
"""Items of one list, and events of one history that are looked at: the latest."""


class Happened(NamedTuple):
    """One event of a history.

    Attributes:
        item_id: the item, which the run need not know.
        behaviour: what was done with it; the run's target if not said.
        timestamp: when, in milliseconds since 1970; after what stands before it if not said.
    """

    item_id: Any
    behaviour: str | None = None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which items may be shown; what is not said leaves all in.

    Attributes:
        category: those of any of these categories.
        in_stock: those that the catalogue has in stock.
        least: the lowest price.
        most: the highest price.
        exclude: none of these items.
        only: none but these items.
        where: conditions on columns that must all hold: see `models.conditions`.
    """

    category: tuple[str, ...] = ()
    in_stock: bool = False
    least: float | None = None
    most: float | None = None
    exclude: Sequence[Any] = ()
    only: Sequence[Any] | None = None
    where: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Items that are moved up or down.

    Scores are first brought to mean 0 and deviation 1 over the catalogue, whatever their sign. A
    factor multiplies the exponential of such a score, and so adds its logarithm: 2.7 lifts an item
    by as much as one deviation. It means the same where scores are negative.

    Attributes:
        where: conditions on columns, which items must all meet; a product owner's own words.
        factor: above 1 lifts, below 1 lowers.
        offset: deviations that are added as well.
    """

    where: tuple[str, ...]
    factor: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.factor < math.inf and math.isfinite(self.offset)):
            raise ConfigError(
                f"a factor of {self.factor} and an offset of {self.offset} weigh nothing",
                hint="a factor above 0, such as 2 or 0.5, and an offset that is a number",
            )

    @property
    def added(self) -> float:
        """What it adds to a score, in deviations."""
        return math.log(self.factor) + self.offset


class Pin(NamedTuple):
    """An item that stands at a rank, whatever it scores.

    Attributes:
        item_id: the item.
        rank: from 1.
    """

    item_id: Any
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a business wants of a list beside its scores.

    Attributes:
        boost: what is moved up.
        bury: what is moved down.
        pin: what stands at a rank; the filters and the cap hold for it too.
        diversity: 0 to 1, how much being unlike what stands above counts against relevance.
        calibration: 0 to 1, how much the list's categories shall be those of the history.
        most_shown: an item that was shown so often is not shown again.
    """

    boost: tuple[Weight, ...] = ()
    bury: tuple[Weight, ...] = ()
    pin: tuple[Pin, ...] = ()
    diversity: float = 0.0
    calibration: float = 0.0
    most_shown: int | None = None

    def __post_init__(self) -> None:
        for name in ("diversity", "calibration"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} lies between 0 and 1: got {getattr(self, name)}")
        if any(one.added < 0 for one in self.boost) or any(one.added > 0 for one in self.bury):
            raise ConfigError(
                "a boost would lower its items, or a bury would lift them",
                hint="boost by factors above 1, bury by factors below 1",
            )
        ranks = [one.rank for one in self.pin]
        if len({*ranks}) != len(ranks) or min(ranks, default=1) < 1:
            raise ConfigError(
                f"items are pinned to the ranks {ranks}", hint="each to another, from 1"
            )
        names = [str(one.item_id) for one in self.pin]
        if len({*names}) != len(names):
            raise ConfigError("an item is pinned to two ranks", hint="each to one")
        if self.most_shown is not None and self.most_shown < 1:
            raise ConfigError(f"at most {self.most_shown} times shown is never shown")


NO_FILTERS, NO_RULES = Filters(), Rules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question: for whom, out of what, and by which rules.

    Attributes:
        user_id: a user, of whom the run may know events; the history is what came since.
        item_id: instead of a user, the item that others shall go with.
        history: events, the first one first; of a user known to the run those since training, and
            what the run knows already may be among them.
        behaviour: what the items are for, of those that the run predicts; its target if not said.
        k: how many items.
        exclude_seen: leave out what the history holds already.
        filters: which items may be shown.
        rules: what else is wanted of the list.
        shown: how often each item was shown to the user lately, for `Rules.most_shown`.
        why: tell the reasons.
        asked_at: when, in milliseconds since 1970; right after the last event if not said, as
            offline.
    """

    user_id: Any = None
    item_id: Any = None
    history: Sequence[Happened] = ()
    behaviour: str | None = None
    k: int = 10
    exclude_seen: bool = True
    filters: Filters = NO_FILTERS
    rules: Rules = NO_RULES
    shown: Mapping[Any, int] = field(default_factory=dict)
    why: bool = False
    asked_at: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MOST_ASKED:
            raise ConfigError(f"k lies between 1 and {MOST_ASKED}: got {self.k}")
        if self.item_id is not None and (self.user_id is not None or self.history):
            raise ConfigError(
                "what goes with an item is the same for everybody",
                hint="give an item, or a user and a history",
            )


class Told(NamedTuple):
    """An item that a reason names.

    Attributes:
        item_id: the item.
        title: its name.
        share: how much of the reason it is, in [0, 1].
    """

    item_id: Any
    title: str
    share: float


class Why(NamedTuple):
    """A reason for an item.

    Attributes:
        kind: "history" (what the score falls by without it), "walk" (which share of the random
            walks leads there), "attention" (where the model looked), "new" (how an item that came
            since has a score), "popular", "category" or "content".
        text: in words.
        items: in numbers.
    """

    kind: str
    text: str
    items: tuple[Told, ...] = ()


class Shown(NamedTuple):
    """One line of an answer.

    Attributes:
        item_id: the item.
        rank: from 1.
        score: the model's own, before any rule.
        reasons: if asked.
        source: "model" where it was trained on the item. Of one that came since by what it stands:
            "features" of which the model made its vector, "content" and "events" that its nearest
            of kin were found by, "content and events", "features and events"; "" if by nothing.
    """

    item_id: Any
    rank: int
    score: float
    reasons: tuple[Why, ...] = ()
    source: str = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A list, and how it came about.

    Attributes:
        items: best first; fewer than asked for where fewer may be shown.
        fallback: "" where the model has answered, else how it was done without it: "popular" in the
            run, "category" for what is popular in an item's category, "content" for items alike.
        version: of the model.
        heard: how many events of the history the run knows the item of.
        took: seconds of each stage: history, user, filters, retrieval, rules, why.
    """

    items: tuple[Shown, ...]
    fallback: str
    version: str
    heard: int
    took: dict[str, float]
