"""A small made-up catalogue with histories, and models whose answers are known."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from grapevine.data.dataset import Dataset
from grapevine.data.holdout import Holdout
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary
from grapevine.structs import Batch, Jagged


@dataclass(frozen=True)
class Table:
    """A model that reads each user's scores off a table."""

    config: Any
    scores: np.ndarray

    def score(self, batch: Batch) -> np.ndarray:
        return self.scores[batch.users]

    def state(self):
        return {"scores": self.scores}

    @classmethod
    def restore(cls, config, state):
        return cls(config, **state)


@dataclass(frozen=True)
class World:
    train: Dataset
    holdout: Holdout

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.train.users), len(self.train.items)

    def random(self, seed: int) -> Table:
        scores = np.random.default_rng(seed).standard_normal(self.shape)
        return Table("random", scores.astype(np.float32))

    def constant(self) -> Table:
        return Table("constant", np.broadcast_to(np.float32(1), self.shape))

    def oracle(self, edge: float = 100.0, seed: int = 0) -> Table:
        """Random, but with so much added to each target."""
        scores = self.random(seed).scores.copy()
        for user, targets in zip(self.holdout.users, self.holdout.targets, strict=True):
            scores[user, targets[targets >= 0]] += edge
        return Table(f"oracle {edge}", scores)


def interactions(histories: list[Any], num_items: int) -> Interactions:
    lists = Jagged.from_lists(histories)
    size = len(lists.values)
    return Interactions(
        offsets=lists.offsets,
        items=lists.values,
        behaviours=np.zeros(size, np.uint8),
        times=np.arange(size, dtype=np.int64),
        num_items=num_items,
    )


def made(
    users: int = 60, items: int = 40, *, targets: int = 1, seed: int = 0, history: int = 6
) -> World:
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(items)[: history + targets] for _ in range(users)]
    events = interactions([one[:history] for one in drawn], items)
    category = np.arange(items) % 4
    train = Dataset(
        schema=Schema(name="made", items={"category": "category", "tags": "tags"}),
        users=Vocabulary.of(list(range(users))),
        items=Vocabulary.of(list(range(items))),
        interactions=events,
        item_table=pl.DataFrame(
            {
                "item_id": np.arange(items),
                "category": [f"c{c}" for c in category],
                "tags": [[f"t{c}", "all"] for c in category],
                "price": np.arange(items, dtype=float),
            }
        ),
        user_table=pl.DataFrame(
            {"user_id": np.arange(users), "gender": ["f" if u % 3 else "m" for u in range(users)]}
        ),
    )
    holdout = Holdout(
        name="test",
        users=np.arange(users),
        targets=Jagged.from_lists([one[history:] for one in drawn]),
        history=events,
        asked_at=np.full(users, 10**6),
        by="leave-last-out",
    )
    return World(train, holdout)


@pytest.fixture
def world() -> World:
    return made()


@pytest.fixture
def make_world():
    return made


@pytest.fixture
def with_targets():
    def change(world: World, targets: list[Any]) -> World:
        lists = Jagged.from_lists(targets)
        return World(world.train, replace(world.holdout, targets=lists))

    return change
