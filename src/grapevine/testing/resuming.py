"""A training that is stopped after every step must end where one that is not ends, to the bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from grapevine import training
from grapevine.data.dataset import Dataset
from grapevine.models.base import Trained


def check_resuming(config: Trained, data: Dataset, folder: Path, *, seed: int = 5) -> int:
    """Train a step a session, so that every state goes through a file, and at once; how many steps.

    Args:
        config: the options of what is trained.
        data: to train on.
        folder: for the run that is stopped.
        seed: of both.
    """
    session = training.Session(folder=folder, time_limit=1e-9)
    outcome = training.train_with(config, data, seed=seed, session=session)
    steps = []
    while outcome.record["stopped_by"] == "time limit":
        steps.append(outcome.record["steps"])
        going_on = replace(session, resume=True)
        outcome = training.train_with(config, data, seed=seed, session=going_on)
    assert steps == list(range(1, len(steps) + 1))
    found, wanted = outcome.model.state(), training.fit(config, data, seed=seed).state()
    assert found.keys() == wanted.keys()
    for part, value in wanted.items():
        np.testing.assert_array_equal(found[part], value, part)
    return len(steps)
