"""Together and alone by the same budget, and weights by validation."""

from dataclasses import replace

import numpy as np
import pytest

from grapevine import training
from grapevine.errors import ConfigError, DataError
from grapevine.models.together import Config
from grapevine.search.together import gains, weights
from grapevine.tasks.together import Task, Tasks

CONFIG = Config(width=4, epochs=3, batch=16)


def three(rows=80, *, noise=0.1, few=None):
    """Two tasks that ask for the same, and one for something else."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 5)).astype(np.float32)
    labels = np.stack([x[:, 0], x[:, 0], x[:, 1] * x[:, 2]], 1)
    labels = (labels + noise * draw.normal(size=labels.shape)).astype(np.float32)
    number = np.arange(rows)
    tasks = {name: Task(targets=column) for name, column in zip("abc", labels.T)}
    if few is not None:
        tasks["a"] = replace(tasks["a"], valid=(number < few) | (number % 2 == 1))
    return Tasks(inputs=x, tasks=tasks, validation=number % 4 == 1, test=number % 4 == 3)


def test_each_company_is_one_training_with_those_tasks():
    tasks = three().weighed({"c": 0.5})
    found = gains(CONFIG, tasks, seeds=(0, 3))
    assert found.tasks == ("a", "b", "c")
    for place, seed in enumerate((0, 3)):
        alone = training.fit(CONFIG, tasks.only("c"), seed=seed).worth("test")
        every = training.fit(CONFIG, tasks, seed=seed).worth("test")
        pair = training.fit(CONFIG, tasks.weighed({"b": 0}), seed=seed).worth("test")
        assert found.alone[place, 2] == alone["c"]
        assert found.together[place].tolist() == list(every.values())
        assert found.pairs[place, 0, 2] == pair["c"]
        assert found.pairs[place, 2, 0] == pair["a"]
        np.testing.assert_array_equal(np.diag(found.pairs[place]), found.alone[place])
    assert found.seconds_alone.shape == (2, 3)


def test_without_pairs_and_with_other_options_alone():
    other = replace(CONFIG, epochs=1)
    tasks = three()
    found = gains(
        lambda company: other if len(company) == 1 else CONFIG,
        tasks,
        seeds=(1,),
        pairs=False,
        part="validation",
    )
    assert found.pairs is None
    assert found.alone[0, 1] == training.fit(other, tasks.only("b"), seed=1).worths["b"]
    assert found.together[0, 1] == training.fit(CONFIG, tasks, seed=1).worths["b"]


def test_one_task_gains_nothing_from_itself():
    found = gains(CONFIG, three().only("b"), seeds=(0,))
    assert found.gained()["b"].mean == 0


@pytest.mark.slow
def test_a_task_with_few_labels_gains_from_its_copy():
    config = Config(width=8, epochs=30, batch=60, learning_rate=0.03)
    found = gains(config, three(240, few=12), seeds=(0, 1, 2)).transfer()
    assert found["b"]["a"].mean > 0.1
    assert found["c"]["a"].mean < 0


def test_weights_are_those_that_validate_best_and_all_are_told():
    tasks = three()
    found = weights(CONFIG, tasks, parts=4)
    points = [tuple(point.values()) for point, _ in found.tried]
    assert sorted(points) == [(0.25, 0.25, 0.5), (0.25, 0.5, 0.25), (0.5, 0.25, 0.25)]
    means = [np.mean(list(worths.values())) for _, worths in found.tried]
    best = found.tried[int(np.argmax(means))]
    assert {name: task.weight for name, task in found.tasks.tasks.items()} == best[0]
    assert found.model.worths == best[1]


def test_for_one_target_the_others_may_be_left_out():
    found = weights(CONFIG, three(), parts=2, target="a")
    points = [tuple(point.values()) for point, _ in found.tried]
    assert sorted(points) == [(0.5, 0, 0.5), (0.5, 0.5, 0), (1, 0, 0)]
    best = max(worths["a"] for _, worths in found.tried)
    assert found.model.worths["a"] == best


def test_test_examples_have_no_say_in_the_weights():
    tasks = three()
    noise = np.random.default_rng(5).normal(size=80).astype(np.float32)
    other = replace(
        tasks,
        tasks={
            name: replace(task, targets=np.where(tasks.test, noise, task.targets))
            for name, task in tasks.tasks.items()
        },
    )
    assert weights(CONFIG, tasks).tried == weights(CONFIG, other).tried


def test_what_cannot_be_measured_is_refused():
    tasks = three()
    with pytest.raises(ConfigError, match="on validation or test"):
        gains(CONFIG, tasks, part="train")
    with pytest.raises(DataError, match="`a` has no label in test"):
        gains(CONFIG, replace(tasks, test=None))
    with pytest.raises(DataError, match="`a` has no label to validate with"):
        weights(CONFIG, replace(tasks, validation=None))
    with pytest.raises(ConfigError, match="at least as many parts: got 2"):
        weights(CONFIG, tasks, parts=2)
    with pytest.raises(ConfigError, match="no task is called `d`"):
        weights(CONFIG, tasks, target="d")
    with pytest.raises(ConfigError, match="searched where they are constant"):
        weights(replace(CONFIG, weigh="uncertainty"), tasks)
