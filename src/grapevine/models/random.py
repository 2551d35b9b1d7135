"""Random: the floor under every other figure."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Int64, UInt64

from grapevine.data.dataset import Dataset
from grapevine.graph.counter import list_keys, uniform_block
from grapevine.models.base import Fitted
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


@dataclass(frozen=True, kw_only=True)
class Random(Fitted):
    """A uniform score for each (user, item): with k items shown of n, one hit in n / k.

    The score is a hash of the seed, the user's row and the item, so it is the same in every
    batch; a stranger is named by the history it brings.

    Attributes:
        key: `(1,)` drawn from the seed.
        num_items: `(1,)` how many items there are.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Nothing to choose but the seed."""

        def fit(self, train: Dataset, *, seed: int = 0) -> "Random":
            """Draw the key; the events are not looked at."""
            key = stream(seed, "random").integers(2**64, size=1, dtype=np.uint64)
            return Random(config=self, key=key, num_items=np.array([len(train.items)]))

    key: UInt64[np.ndarray, " one"]
    num_items: Int64[np.ndarray, " one"]
    paper: ClassVar[str] = ""
    listens: ClassVar[bool] = False

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Uniform in [0, 1), independent between users and between items."""
        users = Jagged(np.arange(len(batch) + 1), batch.users)
        by_user = list_keys(self.key[0], users.offsets, users.values)
        # ~key: a user's row and an item's row must not name the same stream.
        by_history = list_keys(~self.key[0], batch.offsets, batch.items)
        keys = np.where(batch.users >= 0, by_user, by_history)
        return uniform_block(keys, int(self.num_items[0]))
