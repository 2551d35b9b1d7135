"""Which events a history-based model learns from, and the same choice when it is asked.

One rule for everyone: such a model scores `history x similarity`, so a known user and a stranger
with the same history get the same scores, events since training count too, and "what goes with
this item" is a history of length one.
"""

from typing import Literal

import numpy as np
from jaxtyping import Int64

from grapevine.data.dataset import Dataset
from grapevine.data.interactions import Interactions
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged

Behaviours = Literal["target", "all"]
"""Only events of the behaviour that is predicted, or events of every behaviour alike."""


def training_events(
    train: Dataset, behaviours: Behaviours
) -> tuple[Interactions, Int64[np.ndarray, " one"]]:
    """The events to learn from, and which behaviour they are: -1 for all."""
    if behaviours == "all":
        return train.interactions, np.array([-1])
    return train.target_interactions, np.array([train.schema.target_row])


def asked_history(batch: Batch, behaviour: Int64[np.ndarray, " one"]) -> Jagged:
    """The known items of each history that the model listens to, in order."""
    return batch.seen(None if behaviour[0] < 0 else int(behaviour[0]))
