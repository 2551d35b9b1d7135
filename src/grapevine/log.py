"""One logger, and progress for work that takes long.

Everything here goes to standard error, so that standard output holds results alone.
"""

import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")

logger = logging.getLogger("grapevine")

_terminal = threading.Lock()


class Bar(Protocol):
    """What work that counts its own steps is given."""

    def advance(self, steps: float = 1) -> None:
        """So many steps are done."""
        ...

    def tell(self, text: str) -> None:
        """Put this in the place of the label."""
        ...


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """The same items, with a progress bar on standard error while they are worked through."""
    total = total if total is not None else _length(items)
    with bar(label, total) as progress:
        for item in items:
            yield item
            progress.advance()


@contextmanager
def bar(label: str, total: float | None = None) -> Iterator[Bar]:
    """A progress bar to advance by hand; silent where standard error is not a terminal.

    There is one at a time: work within work, validation within training say, is silent.
    """
    if not sys.stderr.isatty() or not _terminal.acquire(blocking=False):
        yield _Silent()
        return
    try:
        with _shown(label, total) as progress:
            yield progress
    finally:
        _terminal.release()


@contextmanager
def _shown(label: str, total: float | None) -> Iterator[Bar]:
    # Imported here: the answer to `--help` should not wait for it.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)

        class Shown:
            def advance(self, steps: float = 1) -> None:
                progress.advance(task, steps)

            def tell(self, text: str) -> None:
                progress.update(task, description=text)

        yield Shown()


class _Silent:
    def advance(self, steps: float = 1) -> None:
        del steps

    def tell(self, text: str) -> None:
        del text


def _length(items: Iterable[object]) -> int | None:
    try:
        return len(items)  # pyright: ignore[reportArgumentType]
    except TypeError:
        return None
