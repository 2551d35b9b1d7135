"""What training leaves of a sequence model: its network, asked about any history."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from jaxtyping import Bool, Float32, Int64

from grapevine.data.interactions import Interactions
from grapevine.models.base import refuse_other_arrays
from grapevine.models.sequence.config import Config as SequenceConfig
from grapevine.structs.batch import Batch
from grapevine.structs.products import Products

if TYPE_CHECKING:  # torch is loaded when something is asked
    from grapevine.models.sequence.network import Network
    from grapevine.models.sequence.overhear import Overheard

BLOCK = 128
"""Histories that are read at once, of like length."""
FEW = 8
"""Questions up to which one thread answers sooner than two that wait for each other."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A network that reads histories, and the vectors of items.

    A known user and a stranger with the same history get the same scores, and events since
    training count. Where nothing is known of a history the state is zero.

    Attributes:
        config: the options.
        items: `(items, width)` what an item is told by; of zeros where it is not known.
        bias: `(items,)` what is added to an item's every score; of no length where there is none.
        met: `(items,)` which items are known: training met them, or they are told by features or
            by another run. Others are not heard in a history.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
        timed: `(1,)` whether the network looks at times.
        weights: parameters of the network, by name.
    """

    Config: ClassVar[type] = SequenceConfig

    config: Any
    items: Float32[np.ndarray, "items width"]
    bias: Float32[np.ndarray, " some"]
    met: Bool[np.ndarray, " items"]
    behaviour: Int64[np.ndarray, " one"]
    timed: Bool[np.ndarray, " one"]
    weights: dict[str, np.ndarray]
    paper: ClassVar[str] = ""
    listens: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("items", "bias", "met", "behaviour", "timed")

    @classmethod
    def of(
        cls,
        config: Any,
        weights: dict[str, np.ndarray],
        *,
        behaviour: Int64[np.ndarray, " one"],
        met: Bool[np.ndarray, " items"],
        times: bool,
    ) -> Self:
        """The model of a network as it stands.

        Args:
            config: the options.
            weights: of the network.
            behaviour: that histories are made of.
            met: which items are known.
            times: whether the network looks at times.
        """
        table = weights.get("asked.weight", weights["items.weight"][: len(met)])
        if config.cosine:
            table = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
        return cls(
            config=config,
            items=np.where(met[:, None], table, 0).astype(np.float32),
            bias=_lowered(weights["bias"], met) if "bias" in weights else np.empty(0, np.float32),
            met=met,
            behaviour=behaviour,
            timed=np.array([times]),
            weights=weights,
        )

    @cached_property
    def network(self) -> "Network":
        """The network, ready to be asked."""
        import torch

        from grapevine.models.sequence.network import Network

        told = self.weights.get("inputs.behaviour")
        # Runs of before there were such biases have none.
        config = self.config if "bias" in self.weights else replace(self.config, prior=False)
        network = Network(
            config,
            len(self.items),
            times=bool(self.timed[0]),
            behaviours=1 if told is None else len(told) - 1,
        )
        network.load_state_dict({n: torch.from_numpy(one) for n, one in self.weights.items()})
        return network.eval()

    def heard(self, batch: Batch) -> tuple[Interactions, Int64[np.ndarray, " queries"]]:
        """The histories of a batch as far as this model listens, and when each is asked."""
        keep = batch.items >= 0
        items = np.where(keep, batch.items, 0)
        keep &= self.met[items] if len(self.met) else False
        if self.behaviour[0] >= 0:
            keep &= batch.behaviours == self.behaviour[0]
        events = Interactions(
            batch.offsets, items, batch.behaviours, batch.times, len(self.met)
        ).where(keep)
        return events.once() if self.config.once else events, batch.asked_at

    def ask(self, batch: Batch) -> Float32[np.ndarray, "queries width"]:
        """What each history asks with; zero where nothing is known of it."""
        return self._read(batch, asks=True)

    def states(self, batch: Batch) -> Float32[np.ndarray, "queries width"]:
        """The last state of each history; zero where nothing is known of it."""
        return self._read(batch, asks=False)

    def _read(self, batch: Batch, *, asks: bool) -> Float32[np.ndarray, "queries width"]:
        import torch

        from grapevine.core.kernels.apart import apart
        from grapevine.models.sequence.reading import read

        network, (events, asked_at) = self.network, self.heard(batch)
        out = np.zeros((len(batch), self.config.width), np.float32)

        def answer(rows: Int64[np.ndarray, " rows"]) -> None:
            with torch.no_grad():
                last_BD = read(network, events, rows, asked_at[rows])
                out[rows] = (network.ask(last_BD) if asks else last_BD).numpy()

        # The longest first, so that no thread is left alone with them.
        tasks = [partial(answer, rows) for rows in reversed(list(blocks(events)))]
        apart(tasks, small=len(batch) <= FEW)
        return out

    def attention(self, asked: Batch) -> "Overheard | None":
        """Who heard whom in a history, at every layer and head; items by their rows.

        Args:
            asked: one question.

        Returns:
            None where no layer attends ("gru", "mixer"), or nothing is known of the history.

        Raises:
            ValueError: there is more than one question, or none.
        """
        from grapevine.models.sequence.overhear import overhear

        if len(asked) != 1:
            raise ValueError(f"maps are of one history at a time: got {len(asked)}")
        events, asked_at = self.heard(asked)
        return overhear(self.network, events, asked_at) if len(events) else None

    def attended(self, asked: Batch) -> dict[int, float]:
        """Of all that the last state of a history heard, the share of each item's events."""
        found = self.attention(asked)
        return {} if found is None else found.last()

    def item_vectors(self) -> tuple[Float32[np.ndarray, "items width"], dict[str, int]]:
        """The vectors of the items."""
        return self.items, {}

    def state(self) -> dict[str, np.ndarray]:
        """All that was learnt, as named arrays; those of the network by `network.name`."""
        held = {name: getattr(self, name) for name in self.arrays}
        return held | {f"network.{name}": one for name, one in self.weights.items()}

    @classmethod
    def restore(cls, config: Any, state: dict[str, np.ndarray]) -> Self:
        """The model that had this config and this state.

        Raises:
            BundleError: an array is missing, or there is one too many.
        """
        whole = {name: one for name, one in state.items() if not name.startswith("network.")}
        refuse_other_arrays(cls, cls.arrays, whole)
        weights = {n.removeprefix("network."): one for n, one in state.items() if n not in whole}
        return cls(config=config, weights=weights, **whole)


class Sequence(Reader):
    """A history's last state; a score is its product with an item's vector."""

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Products of the histories' last states and the items."""
        return np.asarray(self.products(batch))

    def products(self, batch: Batch) -> Products:
        """The last state of each history, and the items' vectors."""
        asking, items = self.ask(batch), self.items
        if len(self.bias):
            asking = np.column_stack([asking, np.ones(len(asking), np.float32)])
            items = np.column_stack([items, self.bias])
        return Products(asking, items)


def _lowered(
    bias: Float32[np.ndarray, " items"], met: Bool[np.ndarray, " items"]
) -> Float32[np.ndarray, " items"]:
    """Biases with that of items which nobody met no higher than any other: all may be below 0."""
    return np.where(met, bias, bias[met].min(initial=0)).astype(np.float32)


def blocks(events: Interactions) -> Iterator[Int64[np.ndarray, " rows"]]:
    """The histories that are not empty, some of like length at a time."""
    lengths = np.diff(events.offsets)
    known = np.flatnonzero(lengths)
    order = known[np.argsort(lengths[known], kind="stable")]
    for start in range(0, len(order), BLOCK):
        yield order[start : start + BLOCK]
