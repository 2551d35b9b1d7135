"""What a model is: a config that fits or a learner that steps, and a frozen value that scores."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
import polars as pl
from jaxtyping import Float32

from grapevine.data.dataset import Dataset
from grapevine.errors import BundleError
from grapevine.structs.batch import Batch
from grapevine.structs.neighbour_table import NeighbourTable
from grapevine.structs.products import Products

ModelT = TypeVar("ModelT", covariant=True)


class Config(Protocol[ModelT]):
    """Options of a model, a frozen dataclass. What is learnt from the data arrives in `fit`."""

    def fit(self, train: Dataset, *, seed: int = 0) -> ModelT:
        """Learn from the training events alone."""
        ...


@runtime_checkable
class Batches(Protocol):
    """The batches of one epoch; each may be made ahead of its turn, by another thread.

    What batch `step` holds depends on the seed, the epoch and `step` alone, so that a run that was
    stopped goes on as if it had not been. Where there are `examples` too, how many an epoch learns
    from, `metrics.jsonl` has their speed.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, step: int) -> Any: ...


@runtime_checkable
class Learner(Protocol[ModelT]):
    """A model on its way: what a step learns, and all that the next step depends on.

    `training.fit` runs it. Nothing may be drawn from a generator that has a state: what a step
    draws is named by the seed, the epoch and the step.

    Attributes:
        epochs: the most there are.
        patience: so many epochs without a better validation end the training; 0 never does.
    """

    epochs: int
    patience: int

    def batches(self, epoch: int) -> Batches:
        """The batches of an epoch, counted from 0."""
        ...

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """The learning rate of a step, of `steps` in this epoch."""
        ...

    def step(self, batch: Any, rate: float) -> dict[str, float]:
        """One update; the parts of the loss by name, in the order they are added up.

        Raises:
            CheckFailed: a loss or a gradient is not finite; nothing was updated.
        """
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Parameters, moments of the optimiser, counters: copies, by name."""
        ...

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a state."""
        ...

    def model(self) -> ModelT:
        """The model as it is now."""
        ...


Layout = tuple[str | int, ...]
"""Whose the rows of an array are, one after another: "users", "items", or so many of nobody's."""


@runtime_checkable
class Carries(Protocol):
    """A learner that can begin where another training of the same options ended.

    What is carried over are parameters alone, by the IDs of the rows: see `training.warm`.
    """

    @property
    def layouts(self) -> Mapping[str, Layout]:
        """Whose rows each parameter has, by its name; an empty layout has the same for all data."""
        ...

    def parameters(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The parameters in a state of such a learner, by the names of `layouts`."""
        ...

    def begin(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Start from these; all of them, before the first step."""
        ...


class Data(Protocol):
    """What is learnt from where it is no `Dataset`, as the loop sees it."""

    @property
    def fingerprint(self) -> str:
        """Equal where, and only where, what is learnt from is."""
        ...


@runtime_checkable
class Trained(Protocol[ModelT]):
    """Options of a model that is trained step by step; `training.fit` takes both kinds."""

    def learner(self, train: Any, *, seed: int = 0) -> Learner[ModelT]:
        """What training starts from, built from the training events alone.

        Args:
            train: a `Dataset`, or what else this model learns from.
            seed: names what is drawn.
        """
        ...


@runtime_checkable
class Model(Protocol):
    """A fitted model: a config, arrays, and a score for any item and any question."""

    config: Any

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Score of every item for every question; higher is better, -inf is never shown.

        The result may be a read-only broadcast: copy it before writing to it.
        """
        ...

    def state(self) -> dict[str, np.ndarray]:
        """All that was learnt, as named arrays."""
        ...

    @classmethod
    def restore(cls, config: Any, state: dict[str, np.ndarray]) -> Self:
        """The model that had this config and this state."""
        ...


@runtime_checkable
class Factored(Protocol):
    """A model whose scores are dot products of two vectors."""

    def products(self, batch: Batch) -> Products:
        """The same scores as `score`, not yet multiplied out."""
        ...


@runtime_checkable
class Walked(Protocol):
    """A model whose items listen along random walks."""

    @property
    def neighbours(self) -> NeighbourTable:
        """Whom each item listens to."""
        ...


@runtime_checkable
class Attends(Protocol):
    """A model that weighs the events of a history against each other."""

    def attended(self, asked: Batch) -> dict[int, float]:
        """Of all that was heard of the items of one history, the share of each, by row.

        Empty where nothing was heard, or these options of the model weigh nothing.
        """
        ...


@runtime_checkable
class Embeds(Protocol):
    """A model that has a vector for every item, and knows how to make them all at once.

    `grapevine embed` writes these where scores are no products, and the item side of the products
    where they are: that has a column more where items have a bias.
    """

    def item_vectors(self) -> tuple[Float32[np.ndarray, "items width"], dict[str, int]]:
        """One vector an item, and what was counted on the way, by name ("convolution rows")."""
        ...


@runtime_checkable
class Inductive(Protocol):
    """A model that makes vectors of items which training never met, out of what is said of them."""

    def vectors_of(self, table: pl.DataFrame) -> Float32[np.ndarray, "items width"]:
        """The vectors of new items, to be met by the same questions as those of training.

        Args:
            table: a line for each, with the columns of the catalogue as far as they are known.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A model whose fields are its config and the arrays it learnt; saving is reading them.

    Subclasses are frozen dataclasses; every field but `config` is a numpy array.
    """

    config: Any
    paper: ClassVar[str] = ""
    """Whom to cite: authors, title, venue, year, identifier."""
    listens: ClassVar[bool] = True
    """Whether the history is a reason for a score; if not, none is given."""

    def state(self) -> dict[str, np.ndarray]:
        """All that was learnt, as named arrays."""
        return {
            field.name: np.ascontiguousarray(getattr(self, field.name))
            for field in fields(self)
            if field.name != "config"
        }

    @classmethod
    def restore(cls, config: Any, state: dict[str, np.ndarray]) -> Self:
        """The model that had this config and this state.

        Raises:
            BundleError: an array is missing, or there is one too many.
        """
        refuse_other_arrays(cls, {field.name for field in fields(cls)} - {"config"}, state)
        return cls(config=config, **state)


def refuse_other_arrays(model: type, wanted: Iterable[str], found: Iterable[str]) -> None:
    """Let arrays by any other names than these be none of this model's.

    Raises:
        BundleError: an array is missing, or there is one too many.
    """
    missing, more = sorted({*wanted} - {*found}), sorted({*found} - {*wanted})
    said = [f"missing: {_a_few(missing)}"] * bool(missing)
    said += [f"too many: {_a_few(more)}"] * bool(more)
    if said:
        raise BundleError(
            f"not the arrays of {model.__name__} as it is here: {'; '.join(said)}",
            hint="train it again with this version of grapevine",
        )


def _a_few(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are.

    >>> _a_few(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
