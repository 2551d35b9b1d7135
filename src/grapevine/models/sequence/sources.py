"""What items are told by beside their ids: features, vectors of another run, their neighbours."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.encoders.fusion import Shapes
from grapevine.errors import ConfigError
from grapevine.log import logger
from grapevine.models.sequence.config import Config
from grapevine.structs.features import Features
from grapevine.structs.neighbour_table import NeighbourTable

# I = items, W = width of the vectors of another run


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """What is known of every item of the catalogue, for a network to make its vector of.

    Attributes:
        met: `(I,)` which items training met.
        ids: `(I,)` which have a vector of their own, learnt from nothing but their events.
        features: of each item; None where they are not looked at.
        shapes: of the features.
        vectors: `(I, W)` what another run has of each, zero where it has nothing; None without one.
        neighbours: of each item; None where items do not hear each other.
    """

    met: Bool[np.ndarray, " items"]
    ids: Bool[np.ndarray, " items"]
    features: Features | None = None
    shapes: Shapes | None = None
    vectors: Float32[np.ndarray, "items width"] | None = None
    neighbours: NeighbourTable | None = None

    @classmethod
    def of(
        cls, config: Config, train: Dataset, events: Interactions, seed: int
    ) -> "Sources | None":
        """What a training set, and the run that is named, tell; None where ids are all.

        Args:
            config: what items are told by.
            train: the catalogue.
            events: those that are learnt from.
            seed: names the walks that find neighbours.

        Raises:
            ConfigError: the catalogue has no such features, or the run no vectors.
        """
        if not config.made:
            return None
        met = np.asarray(events.counts() > 0)
        features = shapes = vectors = None
        ids = met if "ids" in config.parts else np.zeros_like(met)
        if "features" in config.parts:
            features, shapes = _features(config, train, events)
        if "run" in config.parts:
            vectors = _vectors(config.items_from, train)
            # What the other run has not met has to learn a vector from its events alone.
            ids = ids | (met & ~vectors.any(1))
        return cls(
            met=met,
            ids=ids,
            features=features,
            shapes=shapes,
            vectors=vectors,
            neighbours=_neighbours(config, events, seed) if config.graph_layers else None,
        )

    @property
    def others(self) -> Bool[np.ndarray, " items"]:
        """`(I,)` which items have a vector that does not come of their own events."""
        if self.features is not None:
            return np.ones_like(self.met)
        return np.zeros_like(self.met) if self.vectors is None else np.asarray(self.vectors.any(1))

    @property
    def known(self) -> Bool[np.ndarray, " items"]:
        """`(I,)` which items have a vector that says something of them."""
        return self.met | self.others


def _features(config: Config, train: Dataset, events: Interactions) -> tuple[Features, Shapes]:
    from grapevine.views.features import FeatureView

    degrees = events.counts()
    view = FeatureView.fit(train, use=config.features, degrees=degrees)
    features = view.encode(train.item_table, degrees)
    shapes = Shapes.of(features, buckets=view.buckets, degree=view.degree is not None)
    if not shapes.describe:
        raise ConfigError(
            "how often an item was taken says nothing of one that nobody took",
            hint="name other columns of the catalogue in model.features",
        )
    return features, shapes


def _vectors(folder: str, train: Dataset) -> Float32[np.ndarray, "items width"]:
    """The vectors of a run by the ids of the items, of a mean square of 1 over all numbers."""
    from grapevine.models.embedding import item_vectors
    from grapevine.models.run import open_run

    run = open_run(Path(folder))
    if run.record.get("fingerprint") != train.fingerprint:
        logger.info(
            "note: `%s` was trained on other events than these; what is held out here may be in "
            "its vectors",
            folder,
        )
    found = item_vectors(run)[0]
    rows = run.items.rows(train.items.ids)
    if not found[rows[rows >= 0]].any():
        raise ConfigError(
            f"`{folder}` has no vector of any item of {train.name}",
            hint="name a run that was trained on the same catalogue in model.items_from",
        )
    vectors = np.where(rows[:, None] >= 0, found[rows], 0).astype(np.float32)
    there = vectors[vectors.any(1)]
    return vectors / np.sqrt(np.mean(np.square(there), dtype=np.float64)).astype(np.float32)


def _neighbours(config: Config, events: Interactions, seed: int) -> NeighbourTable:
    """The items that walks over the training events meet most."""
    from grapevine.graph.neighbourhoods import importance_table
    from grapevine.views.graph import bipartite

    return importance_table(bipartite(events), width=config.neighbours, seed=seed)
