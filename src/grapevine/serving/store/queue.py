"""What waits to be written, and who goes together: the groups that a writer commits."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from grapevine.errors import StoreBusy, StoreError
from grapevine.serving.store.insert import Row

GROUP_ROWS = 1024
"""A group is closed when it has so many rows."""
WAIT_MS = 5.0
"""A group is closed so long after its first row, at most."""
SHOWN_WAIT_MS = 50.0
"""The same of a group of exposures alone, for which nobody waits."""
QUEUE_ROWS = 20_000
"""Rows that may wait."""


@dataclass(eq=False, slots=True)
class Job:
    """Rows to insert into one table, or some other work in a transaction of its own."""

    future: "Future[Any]"
    table: str = ""
    rows: list[Row] = field(default_factory=list)
    work: Callable[[Connection], Any] | None = None
    after: Callable[[Connection], None] | None = None


class Queue:
    """Takes jobs from any thread, and gives them to one in the order they came, in groups.

    A group is closed when it has `GROUP_ROWS` rows, when all are in it who wait or were answered
    just now, or when its first row has waited for `WAIT_MS`. A single caller thus never waits for
    company. While one group is on its way to the disk the next one gathers, so that a slow disk
    makes larger groups.

    Args:
        where: the store, for messages.
        group_rows: see `GROUP_ROWS`.
        wait_ms: see `WAIT_MS`.
        most: rows that may wait.
    """

    def __init__(self, where: str, *, group_rows: int, wait_ms: float, most: int) -> None:
        self.where, self.most = where, most
        self.group_rows, self.wait_s = group_rows, wait_ms / 1000
        self.shown_wait_s = max(wait_ms, SHOWN_WAIT_MS) / 1000
        self.closed, self.rows = False, 0
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._expected, self._answered_at = 1, 0.0
        self._gathering = False

    @property
    def ended(self) -> bool:
        """Whether nothing is left, and nothing will come."""
        return self.closed and not self._jobs

    def put(self, job: Job, trouble: str = "") -> None:
        """Let a job wait.

        Args:
            job: what is to be done.
            trouble: why so much may wait, for the message.

        Raises:
            StoreBusy: too much waits already.
            StoreError: the store is closed.
        """
        with self._changed:
            if self.closed:
                raise StoreError(f"{self.where}: the store is closed", hint="open it again")
            if self.rows and self.rows + len(job.rows) > self.most:
                raise StoreBusy(
                    f"{self.rows:,} rows wait to be written" + (f": {trouble}" if trouble else ""),
                    hint="send it again in a second; the same event_id counts once",
                )
            self._jobs.append(job)
            self.rows += len(job.rows)
            # Waking the writer for every list that was shown would cost more than writing it.
            if job.table != "exposures" or not self._gathering or self.rows > self.group_rows:
                self._changed.notify()

    def close(self) -> None:
        """Take nothing more."""
        with self._changed:
            self.closed = True
            self._changed.notify()

    def answered(self, group: list[Job]) -> None:
        """Those of a group were told just now, and are likely to send again at once."""
        with self._changed:
            self._expected = max(1, sum(job.table == "events" for job in (*group, *self._jobs)))
        self._answered_at = time.monotonic()

    def next_group(self, most_s: float | None) -> list[Job]:
        """The jobs to commit together; none where none came in so many seconds, or will."""
        with self._changed:
            while not self._jobs:
                if self.closed or not self._changed.wait(most_s):
                    return []
            group: list[Job] = []
            now = time.monotonic()
            # Those who were answered just now are likely to send again at once: without a moment
            # for them, they and those who wait by now would take turns in groups of half the size.
            expected = self._expected if now - self._answered_at < self.wait_s else 1
            while True:
                ended = self._take(group)
                callers = sum(job.table == "events" for job in group)
                # Nobody waits for what was shown: it makes larger groups, and fewer of them.
                patient = not callers and not any(job.work for job in group)
                left = now + (self.shown_wait_s if patient else self.wait_s) - time.monotonic()
                if ended or self.closed or callers >= expected or left <= 0:
                    return group
                self._gathering = patient
                self._changed.wait(left)
                self._gathering = False

    def _take(self, group: list[Job]) -> bool:
        """Move jobs that wait into the group; whether it is closed by what it holds."""
        size = sum(len(job.rows) for job in group)
        while self._jobs and size < self.group_rows:
            if group and (self._jobs[0].work or group[0].work):
                return True
            job = self._jobs.popleft()
            self.rows -= len(job.rows)
            # From here on nobody can take it back.
            if job.future.set_running_or_notify_cancel():
                group.append(job)
                size += len(job.rows)
        return size >= self.group_rows or any(job.work for job in group)
