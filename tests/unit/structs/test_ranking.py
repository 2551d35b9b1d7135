import numpy as np
import pytest

from grapevine.structs.ranking import Ranking


def test_a_ranking_counts_its_questions():
    assert len(Ranking(np.zeros((3, 2), np.int32), np.zeros((3, 2), np.float32))) == 3


@pytest.mark.usefixtures("unchecked")
def test_items_and_scores_must_pair_up():
    with pytest.raises(ValueError, match=r"got \(3, 2\) and \(3, 1\)"):
        Ranking(np.zeros((3, 2), np.int32), np.zeros((3, 1), np.float32))
