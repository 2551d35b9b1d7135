"""Which task a step is of, and which examples it has."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare

from grapevine.models.base import Batches
from grapevine.models.together.batches import Epoch
from grapevine.models.together.config import Config
from grapevine.tasks.together import Task, Tasks

from .conftest import regressions

SIZES = {"large": 60, "middle": 30, "small": 10}


def of_sizes(**options):
    """Examples of one task each; the label is the number of the example."""
    number = np.arange(sum(SIZES.values()), dtype=np.float32)
    owner = np.repeat(list(SIZES), list(SIZES.values()))
    tasks = {
        name: Task(targets=np.where(owner == name, number, np.nan), **options) for name in SIZES
    }
    return Tasks(inputs=number[:, None], tasks=tasks)


def epochs(tasks, count=1, **options):
    config = Config(steps="one-task", **options)
    return [Epoch(tasks, config, seed=3, epoch=epoch) for epoch in range(count)]


def of_one(batch):
    (name,) = batch.labels
    return name


def test_an_epoch_of_steps_of_one_task_has_every_label_once():
    (epoch,) = epochs(of_sizes(), batch=8)
    assert isinstance(epoch, Batches)
    found = [epoch[step] for step in range(len(epoch))]
    labels = np.concatenate([batch.labels[of_one(batch)].numpy() for batch in found])
    assert sorted(labels.tolist()) == list(range(100))
    assert all(batch.valid[of_one(batch)].all() for batch in found)
    # 60 / 8, 30 / 8 and 10 / 8, rounded up.
    assert Counter(map(of_one, found)) == {"large": 8, "middle": 4, "small": 2}
    assert epoch.examples == 100


@pytest.mark.parametrize("temper", [1.0, 0.5])
def test_tasks_come_in_proportion_to_their_sizes(temper):
    shares = np.array(list(SIZES.values())) ** temper
    found = epochs(of_sizes(), 200, batch=1, temper=temper)
    counts = Counter(of_one(found[0][step]) for step in range(len(found[0])))
    turns = np.array([counts[name] for name in SIZES])
    np.testing.assert_allclose(turns, 100 * shares / shares.sum(), atol=1)
    first = Counter(of_one(one[0]) for one in found)
    assert chisquare([first[name] for name in SIZES], 2 * turns).pvalue > 0.001


def test_a_task_can_have_a_batch_of_its_own_size():
    tasks = of_sizes()
    small = replace(tasks.tasks["small"], batch=2)
    (epoch,) = epochs(replace(tasks, tasks={**tasks.tasks, "small": small}), batch=10)
    sizes = {(of_one(batch), len(batch.x)) for batch in (epoch[n] for n in range(len(epoch)))}
    assert sizes == {("large", 10), ("middle", 10), ("small", 2)}


def test_tasks_above_each_other_come_one_after_the_other():
    (epoch,) = epochs(of_sizes(), batch=20, share="depth")
    found = [epoch[step] for step in range(len(epoch))]
    assert [of_one(batch) for batch in found] == ["large"] * 3 + ["middle"] * 2 + ["small"]
    assert [batch.turns for batch in found] == [True, False, False, True, False, True]
    assert [batch.opens for batch in found] == [True] + [False] * 5
    assert [batch.closes for batch in found] == [False] * 5 + [True]


def test_examples_with_all_labels_come_once_and_say_which_they_have():
    tasks = regressions(80, missing=0.4)
    epoch = Epoch(tasks, Config(batch=7), seed=0, epoch=2)
    found = [epoch[step] for step in range(len(epoch))]
    rows = [np.flatnonzero((tasks.inputs == one).all(1))[0] for b in found for one in b.x.numpy()]
    either = set(tasks.rows("a", "train")) | set(tasks.rows("b", "train"))
    assert sorted(rows) == sorted(either)
    for name, task in tasks.tasks.items():
        valid = np.concatenate([batch.valid[name].numpy() for batch in found])
        labels = np.concatenate([batch.labels[name].numpy() for batch in found])
        np.testing.assert_array_equal(valid, task.known[rows])
        np.testing.assert_array_equal(labels, task.targets[rows])
    assert 0 < valid.mean() < 1


def test_a_task_without_weight_is_not_there():
    tasks = of_sizes().weighed({"large": 0.0})
    (epoch,) = epochs(tasks, batch=10)
    assert {of_one(epoch[step]) for step in range(len(epoch))} == {"middle", "small"}
    assert len(Epoch(tasks, Config(batch=1), seed=0, epoch=0)) == 40


def test_a_step_depends_on_seed_and_epoch_alone():
    def inputs(seed, epoch):
        return tuple(Epoch(of_sizes(), Config(), seed, epoch)[0].x[:, 0].tolist())

    assert inputs(1, 2) == inputs(1, 2)
    assert len({inputs(seed, epoch) for seed in (1, 2) for epoch in (2, 3)}) == 4
