"""The vectors of a run's items, whatever its model."""

import numpy as np
from jaxtyping import Float32

from grapevine.errors import ConfigError
from grapevine.models import MODELS
from grapevine.models.base import Embeds, Factored
from grapevine.models.run import Run
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


def item_vectors(run: Run) -> tuple[Float32[np.ndarray, "items width"], dict[str, int]]:
    """One vector an item, and what the model counted while it made them.

    Raises:
        ConfigError: the model has none.
    """
    model = run.model
    if isinstance(model, Embeds):
        return model.item_vectors()
    if isinstance(model, Factored):
        # The item side is the same whoever asks: somebody without a history will do.
        return model.products(Batch.of_histories(Jagged.empty(1))).items, {}
    able = [
        name
        for name, row in MODELS.items()
        if hasattr(row.model, "item_vectors") or hasattr(row.model, "products")
    ]
    raise ConfigError(
        f"{run.name} has no vectors: its scores are not products of one vector with another",
        hint=f"models that have: {', '.join(sorted(able))}",
    )
