"""Every model that is trained goes on to the bit from wherever it was stopped."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from grapevine import training
from grapevine.models import MODELS
from grapevine.models.base import Trained
from grapevine.testing.worlds import checkerboard, world

NAMES = sorted(name for name, row in MODELS.items() if isinstance(row.config, Trained))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_trained_model_goes_on_to_the_bit(name, tmp_path):
    data = world(checkerboard(16, 16))
    titles = data.item_table.with_columns(title=pl.col("item_id").cast(pl.String))
    described = replace(data.schema, items={"title": "title"})
    data = replace(data, item_table=titles, schema=described)
    config = replace(MODELS[name].config, epochs=2)
    session = training.Session(folder=tmp_path, time_limit=1e-9)
    steps = [training.train_with(config, data, seed=5, session=session).record["steps"]]
    while True:  # a session for each step: every state there is goes through a file
        going_on = replace(session, resume=True)
        outcome = training.train_with(config, data, seed=5, session=going_on)
        if outcome.record["stopped_by"] != "time limit":
            break
        steps.append(outcome.record["steps"])
    assert steps == list(range(1, len(steps) + 1))
    wanted = training.fit(config, data, seed=5).state()
    found = outcome.model.state()
    assert found.keys() == wanted.keys()
    for part, value in wanted.items():
        np.testing.assert_array_equal(found[part], value, part)


@pytest.mark.parametrize("name", NAMES)
def test_every_trained_model_tells_how_many_examples_an_epoch_has(name):
    data = world(checkerboard(16, 16))
    batches = MODELS[name].config.learner(data, seed=5).batches(0)
    # Each pair once; of a history each event but the first, which nothing comes before.
    assert batches.examples in (len(data.interactions), len(data.interactions) - len(data.users))
