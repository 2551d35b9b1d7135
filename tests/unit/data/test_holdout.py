from dataclasses import replace

import numpy as np
import pytest

from grapevine.data.holdout import Holdout
from grapevine.data.interactions import Interactions
from grapevine.structs.jagged import Jagged


@pytest.fixture
def holdout() -> Holdout:
    """User 0 did 1, then 2; user 1 did 0; what comes next is asked of 1, 0 and a stranger."""
    return Holdout(
        name="test",
        users=np.array([1, 0, -1]),
        targets=Jagged.from_lists([[2], [0, 1], [-1]]),
        history=Interactions(
            offsets=np.array([0, 2, 3]),
            items=np.array([1, 2, 0], np.int32),
            behaviours=np.zeros(3, np.uint8),
            times=np.array([1, 2, 1]),
            num_items=3,
        ),
        asked_at=np.array([5, 6, 7]),
    )


def test_questions_carry_the_history_and_the_time_but_not_the_answer(holdout):
    batch = holdout.questions(1, 3)
    assert batch.users.tolist() == [0, -1]
    assert [part.tolist() for part in batch.history] == [[1, 2], []]
    assert batch.asked_at.tolist() == [6, 7]


def test_any_blocks_make_the_same_questions(holdout):
    whole = holdout.questions(0, len(holdout))
    parts = [holdout.questions(n, n + 1) for n in range(len(holdout))]
    assert np.concatenate([part.items for part in parts]).tolist() == whole.items.tolist()
    assert [part.users[0] for part in parts] == whole.users.tolist()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("column", ["users", "asked_at"])
def test_every_question_has_its_answer(holdout, column):
    with pytest.raises(ValueError, match="3 lists of targets"):
        replace(holdout, **{column: getattr(holdout, column)[:-1]})


def test_a_question_without_an_answer_is_refused(holdout):
    with pytest.raises(ValueError, match="a query without a target"):
        replace(holdout, targets=Jagged.from_lists([[2], [], [1]]))
