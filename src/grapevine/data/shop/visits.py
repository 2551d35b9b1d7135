"""Who does what when: sessions, the steps in them, and the cascade from click to purchase."""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt8

from grapevine.data.shop import opinions
from grapevine.data.shop.shoppers import BLOCK, Shoppers
from grapevine.data.shop.world import START_MS, YEAR_MS, World, following, harmony, season
from grapevine.graph.alias import alias_tables
from grapevine.graph.browse import (
    BOUGHT,
    BOUGHT_AT_ONCE,
    CARTED,
    COLLECTED,
    ITEM,
    Rules,
    Shelves,
    Walkers,
    browse,
    walk_keys,
)
from grapevine.random import stream
from grapevine.structs.jagged import offsets_of

BEHAVIOURS = ("click", "collect", "cart", "buy")
CLICK, COLLECT, CART, BUY = range(4)

FUNNEL = np.array(
    [[-0.9, 0.5, 0.3, 0.0], [0.6, 0.4, 0.0, -1.0], [-1.0, 0.4, 0.0, -1.0], [0.1, 0.3, 0.5, -1.0]],
    np.float32,
)
RULES = Rules(stay=0.75, faded=0.6, least=0.1, at_once=0.3, funnel=FUNNEL)
"""What holds for all; what each number means stands with `Rules`."""

SESSION_CLICKS = 4.5
"""Mean clicks of a session: geometric, at most LONGEST."""
LONGEST = 20
SPACING_MS = 3_600_000
"""A user's sessions start at least so far apart, which no session outlasts."""
GAP_MS = (5_000, 40_000, 120_000)
"""Time between clicks of a session: exponential, cut to the first and last; mean in the middle."""
COLLECT_MS = (2_000, 9_000)
CART_MS = (10_000, 26_000)
"""From the click to collecting and to the cart, evenly."""
CHECKOUT_MS = (30_000, 90_000)
"""What is bought at once is bought evenly in this time after the last click of the session."""
DELAY_MS = 25 * 86_400_000
"""Mean time from the cart to a purchase that is not made at once; exponential."""


@dataclass(frozen=True, kw_only=True)
class Visits:
    """Events of some users, sorted by user, then time; no two of a user at the same time.

    Attributes:
        user: `(events,)` row of the user within the block.
        item: `(events,)` item row.
        behaviour: `(events,)` place in BEHAVIOURS.
        time: `(events,)` milliseconds since 1970.
        session: `(events,)` the user's how-many-th visit; -1 for a purchase made days later.
        rating: `(events,)` one to five for a purchase that was rated, NaN elsewhere.
        review: `(events,)` place in `opinions.reviews()`, -1 where nothing was written.
    """

    user: Int64[np.ndarray, " events"]
    item: Int32[np.ndarray, " events"]
    behaviour: UInt8[np.ndarray, " events"]
    time: Int64[np.ndarray, " events"]
    session: Int32[np.ndarray, " events"]
    rating: Float32[np.ndarray, " events"]
    review: Int32[np.ndarray, " events"]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: np.ndarray) -> "Visits":
        """The events at these places, or for which a mask is true."""
        return Visits(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def shelves(world: World) -> Shelves:
    """The catalogue laid out for browsing."""
    follow = following()
    items = np.empty(len(world), ITEM)
    for name in ITEM.fields or ():
        items[name] = getattr(world, name)
    order = np.argsort(world.category, kind="stable").astype(np.int32)
    starts = offsets_of(np.bincount(world.category, minlength=len(follow)))
    return Shelves(
        items=items,
        affinity=world.affinity,
        starts=starts,
        places=alias_tables(world.shares, order, starts),
        season=season(),
        follow=_cumulative(follow),
        harmony=harmony(),
    )


def behave(
    world: World, layout: Shelves, shoppers: Shoppers, *, seed: int, block: int, clicks: float
) -> Visits:
    """A year of the users of a block.

    Args:
        world: the catalogue.
        layout: the same laid out by `shelves`.
        shoppers: all BLOCK users of the block.
        seed: of the world.
        block: which block.
        clicks: mean clicks of a user.
    """
    rng = stream(seed, "shop", "visits", block)
    sessions, steps, start = _sessions(rng, shoppers.activity, clicks)
    share = np.minimum((start - START_MS) / YEAR_MS, 1.0).astype(np.float32)
    walkers = Walkers(
        key=_keys(seed, block),
        before=_cumulative(shoppers.before),
        after=_cumulative(shoppers.after),
        wants=_cumulative(shoppers.wants),
        budget=shoppers.budget,
        care=shoppers.care,
        sessions=sessions,
        steps=steps,
        share=share,
    )
    items, outcomes = browse(layout, walkers, RULES)
    session = np.repeat(np.arange(len(share)), np.diff(steps))
    user = np.repeat(np.arange(len(shoppers)), np.diff(sessions))[session]
    stages = [np.arange(len(items)), *(np.flatnonzero(outcomes & bit) for bit in _STAGE_BITS)]
    place = np.concatenate(stages)
    behaviour = np.repeat(np.arange(4, dtype=np.uint8), [len(stage) for stage in stages])
    later = (behaviour == BUY) & (outcomes[place] & BOUGHT_AT_ONCE == 0)
    bought = stages[BUY]
    rating, review = opinions.draw(
        rng, world, shoppers, user[bought], items[bought], share[session[bought]]
    )
    times = _times(rng, start, steps, session, outcomes)
    visits = Visits(
        user=user[place],
        item=items[place],
        behaviour=behaviour,
        time=np.concatenate([time[stage] for time, stage in zip(times, stages)]),
        session=np.where(later, -1, (session - sessions[user])[place]).astype(np.int32),
        rating=_last(rating, len(place), np.float32(np.nan)),
        review=_last(review, len(place), np.int32(-1)),
    )
    return _in_order(visits.take(visits.time < START_MS + YEAR_MS))


_STAGE_BITS = (COLLECTED, CARTED, BOUGHT)


def _keys(seed: int, block: int) -> np.ndarray:
    base = stream(seed, "shop", "walks").integers(1 << 63, dtype=np.uint64)
    return walk_keys(base, block * BLOCK, (block + 1) * BLOCK)


def _sessions(
    rng: np.random.Generator, activity: Float32[np.ndarray, " U"], clicks: float
) -> tuple[
    Int64[np.ndarray, " users_plus_one"],
    Int64[np.ndarray, " sessions_plus_one"],
    Int64[np.ndarray, " sessions"],
]:
    """Offsets of each user's sessions and of each session's steps, and when each starts."""
    number = 1 + rng.poisson(np.maximum(activity * clicks / SESSION_CLICKS - 1, 0))
    total = int(number.sum())
    lengths = np.minimum(rng.geometric(1 / SESSION_CLICKS, total), LONGEST)
    hour = rng.normal(19.5, 3.5, total) % 24
    start = rng.integers(365, size=total) * 86_400_000 + (hour * 3_600_000).astype(np.int64)
    user = np.repeat(np.arange(len(activity)), number)
    start = _spaced(np.sort(start + user * _APART), SPACING_MS) - user * _APART
    return offsets_of(number), offsets_of(lengths), START_MS + start


_APART = 2 * YEAR_MS
"""Between the times of one user and the next, where all users' times lie on one line."""


def _spaced(rising: Int64[np.ndarray, " times"], least: int) -> Int64[np.ndarray, " times"]:
    """Times moved on as far as it takes for each to lie `least` after the one before."""
    steps = np.arange(len(rising)) * least
    return np.maximum.accumulate(rising - steps) + steps


def _times(
    rng: np.random.Generator,
    start: Int64[np.ndarray, " sessions"],
    steps: Int64[np.ndarray, " sessions_plus_one"],
    session: Int64[np.ndarray, " steps"],
    outcomes: UInt8[np.ndarray, " steps"],
) -> tuple[Int64[np.ndarray, " steps"], ...]:
    """When each step's click, collecting, cart and purchase are (or would be)."""
    least, mean, most = GAP_MS
    gap = np.clip(rng.exponential(mean, len(session)), least, most).astype(np.int64)
    gap[steps[:-1]] = 0
    passed = np.cumsum(gap)
    clicked = start[session] + passed - passed[steps[:-1]][session]
    carted = clicked + rng.integers(*CART_MS, len(session))
    checkout = clicked[steps[1:] - 1][session] + rng.integers(*CHECKOUT_MS, len(session))
    delayed = carted + 1 + rng.exponential(DELAY_MS, len(session)).astype(np.int64)
    bought = np.where(outcomes & BOUGHT_AT_ONCE, checkout, delayed)
    return clicked, clicked + rng.integers(*COLLECT_MS, len(session)), carted, bought


def _last(values: np.ndarray, size: int, blank: np.generic) -> np.ndarray:
    """The values at the end of an array of blanks."""
    column = np.full(size, blank)
    column[size - len(values) :] = values
    return column


def _in_order(visits: Visits) -> Visits:
    """Sorted by user, then time, and moved on by a millisecond where two would coincide."""
    line = visits.user * _APART + visits.time - START_MS
    order = np.argsort(line, kind="stable")
    visits = visits.take(order)
    visits.time[:] = _spaced(line[order], 1) - visits.user * _APART + START_MS
    return visits


def _cumulative(
    chances: Float32[np.ndarray, "rows columns"],
) -> Float32[np.ndarray, "rows columns"]:
    return np.cumsum(chances, axis=1, dtype=np.float64).astype(np.float32)
