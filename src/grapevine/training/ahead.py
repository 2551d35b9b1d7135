"""Batches made while the one before is learnt from."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

from grapevine.models.base import Batches

DEPTH = 2
"""Batches that wait to be used, at most."""


@contextmanager
def ahead(batches: Batches, start: int = 0) -> Iterator[Iterator[Any]]:
    """The batches from `start` on, in order, each made by one other thread before its turn.

    What goes wrong in making a batch is raised when its turn comes. The thread has ended when the
    context is left, however it is left. Batches and steps may both run parallel loops: where those
    of two threads must not meet, each batch is made when its turn comes, and nothing ahead.
    """
    # Compiled code is loaded only where something is trained.
    from grapevine.core.kernels.threads import loops_may_meet

    if not loops_may_meet():
        yield (batches[step] for step in range(start, len(batches)))
        return
    ready: Queue[tuple[Any, BaseException | None]] = Queue(DEPTH)
    stop = threading.Event()

    def produce() -> None:
        for step in range(start, len(batches)):
            if stop.is_set():
                return
            try:
                made = batches[step], None
            except BaseException as error:
                made = None, error
            ready.put(made)
            if made[1] is not None:
                return

    def consume() -> Iterator[Any]:
        for _ in range(start, len(batches)):
            batch, error = ready.get()
            if error is not None:
                raise error
            yield batch

    producer = threading.Thread(target=produce, name="grapevine-batches", daemon=True)
    producer.start()
    try:
        yield consume()
    finally:
        stop.set()
        # A place in the queue is all that the thread can be waiting for, and it looks at `stop`
        # after each batch.
        while not ready.empty():
            ready.get()
        producer.join()
