"""Whether answers stay good, from what goes in and out: coverage, drift, calibration, freshness.

Nothing here is of one user: counts of lists, of items, of scores.
"""

import math
import random
import threading
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grapevine.serving.engine import Answer, Served

WINDOW_S = 3600.0
"""How far back coverage and drift look, at most; half of it at least."""
REFERENCE = 1_000
"""Values that are needed before anything is said to have drifted from them."""
MOST_REFERENCE = 10_000
"""Values of the first hour that are kept, drawn evenly from all of them."""
BINS = 10
LISTS = 10_000
"""Lists that outcomes are waited for, the latest."""
CHANCES = (0.05, 0.1, 0.2, 0.4, 1.0)
"""Upper ends of the buckets of told chances."""


class Coverage:
    """Which items were shown lately.

    Args:
        clock: seconds.
        window_s: how far back it looks: this at most, half of it at least.
    """

    def __init__(self, clock: Callable[[], float], window_s: float = WINDOW_S) -> None:
        self.clock, self.half = clock, window_s / 2
        self._since = clock()
        self._before, self._now = set[Any](), set[Any]()

    def shown(self, item_ids: Iterable[Any]) -> None:
        """These were shown."""
        self._turn()
        self._now.update(item_ids)

    def items(self) -> int:
        """How many different ones there were."""
        self._turn()
        return len(self._before | self._now)

    def _turn(self) -> None:
        gone = self.clock() - self._since
        if gone >= self.half:
            self._before = self._now if gone < 2 * self.half else set()
            self._now, self._since = set(), self.clock()


class Drift:
    """How far the values of now are from those of the first hour: the population stability index.

    The index sums `(p - q) ln(p / q)` over ten bins that were equally full in the first hour. By a
    common rule of thumb 0.1 is worth a look and 0.25 is another population.

    Args:
        clock: seconds.
        window_s: the first hour, and how far back it looks later.
    """

    def __init__(self, clock: Callable[[], float], window_s: float = WINDOW_S) -> None:
        self.clock, self.window = clock, window_s
        self._first: list[float] = []
        self._seen, self._draw = 0, random.Random(0)
        self._since = clock()
        self._edges: list[float] | None = None
        self._share = np.empty(0)
        self._before, self._now = np.zeros(0), np.zeros(0)

    def add(self, value: float) -> None:
        """One more value."""
        gone = self.clock() - self._since
        if self._edges is None:
            self._seen += 1
            if len(self._first) < MOST_REFERENCE:
                self._first.append(value)
            elif (place := self._draw.randrange(self._seen)) < MOST_REFERENCE:
                self._first[place] = value  # each value of the hour has the same chance
            if gone >= self.window and len(self._first) >= REFERENCE:
                self._settle()
            return
        if gone >= self.window / 2:
            self._before = self._now if gone < self.window else np.zeros_like(self._now)
            self._now, self._since = np.zeros_like(self._now), self.clock()
        self._now[bisect_right(self._edges, value)] += 1

    def index(self) -> float:
        """The index; not a number as long as there is too little to hold against each other."""
        counts = self._before + self._now
        if self._edges is None or counts.sum() < REFERENCE / 10:
            return math.nan
        return stability(self._share, counts / counts.sum())

    def _settle(self) -> None:
        first = np.array(self._first)
        # Where many values are equal, some bins fall together.
        edges = np.unique(np.quantile(first, np.arange(1, BINS) / BINS))
        counts = np.bincount(np.searchsorted(edges, first, side="right"), minlength=len(edges) + 1)
        self._edges, self._share = edges.tolist(), counts / len(first)
        self._before, self._now = np.zeros(len(counts)), np.zeros(len(counts))
        self._since, self._first = self.clock(), []


def stability(before: np.ndarray, now: np.ndarray, least: float = 1e-4) -> float:
    """The population stability index of two lists of shares; an empty bin counts as `least`."""
    p, q = np.maximum(now, least), np.maximum(before, least)
    return float(((p - q) * np.log(p / q)).sum())


class Calibration:
    """Told chances against what came of them, for lists of which something was chosen.

    The chance told of an item is its share of `exp(score)` in the list that was shown: what a
    model that was trained by a softmax says, given that one of the list is chosen. Told and chosen
    are summed by bucket of the told chance; where they differ, the scores are too sure or not sure
    enough.

    Args:
        lists: that are waited for.
    """

    def __init__(self, lists: int = LISTS) -> None:
        self.lists = lists
        self._open: OrderedDict[str, tuple[tuple[Any, ...], tuple[float, ...]]] = OrderedDict()
        self.told, self.chosen, self.shown = (np.zeros(len(CHANCES)) for _ in range(3))

    def listed(self, request_id: str, item_ids: tuple[Any, ...], scores: tuple[float, ...]) -> None:
        """A list was shown."""
        self._open[request_id] = item_ids, scores
        while len(self._open) > self.lists:
            self._open.popitem(last=False)

    def happened(self, request_id: str, item_id: str) -> None:
        """Something was done with an item, in answer to a list; the first such thing counts."""
        found = self._open.get(request_id)
        if found is None or item_id not in (names := [str(one) for one in found[0]]):
            return
        del self._open[request_id]
        chances = softmax(found[1])
        places = np.searchsorted(CHANCES, chances)
        np.add.at(self.told, places, chances)
        np.add.at(self.shown, places, 1)
        self.chosen[places[names.index(item_id)]] += 1


def softmax(scores: Sequence[float]) -> np.ndarray:
    """Shares of `exp(score)`."""
    powers = np.exp(np.asarray(scores, np.float64) - max(scores))
    return powers / powers.sum()


@dataclass(frozen=True, slots=True)
class Told:
    """What was seen.

    Attributes:
        items: how many different ones were shown.
        drift: the index of each thing.
        calibration: sums by bucket of `CHANCES`: chances that were told, chosen, shown.
    """

    items: int
    drift: dict[str, float]
    calibration: dict[str, list[float]]


class Quality:
    """All of it for one service; begins afresh with every version of the model. Safe in threads.

    Most questions are answered in the thread of the event loop, but batches and those for reasons
    in others.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock, self.newest_used = clock, 0
        self._learnt = "", 0
        self._lock = threading.Lock()
        self._begin("")

    def _begin(self, version: str) -> None:
        self.version = version
        self.coverage, self.calibration = Coverage(self.clock), Calibration()
        self.score, self.history = Drift(self.clock), Drift(self.clock)

    def answered(self, version: str, answer: Answer) -> None:
        """A version has answered."""
        with self._lock:
            if version != self.version:
                self._begin(version)
            self.history.add(answer.heard)
            if answer.items:
                self.score.add(answer.items[0].score)

    def shown(self, request_id: str, answer: Answer) -> None:
        """A list was shown to somebody; one of another version, such as an arm's, counts not."""
        items = tuple(one.item_id for one in answer.items)
        with self._lock:
            if answer.version != self.version:
                return
            self.coverage.shown(items)
            if not answer.fallback:
                scores = tuple(one.score for one in answer.items)
                self.calibration.listed(request_id, items, scores)

    def happened(self, request_id: str, item_id: str) -> None:
        """Something was done with an item, in answer to a list."""
        with self._lock:
            self.calibration.happened(request_id, item_id)

    def told(self) -> "Told":
        """All of it as of now."""
        with self._lock:
            seen = self.calibration
            return Told(
                self.coverage.items(),
                {"score": self.score.index(), "history_length": self.history.index()},
                {
                    name: sums.tolist()
                    for name, sums in (
                        ("told", seen.told), ("chosen", seen.chosen), ("shown", seen.shown)
                    )
                },
            )  # fmt: skip

    def learnt(self, served: Served) -> int:
        """When the newest event was that a version learnt from, in milliseconds; 0 if unknown."""
        if self._learnt[0] != served.version:
            timed = served.run.schema.timed and len(served.run.history.times)
            newest = int(served.run.history.times.max()) if timed else 0
            self._learnt = served.version, newest
        return self._learnt[1]

    def used(self, timestamp_ms: int | None) -> None:
        """An event of that time was heard."""
        if timestamp_ms and timestamp_ms > self.newest_used:
            self.newest_used = timestamp_ms
