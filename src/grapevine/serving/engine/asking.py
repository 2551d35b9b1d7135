"""From a history to the vector it asks with: by the model as it is, or by ONNX Runtime."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float32

from grapevine.models.base import Factored
from grapevine.models.sequence.model import Reader
from grapevine.serving.engine.histories import Heard
from grapevine.structs.batch import Batch


class Asking(Protocol):
    """Whatever makes a vector of a history."""

    def ask(self, heard: Heard) -> Float32[np.ndarray, " width"]:
        """What the history asks with: its product with an item's vector is the score."""
        ...

    def ask_all(self, heard: Sequence[Heard]) -> Float32[np.ndarray, "asked width"]:
        """The same of several, at least one, computed together where that saves anything."""
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

    def ask_all(self, heard: Sequence[Heard]) -> Float32[np.ndarray, "asked width"]:
        """As `Asking`."""
        return self.model.products(together(heard)).queries


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

    def ask_all(self, heard: Sequence[Heard]) -> Float32[np.ndarray, "asked width"]:
        """As `Asking`."""
        return with_bias(self.model, self.model.ask(together(heard)))


def with_bias(model: Reader, asking: Float32[np.ndarray, "*asked width"]) -> np.ndarray:
    """The vectors that meet the items and their bias, where they have one."""
    if not len(model.bias):
        return asking
    return np.concatenate([asking, np.ones_like(asking[..., :1])], -1)


def together(heard: Sequence[Heard]) -> Batch:
    """A block of several questions."""
    return Batch(
        users=np.array([one.user for one in heard]),
        offsets=np.cumsum([0, *map(len, heard)]),
        items=np.concatenate([one.items for one in heard]),
        behaviours=np.concatenate([one.behaviours for one in heard]),
        times=np.concatenate([one.times for one in heard]),
        asked_at=np.array([one.asked_at for one in heard]),
    )


def eager(model: Factored) -> Asking:
    """The plain way to ask a model."""
    return EagerReader(model) if isinstance(model, Reader) else Eager(model)
