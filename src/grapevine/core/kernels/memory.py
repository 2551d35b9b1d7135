"""Memory that starts where a line of the cache does, so that results do not hang on luck.

Products of matrices take other paths, and round otherwise, where their operands start elsewhere
within a line. Torch starts each of its own at a line and numpy wherever there is room, so one
training in two processes could differ in the last bit. What flows into products is made here.

Compiled loops have a like trap. One that writes an array and reads another looks first whether the
two stand nearer than some vectors are long, and goes number by number where they do. A sum that may
be taken in any order (`reassoc`) is then taken in another. So such sums have loops of their own,
which write nothing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

LINE = 64
"""Bytes of a line, and what torch's memory is a multiple of."""


def empty(shape: int | Sequence[int], dtype: Any) -> np.ndarray:
    """An array of whatever was there, starting at a line; a tensor of it has the same memory."""
    return torch.empty(shape, dtype=_kind(dtype)).numpy()


def zeros(shape: int | Sequence[int], dtype: Any) -> np.ndarray:
    """The same of zeros."""
    return torch.zeros(shape, dtype=_kind(dtype)).numpy()


def compiled(x: Tensor) -> bool:
    """Whether a compiled loop can have this memory: on the processor, and in no exported graph."""
    traced = torch.compiler.is_exporting() or torch.compiler.is_compiling()
    return x.device.type == "cpu" and not traced


def _kind(dtype: Any) -> torch.dtype:
    return torch.as_tensor(np.empty(0, dtype)).dtype


def tensor_of(array: np.ndarray) -> Tensor:
    """The array as a tensor that starts at a line: its own memory if that does, else a copy."""
    tensor = torch.as_tensor(array)
    return tensor if tensor.data_ptr() % LINE == 0 else tensor.clone()
