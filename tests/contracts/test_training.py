"""Every model that is trained goes on to the bit from wherever it was stopped."""

from dataclasses import replace

import polars as pl
import pytest

from grapevine.models import MODELS
from grapevine.models.base import Trained
from grapevine.testing.resuming import check_resuming
from grapevine.testing.worlds import checkerboard, world

ASK_A_PART = {"rgcn", "hgt"}
"""Of whose pairs an epoch hears those that it does not ask for."""
NAMES = sorted(name for name, row in MODELS.items() if isinstance(row.config, Trained))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_trained_model_goes_on_to_the_bit(name, tmp_path):
    data = world(checkerboard(16, 16))
    titles = data.item_table.with_columns(title=pl.col("item_id").cast(pl.String))
    described = replace(data.schema, items={"title": "title"})
    data = replace(data, item_table=titles, schema=described)
    config = replace(MODELS[name].config, epochs=2)
    assert check_resuming(config, data, tmp_path) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_every_trained_model_tells_how_many_examples_an_epoch_has(name):
    data = world(checkerboard(16, 16))
    batches = MODELS[name].config.learner(data, seed=5).batches(0)
    # Each pair once; of a history each event but the first, which nothing comes before.
    followers = len(data.interactions) - len(data.users)
    if name in ASK_A_PART:
        assert 0 < batches.examples < len(data.interactions)
    elif getattr(MODELS[name].config, "ends_early", 0):
        assert len(data.users) <= batches.examples < followers
    else:
        assert batches.examples in (len(data.interactions), followers)
