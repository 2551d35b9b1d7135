"""Reasons to stop before the end: the clock, and somebody who asks."""

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grapevine.errors import ConfigError
from grapevine.log import logger

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """A length of time as people write it.

    >>> [seconds_of(text) for text in ("90s", "10m", "1.5h")]
    [90.0, 600.0, 5400.0]

    Raises:
        ConfigError: it is not a number with a unit, or nothing at all.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh])\s*", text)
    if not match or not float(match[1]):
        raise ConfigError(f"`{text}` is no length of time", hint="write 90s, 10m or 2h")
    return float(match[1]) * _UNITS[match[2]]


@contextmanager
def listening(wanted: bool = True) -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM are noted once instead of ending the process; the second one does.

    Args:
        wanted: whether to; nobody listens in a thread other than the main one either, since only
            that one may.

    Yields:
        whether one has come.
    """
    heard = threading.Event()
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield heard.is_set
        return
    # What is ignored, in the background of a shell say, stays ignored.
    before = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)
        if (handler := signal.getsignal(number)) not in {signal.SIG_IGN, None}
    }

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def hear(*_: object) -> None:
        restore()
        heard.set()
        logger.warning("stopping after this step, with all that was done; again: stop at once")

    for number in before:
        signal.signal(number, hear)
    try:
        yield heard.is_set
    finally:
        restore()
