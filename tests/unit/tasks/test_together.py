"""What is asked of which examples, and how good an answer is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine.errors import ConfigError, DataError
from grapevine.tasks.together import (
    Task,
    Tasks,
    accuracy,
    explained,
    one_of,
    squared,
    yes_or_no,
)

NAN = float("nan")


def floats(*values):
    return np.array(values, np.float32)


def asked(**changes):
    """Six examples: `price` lacks two labels, `bought` says for itself which it has."""
    given = {
        "inputs": np.arange(12, dtype=np.float32).reshape(6, 2),
        "tasks": {
            "price": Task(targets=floats(1, NAN, 3, 4, 5, NAN)),
            "bought": replace(
                Task.choice(np.array([0, 1, 1, 0, 1, 0]), 2),
                valid=np.array([1, 1, 0, 1, 1, 1], bool),
            ),
        },
        "validation": np.array([0, 0, 0, 1, 1, 0], bool),
        "test": np.array([0, 0, 0, 0, 0, 1], bool),
    }
    return Tasks(**{**given, **changes})


def test_a_task_has_the_rows_that_have_its_label():
    tasks = asked()
    assert tasks.rows("price", "train").tolist() == [0, 2]
    assert tasks.rows("bought", "train").tolist() == [0, 1]
    assert tasks.rows("price", "validation").tolist() == [3, 4]
    assert tasks.rows("price", "test").tolist() == []
    assert asked(validation=None, test=None).rows("price", "train").tolist() == [0, 2, 3, 4]


def test_what_stands_where_there_is_no_label_is_nothing_that_spreads():
    task = Task(targets=np.array([[1, NAN], [2, 3]]))
    assert task.targets.tolist() == [[0, 0], [2, 3]]
    assert task.known.tolist() == [False, True]


def test_worth_is_by_the_labels_of_a_part_and_nan_where_there_are_none():
    tasks = asked()
    said = {"price": floats(4, 5), "bought": floats(-1, -1)}
    assert tasks.worth(said, "validation") == {"price": 1.0, "bought": 0.5}
    worth = tasks.worth({"price": floats(), "bought": floats(-2)}, "test")
    assert np.isnan(worth["price"])
    assert worth["bought"] == 1.0


def test_metrics_by_hand():
    labels = floats(1, 2, 3, 6)
    assert explained(labels, labels) == 1
    assert explained(np.full(4, 3.0), labels) == 0
    # Errors 1, 1, 1, 1 over deviations 4, 1, 0, 9.
    assert explained(labels + 1, labels) == pytest.approx(1 - 4 / 14)
    assert np.isnan(explained(floats(1, 2), floats(3, 3)))
    assert accuracy(np.eye(3)[[0, 1, 1]], np.array([0, 1, 2])) == pytest.approx(2 / 3)


def test_losses_by_hand():
    said, truth = torch.tensor([0.0, 2.0]), torch.tensor([1.0, 0.0])
    assert squared(said, truth).tolist() == [1, 4]
    wanted = [np.log(2), np.log1p(np.exp(2))]
    assert yes_or_no(said, truth).tolist() == pytest.approx(wanted)
    assert one_of(torch.zeros(1, 4), torch.tensor([2])).tolist() == pytest.approx([np.log(4)])


def test_one_task_alone_and_other_weights():
    tasks = asked()
    assert list(tasks.only("bought").trained) == ["bought"]
    assert tasks.weighed({"price": 0.25}).tasks["price"].weight == 0.25
    assert tasks.weighed({"price": 0.25}).tasks["bought"].weight == 1
    with pytest.raises(ConfigError, match="no task is called `prize`"):
        tasks.only("prize")
    with pytest.raises(ConfigError, match="every task has weight 0"):
        tasks.only().trained  # noqa: B018


def test_the_fingerprint_tells_all_that_is_learnt_from():
    tasks = asked()
    price = tasks.tasks["price"]
    others = [
        asked(inputs=tasks.inputs + 1),
        asked(test=None),
        asked(make=torch.nn.Linear),
        tasks.weighed({"price": 0.5}),
        asked(tasks={"price": price}),
        asked(tasks={**tasks.tasks, "price": replace(price, targets=price.targets + 1)}),
        asked(tasks={**tasks.tasks, "price": replace(price, loss=yes_or_no)}),
        asked(tasks={**tasks.tasks, "price": replace(price, valid=np.ones(6, bool))}),
    ]
    assert asked().fingerprint == tasks.fingerprint
    assert len({one.fingerprint for one in [tasks, *others]}) == 9


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tasks": {}}, "there is no task"),
        ({"inputs": floats(1, 2, 3, 4, 5, 6)}, "a row for each example"),
        ({"tasks": {"a": Task(targets=floats(1))}}, "`a` has 1 labels for 6 examples"),
        ({"test": np.ones(2, bool)}, "as many: got 2"),
        ({"test": np.ones(6, bool)}, "2 examples are in validation and in test"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, said):
    with pytest.raises((ConfigError, DataError), match=said):
        asked(**changes)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weight": -1.0}, "must not be negative"),
        ({"weight": NAN}, "must not be negative"),
        ({"outputs": 0}, "has an output"),
        ({"valid": np.ones(3, bool)}, "1 labels, and 3 say"),
    ],
)
def test_an_impossible_task_is_refused(options, said):
    with pytest.raises((ConfigError, DataError), match=said):
        Task(targets=floats(1), **options)
