"""How many threads a compiled loop is worth."""

from collections.abc import Generator
from contextlib import contextmanager

import numba

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
