"""The runs that arms of experiments ask for, opened beside the one in service."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from grapevine.errors import GrapevineError
from grapevine.log import logger
from grapevine.serving.engine import NO_LIVE, Host, Live, version_of
from grapevine.serving.settings import Settings, beside


@dataclass(frozen=True, slots=True)
class Place:
    """Where a user stands in the experiments.

    Attributes:
        arms: of each experiment that the user takes part in, its arm.
        chances: of each, that of the arm.
        run: the run that an arm asks for; empty for the one in service.
    """

    arms: dict[str, str]
    chances: dict[str, float]
    run: str = ""


NOWHERE = Place({}, {})


class Arms:
    """Hosts by run, each with the items that are live. Safe in threads.

    Args:
        settings: which folders may be opened.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.hosts: dict[str, Host] = {}
        self._live = NO_LIVE
        self._failed: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()

    def open(self, run: str) -> Host:
        """Open a run, if it is not open.

        Raises:
            ConfigError: it lies elsewhere.
            Refused: it is damaged, or not fit to answer.
        """
        with self._lock:
            if run not in self.hosts:
                folder = self.settings.within_root(run)
                host = Host.start(folder, live=self._live, onnx=beside(folder))
                self.hosts = {**self.hosts, run: host}
            return self.hosts[run]

    def revise(self, live: Live) -> None:
        """Let all answer with items as they are by now."""
        with self._lock:
            self._live = live
            for host in self.hosts.values():
                host.revise(live)

    def follow(self, wanted: Iterable[str]) -> None:
        """Open what experiments ask for, close what they ask for no more.

        A folder that holds another version by now is swapped, checked as any model is. What cannot
        be opened is told once, and tried again when it has changed: until then its users get the
        model in service.
        """
        asked = {*wanted}
        with self._lock:
            self.hosts = {run: host for run, host in self.hosts.items() if run in asked}
        for run in sorted(asked):
            version = self._version(run)
            host = self.hosts.get(run)
            current = "" if host is None else host.current().version
            stands = version, self._written(run)
            if version == current or self._failed.get(run) == stands:
                continue
            try:
                if host is None:
                    self.open(run)
                else:
                    folder = self.settings.within_root(run)
                    host.swap(folder, onnx=beside(folder))
            except GrapevineError as error:
                self._failed[run] = stands
                logger.error("the run `%s` of an experiment is not opened: %s", run, error)
            else:
                self._failed.pop(run, None)

    def _written(self, run: str) -> int:
        """When the user side beside a run was written: often after the run; 0 without one."""
        try:
            path = beside(self.settings.within_root(run))
            return 0 if path is None else path.stat().st_mtime_ns
        except (GrapevineError, OSError):
            return 0

    def _version(self, run: str) -> str:
        try:
            folder: Path = self.settings.within_root(run)
            return version_of(folder)
        except (GrapevineError, OSError):
            return "none"
