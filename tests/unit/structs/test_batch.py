from dataclasses import replace

import numpy as np
import pytest

from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged


@pytest.fixture
def batch() -> Batch:
    """User 3 did 5, an unknown item and 7; a stranger did nothing."""
    return Batch(
        users=np.array([3, -1]),
        offsets=np.array([0, 3, 3]),
        items=np.array([5, -1, 7], np.int32),
        behaviours=np.array([0, 0, 1], np.uint8),
        times=np.array([10, 20, 30]),
        asked_at=np.array([31, 0]),
    )


def test_a_history_keeps_what_is_unknown(batch):
    assert len(batch) == 2
    assert [part.tolist() for part in batch.history] == [[5, -1, 7], []]


def test_seen_is_what_is_known(batch):
    assert [part.tolist() for part in batch.seen()] == [[5, 7], []]
    assert [part.tolist() for part in batch.seen(behaviour=1)] == [[7], []]
    assert [part.tolist() for part in batch.seen(behaviour=2)] == [[], []]


def test_strangers_have_a_history_and_no_row():
    histories = Jagged.from_lists([[4, 2], [], [7]])
    batch = Batch.of_histories(histories, behaviour=2)
    assert batch.users.tolist() == [-1, -1, -1]
    assert [part.tolist() for part in batch.history] == [[4, 2], [], [7]]
    assert batch.behaviours.tolist() == [2, 2, 2]
    assert batch.times.tolist() == [0, 1000, 0]
    # Everyone is asked after their last event, one second a step.
    assert batch.asked_at.tolist() == [2000, 0, 1000]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("column", ["items", "behaviours", "times"])
def test_columns_of_different_lengths_are_refused(batch, column):
    with pytest.raises(ValueError, match="columns must pair up"):
        replace(batch, **{column: getattr(batch, column)[:-1]})


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("column", ["users", "asked_at"])
def test_questions_without_a_history_are_refused(batch, column):
    with pytest.raises(ValueError, match="2 histories"):
        replace(batch, **{column: getattr(batch, column)[:-1]})
