from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from grapevine import training
from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.models.pinsage import Config, PinSage
from grapevine.structs.jagged import Jagged

Planted = Callable[..., Dataset]


@pytest.fixture(scope="session")
def planted() -> Planted:
    """Items of clusters that users keep to, and vectors that tell the cluster but faintly."""

    def build(
        clusters: int = 4,
        each: int = 15,
        users: int = 120,
        *,
        noise: float = 2.0,
        stray: float = 0.1,
        seed: int = 0,
        events: int = 10,
    ) -> Dataset:
        rng = np.random.default_rng(seed)
        items, width = clusters * each, 8
        cluster = np.arange(items) % clusters
        centre = rng.normal(size=(clusters, width))
        vectors = centre[cluster] + noise * rng.normal(size=(items, width))
        histories = []
        for user in range(users):
            home = np.flatnonzero(cluster == user % clusters)
            taken = rng.choice(home, min(events, len(home)), replace=False)
            astray = rng.random(len(taken)) < stray
            histories.append(np.where(astray, rng.integers(0, items, len(taken)), taken))
        lists = Jagged.from_lists(histories)
        total = len(lists.values)
        ids = Vocabulary.of(range(items))
        return Dataset(
            schema=Schema(name="planted", items={"vector": "vector"}),
            users=Vocabulary.of(range(users)),
            items=ids,
            interactions=Interactions(
                offsets=lists.offsets,
                items=lists.values,
                behaviours=np.zeros(total, np.uint8),
                times=np.arange(total, dtype=np.int64),
                num_items=items,
            ),
            item_table=pl.DataFrame(
                {
                    "item_id": ids.ids,
                    "vector": pl.Series(vectors.tolist(), dtype=pl.List(pl.Float64)),
                }
            ),
        )

    return build


@pytest.fixture(scope="session")
def small() -> Config:
    """Options for a world of a few dozen items."""
    return Config(
        width=8, hidden=12, neighbours=5, walks=30, recent=4, epochs=3, batch=64, negatives=20
    )


@pytest.fixture(scope="session")
def fitted(planted: Planted, small: Config) -> PinSage:
    return training.fit(small, planted(), seed=1)
