"""How many threads a compiled loop is worth, and whether two such loops may run at once."""

from collections.abc import Generator
from contextlib import contextmanager

import numba
import numpy as np

from grapevine.graph.counter import uniform_block

WORTH = 2**18
"""Numbers read that are worth waking the other threads for: tens of microseconds of one."""


@contextmanager
def threads_for(numbers: int) -> Generator[None]:
    """One thread for little work, all that there are for much; no result depends on which."""
    before = numba.get_num_threads()
    numba.set_num_threads(before if numbers >= WORTH else 1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def loops_may_meet() -> bool:
    """Whether two threads of Python may be in parallel loops at the same time.

    They may with OpenMP and TBB. Where numba has nothing but a pool of its own ("workqueue", as on
    a Mac without either) it would end the process.
    """
    # Which of them there is, the first parallel loop that runs finds out.
    uniform_block(np.zeros(1, np.uint64), 1)
    return numba.threading_layer() != "workqueue"  # pyright: ignore[reportPrivateImportUsage]
