"""What every model must keep, whoever wrote it."""

from dataclasses import replace
from typing import Any

import numpy as np

from grapevine import training
from grapevine.data.dataset import Dataset
from grapevine.models.base import Config, Model, Trained
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


def briefly(config: Any, epochs: int = 8) -> Any:
    """The same options with at most so many epochs, for what holds however little was learnt."""
    return replace(config, epochs=epochs) if getattr(config, "epochs", 0) > epochs else config


def check_model(config: Config[Model] | Trained[Model], data: Dataset) -> None:
    """Fit on the data and hold the model to its contract.

    A score for every question and item, never NaN; the same in any batch; the same after saving;
    the same for the same seed; an answer for strangers, with a history and without.

    Raises:
        AssertionError: what was broken.
    """
    model = training.fit(config, data, seed=3)
    batch = data.interactions.batch(np.arange(len(data.users)))
    scores = np.array(model.score(batch))
    shape = (len(data.users), len(data.items))
    assert scores.shape == shape, f"scores are {scores.shape}, wanted {shape}"
    assert scores.dtype == np.float32, f"scores are {scores.dtype}, wanted float32"
    assert not np.isnan(scores).any(), "a score is NaN"
    assert (scores < np.inf).all(), "a score is infinite"

    # Rounding grows with the scores: a cosine over a small temperature is tens.
    most = float(np.abs(scores[np.isfinite(scores)]).max(initial=1.0))
    for user in range(len(batch)):
        alone = model.score(batch.slice(user, user + 1))[0]
        np.testing.assert_allclose(
            alone, scores[user], rtol=1e-5, atol=1e-6 * most, err_msg="a score depends on its batch"
        )

    state = model.state()
    restored = type(model).restore(config, {name: part.copy() for name, part in state.items()})
    np.testing.assert_array_equal(restored.score(batch), scores, "a score changed in saving")
    for name, part in training.fit(config, data, seed=3).state().items():
        np.testing.assert_array_equal(part, state[name], f"{name} differs for the same seed")

    strangers = Batch.of_histories(
        Jagged.from_lists([[], [0], list(range(len(data.items)))]),
        behaviour=data.schema.target_row,
    )
    assert not np.isnan(model.score(strangers)).any(), "a stranger's score is NaN"
