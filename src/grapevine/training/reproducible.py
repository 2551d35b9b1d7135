"""The same numbers from the same run: what is asked of torch."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from grapevine.random import stream


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Training in here gives the same weights every time, to the bit, and leaves torch as it was.

    Operations for which torch has a repeatable form take it, and the number of threads stays what
    it is, since a sum that is shared out otherwise may round otherwise. So the promise holds for
    one kind of processor, one number of threads (`OMP_NUM_THREADS`) and one version of torch; a
    checkpoint remembers these (`made_on`), and says so where it is gone on with on others.

    Args:
        seed: for what layers draw as they are made; steps have streams of their own.
    """
    # Imported here: a closed form does without.
    import torch

    # Its attributes are set on the module itself, where type checkers do not see them.
    deterministic: Any = torch.utils.deterministic
    drawn, fill = torch.get_rng_state(), deterministic.fill_uninitialized_memory
    strict = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.manual_seed(int(stream(seed, "layers").integers(2**63)))
    torch.use_deterministic_algorithms(True)
    # Memory that is read before it is written would be a fault; to fill it costs a pass each time.
    deterministic.fill_uninitialized_memory = False
    # Said aloud, the number also holds for MKL, which else may take fewer threads when it likes.
    torch.set_num_threads(torch.get_num_threads())
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warns)
        deterministic.fill_uninitialized_memory = fill
        torch.set_rng_state(drawn)


def made_on() -> dict[str, Any]:
    """What the bits of a training depend on, besides its data, options and seed."""
    import torch

    return {
        "machine": platform.machine(),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
    }
