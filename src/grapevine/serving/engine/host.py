"""Swapping one version for another while threads ask: checked first, then one reference changes."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grapevine.errors import CheckFailed, GrapevineError
from grapevine.log import logger
from grapevine.serving.engine.asked import Answer, Asked
from grapevine.serving.engine.live import NO_LIVE, Live
from grapevine.serving.engine.sanity import check
from grapevine.serving.engine.served import Served

RECORDED = 64
"""Questions that are kept, the latest, to warm a new version up with."""


class Refused(CheckFailed):
    """A run was not put into service; the one before it answers on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped:
    """A swap that was done.

    Attributes:
        version: what answers now.
        before: what answered until then; "" if nothing did.
        seconds: opening, checking and swapping.
        recall: of the new version's index, against looking at all vectors.
        agreement: share of the first ten that both versions show, for the questions that both were
            asked; None at the first start. A measure for the eye, not a condition.
    """

    version: str
    before: str
    seconds: float
    recall: float
    agreement: float | None


@dataclass(slots=True)
class Lease:
    """A version, and by how many it is used just now."""

    served: Served
    since: float
    leases: int = 0
    retired: bool = False
    drained: threading.Event = field(default_factory=threading.Event)


class Host:
    """Holds the version that answers; safe in threads.

    Every answer is of one version, the one that was leased. A version that was replaced is let go
    of when the last lease of it ends.

    Args:
        served: what answers first.
    """

    def __init__(self, served: Served) -> None:
        self._lock, self._swapping = threading.Lock(), threading.Lock()
        self._now = Lease(served, time.time())
        self._live, self._revising = NO_LIVE, threading.Lock()
        self._recorded: deque[Asked] = deque(maxlen=RECORDED)
        self._refusal: tuple[str, str, float, str | None] | None = None

    @classmethod
    def start(cls, run_folder: str | Path, *, live: Live = NO_LIVE, **how: Any) -> "Host":
        """Open a run, check it, and hold it.

        Args:
            run_folder: the run.
            live: what is known since it was trained.
            how: as `Served.open` takes it.

        Raises:
            Refused: it is damaged, or its scores are not to be shown.
        """
        host = cls(_opened(Path(run_folder), None, (), how)[0])
        host.revise(live)
        return host

    def current(self) -> Served:
        """The version that answers now. Whoever asks it more than once wants a lease."""
        return self._now.served

    @property
    def since(self) -> float:
        """Since when the version that answers has done so, in seconds since 1970."""
        return self._now.since

    @property
    def refusal(self) -> tuple[str, str, float, str | None] | None:
        """The last run refused since the last swap, why, when, and what to do; else None."""
        return self._refusal

    @contextmanager
    def lease(self) -> Iterator[Served]:
        """The version that answers now, kept until the end of the block."""
        with self._lock:
            held = self._now
            held.leases += 1
        try:
            yield held.served
        finally:
            with self._lock:
                held.leases -= 1
                if held.retired and not held.leases:
                    held.drained.set()

    def revise(self, live: Live) -> None:
        """Answer with items as they are by now, from the next question on.

        Questions under way end as they began.

        Args:
            live: all that is known since the run was trained.
        """
        with self._revising:
            self._live = live
            held = self._now
            self._replace(held.served.with_live(live), held.since)

    def _replace(self, served: Served, since: float) -> Lease:
        """Let another value answer from now on; the lease of the one before."""
        with self._lock:
            before, self._now = self._now, Lease(served, since)
            before.retired = True
            if not before.leases:
                before.drained.set()
        return before

    def answer(self, asked: Asked) -> Answer:
        """The answer of the version of now; the question is recorded for later versions."""
        with self.lease() as served:
            answer = served.answer(asked)
        self.record(asked)
        return answer

    def record(self, asked: Asked) -> None:
        """Keep a question that was answered, to ask it of later versions."""
        with self._lock:
            self._recorded.append(asked)

    def forget(self, user_id: Any) -> int:
        """Drop what was recorded of a user's questions; how many there were."""
        return self.drop(lambda asked: str(asked.user_id) == str(user_id))

    def drop(self, unwanted: Callable[[Asked], bool]) -> int:
        """Drop recorded questions; how many there were."""
        with self._lock:
            kept = [one for one in self._recorded if not unwanted(one)]
            gone = len(self._recorded) - len(kept)
            self._recorded = deque(kept, maxlen=RECORDED)
        return gone

    def swap(self, run_folder: str | Path, *, drain_seconds: float = 10.0, **how: Any) -> Swapped:
        """Put another run into service; whatever fails, the one before it answers on.

        The manifest is verified, the run is opened and warmed up on recorded questions, its scores
        and its index are looked at, and one reference changes.

        Args:
            run_folder: the run.
            drain_seconds: how long to wait for answers of the version before; it is let go of when
                the last one is done, whether or not somebody waits.
            how: as `Served.open` takes it.

        Raises:
            Refused: with the reason, which is kept in `refusal`.
        """
        folder, started = Path(run_folder), time.perf_counter()
        with self._swapping:
            before = self._now
            try:
                served, found = _opened(folder, before.served, tuple(self._recorded), how)
            except Refused as refused:
                self._refusal = str(folder), str(refused.args[0]), time.time(), refused.hint
                logger.warning("refused %s: %s", folder, refused)
                raise
            # Where most of it is done before, nobody who says something of an item waits for it.
            served = served.with_live(self._live)
            with self._revising:
                before = self._replace(served.with_live(self._live), time.time())
            self._refusal = None
            version = before.served.version
            before.drained.wait(drain_seconds)
        return Swapped(
            version=served.version,
            before=version,
            seconds=time.perf_counter() - started,
            recall=found.recall,
            agreement=found.agreement,
        )


def _opened(
    folder: Path, before: Served | None, recorded: tuple[Asked, ...], how: dict[str, Any]
) -> tuple[Served, Any]:
    """A version that may answer, and what was found of it.

    Raises:
        Refused: it may not; the reason is any error's own words.
    """
    try:
        served = Served.open(folder, **how)
        return served, check(served, before, recorded)
    except GrapevineError as error:
        raise Refused(
            f"`{folder}` is not put into service: {error.args[0]}", hint=error.hint
        ) from error
    except Exception as error:
        # Arrays of other shapes than the options say come up where they are multiplied.
        said = (str(error).strip().splitlines() or [""])[0]
        raise Refused(
            f"`{folder}` is not put into service: {type(error).__name__}: {said}",
            hint="its files do not fit its options: train it again",
        ) from error
