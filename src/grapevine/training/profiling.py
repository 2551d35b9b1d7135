"""Where the time of a step goes: a trace to look at, and a table of what took longest."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from grapevine.log import logger

T = TypeVar("T")

SKIPPED = 5
"""Steps before those that are looked at: the first ones compile and allocate."""

TAKEN = 10
"""Steps that are looked at, at most."""

SHOWN = 12
"""Lines of the table."""


def profiled(batches: Iterator[T], steps: int, path: Path) -> Iterator[T]:
    """The same batches; what is done with some of them is recorded.

    Args:
        batches: of one epoch.
        steps: how many there are.
        path: where the trace goes, in the form of Chrome; `.gz` compresses it.
    """
    # Imported here: the trainings that nobody looks at do without.
    from torch.profiler import profile, record_function

    first = min(SKIPPED, steps // 2)
    taken = min(TAKEN, steps - first)
    yield from islice(batches, first)
    with profile() as recorded:
        for _ in range(taken):
            with record_function("waiting for a batch"):
                batch = next(batches)
            with record_function("step"):
                yield batch
    path.parent.mkdir(parents=True, exist_ok=True)
    recorded.export_chrome_trace(str(path))
    logger.info("%s\ntrace of these steps: %s", table(recorded.key_averages(), taken), path)
    yield from batches


def table(averages: Any, steps: int) -> str:
    """What took longest by itself, without what it called.

    Args:
        averages: `torch.profiler`'s, one for each operation.
        steps: how many were looked at.
    """
    own = {one.key: (one.self_cpu_time_total + one.self_device_time_total) for one in averages}
    whole = sum(own.values()) or 1.0
    longest = sorted(averages, key=lambda one: -own[one.key])[:SHOWN]
    lines = [
        f"{own[one.key] / steps / 1e3:11.3f} {own[one.key] / whole:6.1%} "
        f"{one.count / steps:10.1f}  {one.key}"
        for one in longest
    ]
    head = f"{'ms a step':>11} {'share':>6} {'times':>10}  what, of {steps} steps"
    return "\n".join([head, *lines])
