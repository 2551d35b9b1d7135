"""What was learnt, kept as arrays and made again."""

from dataclasses import replace

import numpy as np
import pytest

from grapevine import training
from grapevine.errors import BundleError
from grapevine.models.together.config import Config
from grapevine.models.together.model import Together
from grapevine.tasks.together import Task

from .conftest import regressions

CONFIG = Config(width=5, epochs=2, relate=1.0)


def test_a_model_made_again_answers_the_same():
    tasks = regressions()
    model = training.fit(CONFIG, tasks)
    again = Together.restore(CONFIG, tasks, model.state())
    for name, said in model.says(tasks.inputs).items():
        np.testing.assert_array_equal(again.says(tasks.inputs)[name], said)
    np.testing.assert_array_equal(again.correlation(), model.correlation())


def test_the_arrays_of_another_network_are_refused():
    tasks = regressions()
    state = training.fit(CONFIG, tasks).state()
    with pytest.raises(BundleError, match="missing"):
        Together.restore(replace(CONFIG, share="mmoe"), tasks, state)


def test_answers_come_in_order_however_many_are_asked_at_a_time(monkeypatch):
    tasks = regressions()
    model = training.fit(CONFIG, tasks)
    whole = model.says(tasks.inputs)
    monkeypatch.setattr("grapevine.models.together.model.AT_ONCE", 7)
    for name, said in model.says(tasks.inputs).items():
        np.testing.assert_allclose(said, whole[name], rtol=1e-5, atol=1e-6)
    assert model.says(tasks.inputs[:0])["a"].shape == (0,)


def test_classes_are_learnt_beside_a_number():
    tasks = regressions(200)
    number = tasks.tasks["a"].targets
    kinds = np.digitize(number, [-0.5, 0.5])
    mixed = {
        "number": tasks.tasks["a"],
        "yes": Task.choice(number > 0, 2),
        "kind": Task.choice(kinds, 3),
    }
    config = Config(share="depth", steps="one-task", batch=50, epochs=15, learning_rate=0.03)
    model = training.fit(config, replace(tasks, tasks=mixed))
    said = model.says(tasks.inputs)
    assert {name: one.shape for name, one in said.items()} == {
        "number": (200,),
        "yes": (200,),
        "kind": (200, 3),
    }
    worth = model.worth("test")
    assert worth["number"] > 0.7
    assert worth["yes"] > 0.8
    assert worth["kind"] > 0.6
