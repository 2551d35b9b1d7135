"""Walks over items: what shoppers look at next, drawn exactly from a stated distribution.

One step of a walk draws item i with probability proportional to

    proposal(category | shopper, last category) * share(i | category, taste) * fit(i)

A category and an item are proposed in constant time from alias tables (Walker 1977; Vose 1991)
and kept with probability fit(i), which lies in (0, 1]; an item not kept is proposed anew. Rejection
leaves the distribution exact, so a truth that is written down can be compared with what was drawn.

Every shopper has a counter-based stream of its own, keyed by seed and shopper, so a walk does not
depend on who else walks, in which block or on which thread.
"""

# U = shoppers, S = sessions, I = items, C = categories, K = tastes

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64, Shaped, UInt8, UInt64
from numba import njit

from grapevine.graph.counter import mix

COLLECTED, CARTED, BOUGHT, BOUGHT_AT_ONCE = np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(8)
"""Bits of what follows a step. The last says that a bought item is bought in the same session."""

MAX_PROPOSALS = 1_000
"""After so many proposals the last one is taken; at a usual fit of 1/4 that never comes."""


ITEM = np.dtype(
    [
        ("category", np.uint8),
        ("colour", np.uint8),
        ("dearness", np.float32),
        ("quality", np.float32),
        ("trend", np.float32),
        ("listed", np.float32),
    ],
    align=True,
)
"""What is known of an item, side by side: a proposal then costs one look into memory.

dearness: log price less the log of what the category usually costs. trend: below zero falls out
of favour over the year, above zero comes into it. listed: share of the year that had passed when
the item was listed.
"""


class Shelves(NamedTuple):
    """What may be looked at.

    Attributes:
        items: `(I,)` of ITEM.
        affinity: `(I, K)` how well each taste likes each item.
        starts: `(C + 1,)` the places of category c are `[starts[c], starts[c + 1])`.
        places: `(K, I)` of ALIAS: one alias table for each taste and category.
        season: `(C, W)` fit of each category in each of W equal parts of the year.
        follow: `(C, C)` cumulative chances of the next category after each category.
        harmony: `(colours, colours)` fit of a colour after a colour.
    """

    items: Shaped[np.ndarray, " I"]
    affinity: Float32[np.ndarray, "I K"]
    starts: Int64[np.ndarray, " C_plus_one"]
    places: Shaped[np.ndarray, "K I"]
    season: Float32[np.ndarray, "C W"]
    follow: Float32[np.ndarray, "C C"]
    harmony: Float32[np.ndarray, "colours colours"]


class Walkers(NamedTuple):
    """Who looks, and when.

    Attributes:
        key: `(U,)` seed of each shopper's stream of random numbers.
        before: `(U, K)` cumulative mix of tastes when the year starts.
        after: `(U, K)` the same when it ends; between, the two are mixed by the share passed.
        wants: `(U, C)` cumulative chances of the category that a session starts with.
        budget: `(U,)` dearness above which an item is too dear.
        care: `(U,)` how much being too dear matters.
        sessions: `(U + 1,)` the sessions of shopper u are `[sessions[u], sessions[u + 1])`.
        steps: `(S + 1,)` the steps of session s are `[steps[s], steps[s + 1])`.
        share: `(S,)` share of the year that had passed when the session started.
    """

    key: UInt64[np.ndarray, " U"]
    before: Float32[np.ndarray, "U K"]
    after: Float32[np.ndarray, "U K"]
    wants: Float32[np.ndarray, "U C"]
    budget: Float32[np.ndarray, " U"]
    care: Float32[np.ndarray, " U"]
    sessions: Int64[np.ndarray, " U_plus_one"]
    steps: Int64[np.ndarray, " S_plus_one"]
    share: Float32[np.ndarray, " S"]


class Rules(NamedTuple):
    """What holds for all.

    Attributes:
        stay: chance that the next category follows from the last rather than from the wants.
        faded: fit lost by an item at the far end of its trend.
        least: fit of an item that is far too dear.
        at_once: chance that a purchase happens in the session of the cart.
        funnel: `(4, 4)` log-odds of collecting, of carting what was collected, of carting what
            was not, and of buying what was carted: constant, per taste, per quality, per excess.
    """

    stay: float
    faded: float
    least: float
    at_once: float
    funnel: Float32[np.ndarray, "4 4"]


@njit(cache=True, nogil=True)
def _uniform(state: np.ndarray) -> float:
    """The next number of the stream, in [0, 1); the state is its key and its counter."""
    bits = mix(state[0], state[1]) >> np.uint64(11)
    state[1] += np.uint64(1)
    return bits * 2.0**-53


@njit(cache=True, nogil=True)
def _pick(cumulative: np.ndarray, number: float) -> int:
    """The first place whose cumulative chance exceeds the number."""
    for place in range(len(cumulative) - 1):
        if number < cumulative[place]:
            return place
    return len(cumulative) - 1


@njit(cache=True, nogil=True)
def _excess(walkers, user: int, item) -> float:
    return walkers.care[user] * max(0.0, item.dearness - walkers.budget[user])


@njit(cache=True, nogil=True)
def _fit(shelves, walkers, rules, user: int, item, last: int, share: float) -> float:
    if item.listed > share:
        return 0.0
    week = min(int(share * shelves.season.shape[1]), shelves.season.shape[1] - 1)
    fit = shelves.season[item.category, week]
    fit *= 1.0 - rules.faded * (
        item.trend * (1.0 - share) if item.trend > 0 else -item.trend * share
    )
    if last >= 0:
        fit *= shelves.harmony[shelves.items[last].colour, item.colour]
    excess = _excess(walkers, user, item)
    return fit if excess == 0.0 else fit * max(rules.least, np.exp(-excess))


@njit(cache=True, nogil=True)
def _step(shelves, walkers, rules, user, last, share, taken, num_taken, state) -> int:
    """The item looked at next."""
    item = 0
    for _ in range(MAX_PROPOSALS):
        wants = walkers.wants[user]
        if last >= 0 and _uniform(state) < rules.stay:
            wants = shelves.follow[shelves.items[last].category]
        category = _pick(wants, _uniform(state))
        mix = walkers.after[user] if _uniform(state) < share else walkers.before[user]
        taste = _pick(mix, _uniform(state))
        start, stop = shelves.starts[category], shelves.starts[category + 1]
        place = shelves.places[taste, start + int(_uniform(state) * (stop - start))]
        item = place.item if _uniform(state) < place.keep else place.other
        fit = _fit(shelves, walkers, rules, user, shelves.items[item], last, share)
        if _uniform(state) >= fit:
            continue
        free = True
        for index in range(num_taken):
            free = free and taken[index] != item
        if free:
            return item
    return item


@njit(cache=True, nogil=True)
def _chance(weights: np.ndarray, taste: float, quality: float, excess: float) -> float:
    odds = weights[0] + weights[1] * taste + weights[2] * quality + weights[3] * excess
    return 1.0 / (1.0 + np.exp(-odds))


@njit(cache=True, nogil=True)
def _outcome(shelves, walkers, rules, user: int, item: int, share: float, state) -> int:
    """How far down the funnel a step leads, as bits."""
    taste, low_before, low_after = 0.0, 0.0, 0.0
    for k in range(walkers.before.shape[1]):
        before, after = walkers.before[user, k], walkers.after[user, k]
        mix = (1.0 - share) * (before - low_before) + share * (after - low_after)
        taste += mix * shelves.affinity[item, k]
        low_before, low_after = before, after
    excess = _excess(walkers, user, shelves.items[item])
    quality = shelves.items[item].quality
    bits = 0
    collected = _uniform(state) < _chance(rules.funnel[0], taste, quality, excess)
    if collected:
        bits |= 1
    weights = rules.funnel[1] if collected else rules.funnel[2]
    if _uniform(state) < _chance(weights, taste, quality, excess):
        bits |= 2
        if _uniform(state) < _chance(rules.funnel[3], taste, quality, excess):
            bits |= 4
            if _uniform(state) < rules.at_once:
                bits |= 8
    return bits


@njit(cache=True, nogil=True)
def browse(
    shelves: Shelves, walkers: Walkers, rules: Rules
) -> tuple[Int32[np.ndarray, " steps"], UInt8[np.ndarray, " steps"]]:
    """Every step of every session: the item looked at, and what follows, as bits.

    An item once carted is decided in the cart: its shopper does not look at it again.
    """
    total = walkers.steps[-1]
    items = np.empty(total, np.int32)
    outcomes = np.empty(total, np.uint8)
    taken = np.empty(total, np.int32)
    state = np.empty(2, np.uint64)
    for user in range(len(walkers.key)):
        state[0], state[1] = walkers.key[user], np.uint64(0)
        num_taken = 0
        for session in range(walkers.sessions[user], walkers.sessions[user + 1]):
            last = -1
            share = walkers.share[session]
            for step in range(walkers.steps[session], walkers.steps[session + 1]):
                last = _step(shelves, walkers, rules, user, last, share, taken, num_taken, state)
                bits = _outcome(shelves, walkers, rules, user, last, share, state)
                items[step], outcomes[step] = last, bits
                if bits & 2:
                    taken[num_taken] = last
                    num_taken += 1
    return items, outcomes


@njit(cache=True, nogil=True)
def walk_keys(seed: np.uint64, first: int, last: int) -> UInt64[np.ndarray, " U"]:
    """A stream key for each row from `first` up to `last`, a function of seed and row alone."""
    out = np.empty(last - first, np.uint64)
    for row in range(first, last):
        out[row - first] = mix(seed, np.uint64(row))
    return out
