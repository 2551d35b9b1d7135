"""Work in parts, each done from beginning to end by one thread.

To read some histories is a hundred operations of a fraction of a millisecond: to share each of them
among threads costs more waiting than it saves work. Here each thread takes whole histories through
all of them, and no bit of what comes out depends on how many threads there are.
"""

import os
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import numba
import torch

from grapevine.core.kernels.threads import loops_may_meet

T = TypeVar("T")


def apart(tasks: Sequence[Callable[[], T]], *, small: bool = False) -> list[T]:
    """What the tasks return, in their order; each is done on one thread, some of them at a time.

    One task that is all there is has every thread, unless it is small. The first fault of a task is
    raised when all have ended.

    Args:
        tasks: none of which may wait for another.
        small: whether one of them is too little for more threads than one.
    """
    if len(tasks) == 1 and not small:
        return [tasks[0]()]
    threads = torch.get_num_threads()
    if threads < 2 or not loops_may_meet():
        with _alone():
            return [task() for task in tasks]
    # A small task goes there too: a thread that took its own count away and gave it back would show
    # the lower one to threads that begin meanwhile. Not forgotten with its process: a fork has none
    # of the threads.
    pool = _pool(threads, os.getpid())
    done = [pool.submit(task) for task in tasks]
    for one in done:
        one.exception()
    return [one.result() for one in done]


@contextmanager
def _alone() -> Generator[None]:
    """Within it this thread has no others to share its work with."""
    before = torch.get_num_threads(), numba.get_num_threads()
    _set(1, 1)
    try:
        yield
    finally:
        _set(*before)


def _set(of_torch: int, of_numba: int) -> None:
    # Both count for the thread that says so. Torch's count is that of threads yet to begin as well.
    if torch.get_num_threads() != of_torch:
        torch.set_num_threads(of_torch)
    numba.set_num_threads(of_numba)


@cache
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    """So many threads, none of which has others to share its work with."""
    before, here = torch.get_num_threads(), threading.Barrier(threads + 1)

    def begin() -> None:
        # A thread takes over torch's count when it first asks for it, and not again.
        torch.get_num_threads()
        torch.set_num_threads(1)
        numba.set_num_threads(1)

    pool = ThreadPoolExecutor(threads, "grapevine-part", begin)
    for _ in range(threads):
        pool.submit(here.wait)  # a thread that waits takes no second task: all of them begin
    here.wait()
    torch.set_num_threads(before)
    return pool
