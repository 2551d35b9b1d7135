"""The same numbers from the same run: what is asked of torch."""

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def reproducible() -> Iterator[None]:
    """Training in here gives the same weights every time, to the bit, and leaves torch as it was.

    Operations for which torch has a repeatable form take it, and the number of threads stays what
    it is, since a sum that is shared out otherwise may round otherwise. So the promise holds for
    one kind of processor, one number of threads (`OMP_NUM_THREADS`) and one version of torch; a
    checkpoint remembers these (`made_on`), and says so where it is gone on with on others.
    """
    torch = sys.modules.get("torch")
    if torch is None:  # a learner without torch needs nothing of it
        yield
        return
    kept = torch.get_rng_state()
    strict = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    # Memory that is read before it is written would be a fault; to fill it costs a pass each time.
    torch.utils.deterministic.fill_uninitialized_memory = False
    # Said aloud, the number also holds for MKL, which else may take fewer threads when it likes.
    torch.set_num_threads(torch.get_num_threads())
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.utils.deterministic.fill_uninitialized_memory = fill
        torch.set_rng_state(kept)


def made_on() -> dict[str, Any]:
    """What the bits of a training depend on, besides its data, options and seed."""
    torch = sys.modules.get("torch")
    facts = {"machine": platform.machine(), "numpy": np.__version__}
    if torch is None:
        return facts
    return {
        **facts,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
