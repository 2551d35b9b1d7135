"""From a history to the vector it asks with: by the model as it is, or by ONNX Runtime."""

from typing import Protocol

import numpy as np
from jaxtyping import Float32

from grapevine.models.base import Factored
from grapevine.models.sequence.model import Reader
from grapevine.serving.engine.histories import Heard


class Asking(Protocol):
    """Whatever makes a vector of a history."""

    def ask(self, heard: Heard) -> Float32[np.ndarray, " width"]:
        """What the history asks with: its product with an item's vector is the score."""
        ...


class Eager:
    """The model as it is, as offline, to the bit.

    Args:
        model: whose scores are products.
    """

    def __init__(self, model: Factored) -> None:
        self.model = model

    def ask(self, heard: Heard) -> Float32[np.ndarray, " width"]:
        """The question's side of the products."""
        return self.model.products(heard.batch()).queries[0]


class EagerReader:
    """A network that reads histories, asked without its table of items being touched.

    Args:
        model: a sequence model.
    """

    def __init__(self, model: Reader) -> None:
        self.model = model

    def ask(self, heard: Heard) -> Float32[np.ndarray, " width"]:
        """The last state as it asks; one more for the bias of an item, where items have one."""
        asking = self.model.ask(heard.batch())[0]
        return with_bias(self.model, asking)


def with_bias(model: Reader, asking: Float32[np.ndarray, " width"]) -> np.ndarray:
    """The vector that meets the items and their bias, where they have one."""
    return np.append(asking, np.float32(1)) if len(model.bias) else asking


def eager(model: Factored) -> Asking:
    """The plain way to ask a model."""
    return EagerReader(model) if isinstance(model, Reader) else Eager(model)
