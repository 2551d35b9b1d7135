"""What a service tells of itself: counters for Prometheus, the last minutes for the page, a log."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from grapevine.serving.engine import Answer
from grapevine.serving.quality import CHANCES, Quality

SECONDS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
KEPT = 300
"""Seconds that the page can look back."""
BUCKETS = 64
"""Of latency, each a fifth wider than the one before: from 0.1 ms to some 10 s."""


class Metrics:
    """Counters of one service; nothing in them names a user or an item."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"grapevine_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"grapevine_{name}", text, labels, registry=self.registry)

        self.requests = counter("requests", "Answers, by route and status", "route", "status")
        self.seconds = Histogram(
            "grapevine_request_seconds", "From the request to its answer", ["route"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.stages = Histogram(
            "grapevine_stage_seconds", "Of a recommendation, by stage", ["stage"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.events = counter("events", "Events by what became of them", "outcome")
        self.fallbacks = counter("fallbacks", "Answers that no model gave, by which way", "way")
        self.unexposed = counter("exposures_lost", "Lists that were shown and could not be logged")
        self.swaps = counter("swaps", "Models that were to take over", "outcome")
        self.queue = gauge("queue", "Rows that wait to be written")
        self.under_way = gauge("requests_under_way", "Requests that are being answered")
        self.model_since = gauge("model_since_seconds", "When the model in service took over")
        self.answers = counter("answers", "Lists that were made, fallbacks among them")
        self.event_age = gauge("newest_event_age_seconds", "Since the last event was kept")
        self.used_age = gauge(
            "newest_event_used_age_seconds", "Age of the newest event that an answer has heard"
        )
        self.learnt_age = gauge(
            "model_newest_event_age_seconds", "Age of the newest event that the model learnt from"
        )
        self.score_mean = gauge("score_mean", "Mean score of what was shown last")
        self.history_length = gauge("history_length_mean", "Mean length of the last histories")
        self.coverage = gauge("coverage", "Share of the catalogue shown in the last hour")
        self.drift = gauge(
            "drift_psi", "Population stability index against the version's first hour", "of"
        )
        self.chance = gauge(
            "calibration_items",
            "Of lists with an outcome, by told chance: the sum of the chances, items chosen, shown",
            "up_to", "what",
        )  # fmt: skip
        # Found by name once: looking a label up takes longer than counting.
        self._stage = cache(self.stages.labels)

    def answered(self, answer: Answer, seconds: float) -> None:
        """Note what a model has answered.

        Args:
            answer: with what each stage took.
            seconds: of all stages.
        """
        for stage, took in answer.took.items():
            self._stage(stage).observe(took)
        self._stage("answer").observe(seconds)
        self.answers.inc()
        if answer.fallback:
            self.fallbacks.labels(answer.fallback).inc()
        if answer.items:
            self.score_mean.set(sum(one.score for one in answer.items) / len(answer.items))
        self.history_length.set(answer.heard)

    def set_quality(self, quality: Quality, catalogue: int) -> None:
        """Tell what was seen of the answers.

        Args:
            quality: what was seen.
            catalogue: items that could be shown.
        """
        seen = quality.told()
        self.coverage.set(seen.items / max(catalogue, 1))
        for of, index in seen.drift.items():
            self.drift.labels(of).set(index)
        for what, sums in seen.calibration.items():
            for end, one in zip(CHANCES, sums):
                self.chance.labels(str(end), what).set(one)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done within it."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._stage(name).observe(time.perf_counter() - began)


class Traffic:
    """Requests of the last minutes, second by second.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._second = [0] * KEPT
        self._requests = [0] * KEPT
        self._errors = [0] * KEPT
        self._events = [0] * KEPT
        self._took = [[0] * BUCKETS for _ in range(KEPT)]

    def request(self, seconds: float, *, failed: bool) -> None:
        """One answer."""
        place = self._now()
        self._requests[place] += 1
        self._errors[place] += failed
        self._took[place][_bucket(seconds)] += 1

    def happened(self, events: int) -> None:
        """So many events were kept."""
        self._events[self._now()] += events

    def last(self, seconds: int = 60) -> dict[str, list[Any]]:
        """The last seconds that are over, the oldest first; None where nothing was asked."""
        now = int(self.clock())
        wanted = range(now - min(seconds, KEPT - 1), now)
        found: dict[str, list[Any]] = {
            name: [] for name in ("seconds", "requests", "errors", "p50_ms", "p99_ms", "events")
        }
        for second in wanted:
            place = second % KEPT
            there = self._second[place] == second
            took = self._took[place] if there else [0] * BUCKETS
            found["seconds"].append(second)
            found["requests"].append(self._requests[place] if there else 0)
            found["errors"].append(self._errors[place] if there else 0)
            found["events"].append(self._events[place] if there else 0)
            found["p50_ms"].append(_quantile(took, 0.5))
            found["p99_ms"].append(_quantile(took, 0.99))
        return found

    def _now(self) -> int:
        second = int(self.clock())
        place = second % KEPT
        if self._second[place] != second:
            self._second[place] = second
            self._requests[place] = self._errors[place] = self._events[place] = 0
            self._took[place] = [0] * BUCKETS
        return place


def _bucket(seconds: float) -> int:
    return min(max(math.ceil(math.log(max(seconds, 1e-9) / 1e-4, 1.2)), 0), BUCKETS - 1)


def _quantile(counts: list[int], share: float) -> float | None:
    """The upper end of the bucket that it falls into, in milliseconds."""
    total, below = sum(counts), 0
    if not total:
        return None
    for place, count in enumerate(counts):
        below += count
        if below >= share * total:
            return round(0.1 * 1.2**place, 3)
    raise AssertionError


class Lines(logging.Formatter):
    """A line of JSON for each record; what is given as `extra={"said": {...}}` stands in it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        said = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "said", {}),
        }
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


class Watched:
    """Counts and times every answer of an app; the log says what was slow or went wrong.

    Paths stand in the log as routes, so that no ID of a user does.

    Args:
        app: what is watched.
        metrics: counters.
        traffic: for the page.
        every: whether each request has a line in the log, not just those that went badly.
    """

    def __init__(
        self, app: Any, *, metrics: Metrics, traffic: Traffic, every: bool = False
    ) -> None:
        self.app, self.metrics, self.traffic, self.every = app, metrics, traffic, every
        # Found by name once: looking a label up takes longer than counting.
        self._count, self._time = cache(metrics.requests.labels), cache(metrics.seconds.labels)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def seen(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.under_way.inc()
        try:
            await self.app(scope, receive, seen)
        finally:
            took = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.under_way.dec()
            self._count(route, str(status)).inc()
            self._time(route).observe(took)
            self.traffic.request(took, failed=status >= 500)
            # Told to come again is no fault of the service, and when there is too much to do, a
            # line for each that was refused would be more to do.
            badly = status == 500 or (took > 1 and status != 503)
            if badly or self.every:
                said = {"route": route, "status": status, "ms": round(1e3 * took, 1)}
                said["request_id"] = scope.get("request_id")
                level = logging.WARNING if badly else logging.INFO
                logging.getLogger("grapevine").log(
                    level, "answered badly" if badly else "answered", extra={"said": said}
                )
