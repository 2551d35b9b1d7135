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
        return _item_side(model), {}
    able = [
        name
        for name, row in MODELS.items()
        if hasattr(row.model, "item_vectors") or hasattr(row.model, "products")
    ]
    raise ConfigError(
        f"{run.name} has no vectors: its scores are not products of one vector with another",
        hint=f"models that have: {', '.join(sorted(able))}",
    )


def scored_vectors(run: Run) -> tuple[Float32[np.ndarray, "items width"], dict[str, int]]:
    """What an item's score is a product with: its vector, and one column more for its bias.

    Where scores are no products it is the vector.

    Raises:
        ConfigError: the model has none.
    """
    found, counted = item_vectors(run)
    return (_item_side(run.model) if isinstance(run.model, Factored) else found), counted


def _item_side(model: Factored) -> Float32[np.ndarray, "items width"]:
    """It is the same whoever asks: somebody without a history will do."""
    return model.products(Batch.of_histories(Jagged.empty(1))).items
