import gzip
import json
import logging

import numpy as np
import pytest
import torch

from grapevine.models.traces import TRACE
from grapevine.testing.learners import Tiny
from grapevine.testing.worlds import checkerboard, world
from grapevine.training import Session, train_with
from grapevine.training.profiling import SKIPPED, TAKEN, profiled

TRAIN = world(checkerboard(8, 8))


def named(path, name):
    """The spans of a trace that have a name."""
    events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    return [one for one in events if one.get("name") == name and one.get("ph") == "X"]


@pytest.mark.parametrize(
    ("steps", "looked_at"), [(1, 1), (2, 1), (7, 4), (SKIPPED + TAKEN + 3, TAKEN)]
)
def test_every_batch_comes_once_and_some_steps_are_recorded(steps, looked_at, tmp_path, caplog):
    caplog.set_level(logging.INFO, "grapevine")
    path = tmp_path / "logs" / TRACE
    seen = []
    for batch in profiled(iter(range(steps)), steps, path):
        seen.append(batch)
        torch.ones(4, 4) @ torch.ones(4, 4)
    assert seen == list(range(steps))
    assert len(named(path, "step")) == len(named(path, "waiting for a batch")) == looked_at
    assert len(named(path, "aten::mm")) == looked_at
    assert f"what, of {looked_at} steps" in caplog.text
    assert str(path) in caplog.text


def test_a_training_that_is_looked_at_learns_the_same(tmp_path):
    config = Tiny.Config(epochs=2)
    plain = train_with(config, TRAIN).model
    seen = train_with(config, TRAIN, session=Session(profile=tmp_path / TRACE)).model
    assert np.array_equal(plain.items, seen.items)
    assert len(named(tmp_path / TRACE, "step")) >= 1
