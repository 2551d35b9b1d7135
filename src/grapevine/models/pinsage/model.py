"""PinSage, fitted: item vectors, whom items listen to, and all that a new item's vector needs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int32, Int64

from grapevine.data.dataset import Dataset
from grapevine.models.base import Fitted, refuse_other_arrays
from grapevine.models.pinsage.config import Config
from grapevine.models.pinsage.pairs import latest
from grapevine.structs.batch import Batch
from grapevine.structs.neighbour_table import NeighbourTable
from grapevine.structs.products import Products

if TYPE_CHECKING:  # torch is loaded only where vectors are made
    from grapevine.models.pinsage.batches import Ground
    from grapevine.models.pinsage.network import Network

PARTS = ("network", "view", "content")


@dataclass(frozen=True, kw_only=True)
class PinSage(Fitted):
    """Vectors of items by features and neighbourhood; a user is the mean of its recent items'.

    A known user and a stranger with the same history get the same scores, events since training
    count too, and "what goes with this item" is a history of length one.

    Attributes:
        items: `(items, width)` the vectors.
        said: `(layers, items, hidden)` what each item says to those who listen.
        nodes: `(items, neighbours)` whom each item listens to; -1 where there are fewer.
        shares: `(items, neighbours)` how much each neighbour counts.
        place: `(recent,)` log of how much an event counts, the latest first.
        behaviour_weight: `(behaviours,)` log of how much an event of each behaviour counts.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
        convolved: `(1,)` rows that went through a convolution to make the vectors.
        network: parameters by name.
        view: how the catalogue is seen, see `FeatureView.arrays`.
        content: how its content is seen, see `Content.arrays`; empty where it is not.
        about: `(items, content)` what each item is about.
        met: `(items,)` training events of each.
        ordered: `(1,)` whether the order of a history means anything; if not it counts whole, all
            places alike.
    """

    Config: ClassVar[type] = Config

    items: Float32[np.ndarray, "items width"]
    said: Float32[np.ndarray, "layers items hidden"]
    nodes: Int32[np.ndarray, "items neighbours"]
    shares: Float32[np.ndarray, "items neighbours"]
    place: Float32[np.ndarray, " recent"]
    behaviour_weight: Float32[np.ndarray, " behaviours"]
    behaviour: Int64[np.ndarray, " one"]
    convolved: Int64[np.ndarray, " one"]
    about: Float32[np.ndarray, "items content"]
    met: Int64[np.ndarray, " items"]
    ordered: Bool[np.ndarray, " one"]
    network: dict[str, np.ndarray]
    view: dict[str, np.ndarray]
    content: dict[str, np.ndarray]
    paper: ClassVar[str] = (
        "Ying, He, Chen, Eksombatchai, Hamilton, Leskovec: Graph convolutional neural networks for "
        "web-scale recommender systems. KDD 2018. arXiv:1806.01973"
    )

    @classmethod
    def of(cls, config: Any, network: "Network", ground: "Ground", train: Dataset) -> "PinSage":
        """The model of a network as it stands."""
        from grapevine.models.pinsage.inference import embed

        found = embed(network, ground.features, ground.heard, ground.rows)
        held = {name: part.numpy().copy() for name, part in network.state_dict().items()}
        return cls(
            config=config,
            items=found.items,
            said=found.said,
            nodes=ground.heard.nodes,
            shares=ground.heard.weights,
            place=held["place"],
            behaviour_weight=held["behaviour"],
            behaviour=np.array([-1 if config.behaviours == "all" else train.schema.target_row]),
            convolved=np.array([found.convolved]),
            network=held,
            about=ground.about,
            met=ground.events.counts(),
            ordered=np.array([ground.ordered]),
            view=ground.view.arrays(),
            content=ground.content.arrays() if ground.content else {},
        )

    @property
    def neighbours(self) -> NeighbourTable:
        """Whom each item listens to."""
        return NeighbourTable(self.nodes, self.shares)

    def item_vectors(self) -> tuple[Float32[np.ndarray, "items width"], dict[str, int]]:
        """The vectors, and the rows of convolution that they took: layers x items."""
        return self.items, {"convolution rows": int(self.convolved[0])}

    def vectors_of(self, table: pl.DataFrame) -> Float32[np.ndarray, "items width"]:
        """The vectors of new items by their features, and by those that these are nearest to."""
        # Loaded only where vectors are made, as torch is.
        from grapevine.models.pinsage.new_items import embed_new

        return embed_new(self, table)

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Dot products of the questions' vectors and the items'; 0 where nothing is known."""
        return np.asarray(self.products(batch))

    def products(self, batch: Batch) -> Products:
        """The questions' vectors and the items'."""
        return Products(self.ask(batch), self.items)

    def ask(self, batch: Batch) -> Float32[np.ndarray, "queries width"]:
        """The vector of each question: the mean of its latest items', by place and behaviour."""
        heard = batch.items >= 0
        if self.behaviour[0] >= 0:
            heard &= batch.behaviours == self.behaviour[0]
        offsets = batch.history.where(heard).offsets
        items, behaviours = batch.items[heard], batch.behaviours[heard]
        longest = int(np.diff(offsets).max(initial=0))
        place = self.place if self.ordered[0] else np.zeros(longest, np.float32)
        event = latest(offsets[:-1], offsets[1:], max(len(place), 1))
        if not len(items):
            return np.zeros((len(batch), self.items.shape[1]), np.float32)
        logits = place[: event.shape[1]] + self.behaviour_weight[behaviours[event]]
        weights = np.where(event >= 0, np.exp(logits - logits.max(1, keepdims=True)), 0.0)
        weights /= np.maximum(weights.sum(1, keepdims=True), 1e-12)
        out = np.zeros((len(batch), self.items.shape[1]), np.float32)
        # One event of every question at a time: no block of questions x events x width is held.
        for place in range(event.shape[1]):
            out += weights[:, place, None].astype(np.float32) * self.items[items[event[:, place]]]
        return out

    def state(self) -> dict[str, np.ndarray]:
        """All that was learnt, as named arrays; those of a part by `part.name`."""
        held: dict[str, Any] = {name: getattr(self, name) for name in _ARRAYS}
        for part in PARTS:
            held |= {f"{part}.{name}": one for name, one in getattr(self, part).items()}
        return {name: np.ascontiguousarray(one) for name, one in held.items()}

    @classmethod
    def restore(cls, config: Any, state: dict[str, np.ndarray]) -> Self:
        """The model that had this config and this state.

        Raises:
            BundleError: an array is missing, or there is one too many.
        """
        whole = {name: one for name, one in state.items() if name.partition(".")[0] not in PARTS}
        refuse_other_arrays(cls, _ARRAYS, whole)
        parts = {
            part: {
                name.removeprefix(f"{part}."): one
                for name, one in state.items()
                if name.startswith(f"{part}.")
            }
            for part in PARTS
        }
        return cls(**{"config": config, **whole, **parts})


_ARRAYS = (
    "items",
    "said",
    "nodes",
    "shares",
    "place",
    "behaviour_weight",
    "behaviour",
    "convolved",
    "about",
    "met",
    "ordered",
)
