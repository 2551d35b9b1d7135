from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import pytest

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.structs.jagged import Jagged

World = Callable[..., Dataset]


@pytest.fixture(scope="session")
def world() -> World:
    """A dataset from one list of item rows a user, in time order, one event a second."""

    def build(
        histories: Sequence[Sequence[int]],
        num_items: int,
        *,
        behaviours: Sequence[Sequence[int]] | None = None,
        schema: Schema | None = None,
    ) -> Dataset:
        lists = Jagged.from_lists(histories)
        total = len(lists.values)
        said = Jagged.from_lists(behaviours, np.uint8).values if behaviours else None
        items = Vocabulary.of(range(num_items))
        return Dataset(
            schema=schema or Schema(),
            users=Vocabulary.of(range(len(lists))),
            items=items,
            interactions=Interactions(
                offsets=lists.offsets,
                items=lists.values,
                behaviours=np.zeros(total, np.uint8) if said is None else said,
                times=np.arange(total, dtype=np.int64) * 1000,
                num_items=num_items,
            ),
            item_table=pl.DataFrame({"item_id": items.ids}),
        )

    return build


@pytest.fixture(scope="session")
def random_histories() -> list[list[int]]:
    """80 users with 2 to 20 of 30 items in a random order, each item once."""
    rng = np.random.default_rng(5)
    return [rng.permutation(30)[: rng.integers(2, 21)].tolist() for _ in range(80)]


@pytest.fixture(scope="session")
def checkerboard() -> list[list[int]]:
    """Even users like even items, odd users odd ones; user n's own item n is held out."""
    return [[item for item in range(user % 2, 24, 2) if item != user] for user in range(24)]
