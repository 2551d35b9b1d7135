import numpy as np
import pytest

from grapevine.structs import Features, Jagged

TITLES = Jagged.from_lists([[3, 1], [], [2]])


def test_taking_rows_takes_every_kind():
    every = Features(
        tokens={"title": TITLES},
        numbers=np.arange(6, dtype=np.float32).reshape(3, 2),
        vectors={"taste": np.eye(3, dtype=np.float32)},
        images=np.arange(3, dtype=np.uint8).repeat(12).reshape(3, 3, 2, 2),
    )
    some = every.take(np.array([2, 0, 2]))
    assert len(every) == len(some) == 3
    assert [part.tolist() for part in some.tokens["title"]] == [[2], [3, 1], [2]]
    assert some.numbers is not None
    assert some.numbers[:, 0].tolist() == [4, 0, 4]
    assert some.vectors["taste"].argmax(1).tolist() == [2, 0, 2]
    assert some.images is not None
    assert some.images[:, 0, 0, 0].tolist() == [2, 0, 2]


def test_kinds_that_tell_of_different_items_are_refused():
    with pytest.raises(ValueError, match=r"'tokens of title': 3, 'numbers': 2"):
        Features(tokens={"title": TITLES}, numbers=np.zeros((2, 1), np.float32))


def test_nothing_known_is_not_a_feature():
    with pytest.raises(ValueError, match="none"):
        Features()
