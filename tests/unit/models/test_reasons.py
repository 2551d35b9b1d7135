from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest

from grapevine.models import MODELS
from grapevine.models.item_knn import ItemKNN
from grapevine.models.reasons import NO_REASON, Reason, in_words, reasons
from grapevine.models.run import Run
from grapevine.structs import NeighbourTable
from grapevine.testing.worlds import checkerboard, world

RECORD = {"seed": 0, "train_seconds": 0.1, "events": 66, "split": {}}


@dataclass(frozen=True, kw_only=True)
class WalkedKNN(ItemKNN):
    """item-knn that says it listens along walks: 2 hears 0, and 4 hears 2."""

    @property
    def neighbours(self):
        nodes = np.full((12, 1), -1, np.int32)
        weights = np.zeros((12, 1), np.float32)
        nodes[0], nodes[2] = 2, 4
        weights[0] = weights[2] = 1
        return NeighbourTable(nodes, weights)


@pytest.fixture
def run():
    data = world(checkerboard())
    return Run.of("item-knn", MODELS["item-knn"].config.fit(data, seed=0), data, RECORD, None)


def test_people_who_took_both_are_counted(run):
    # Users 0, 2, .. 10 take the even items but their own: all but users 0 and 4 took both.
    (found,) = reasons(run, run.questions([4]), [4], most=100)
    by_item = {part.item: part for part in found}
    assert by_item[0].together == 4
    assert by_item[0].path is None
    assert sum(part.share for part in found) == pytest.approx(1)


def test_walks_are_told_straight_and_through_another(run):
    model = run.model
    walked = replace(run, model=WalkedKNN(config=model.config, **model.state()))
    (found,) = reasons(walked, walked.questions([4]), [4], most=100)
    by_item = {part.item: part for part in found}
    assert by_item[2].path.share == 1
    assert by_item[0].path.via == 2
    assert "100.0% of its walks lead here through 2" in in_words(walked, [by_item[0]])
    assert "walks" not in in_words(walked, [by_item[6]])


@pytest.mark.parametrize(
    ("together", "said"),
    [
        (0, "goes with 4 (80% of the case)"),
        (1, "goes with 4 (80% of the case; 1 person took both)"),
        (1200, "goes with 4 (80% of the case; 1,200 people took both)"),
    ],
)
def test_one_is_a_person_and_more_are_people(run, together, said):
    assert in_words(run, [Reason(item=4, share=0.8, together=together)]) == said


def test_a_table_tells_in_words_and_in_numbers(run):
    table = run.recommend(users=[4], k=1, why=True)
    assert " people took both)" in table["why"][0]
    (first, second) = table["evidence"][0].to_list()
    assert first["share"] >= second["share"] > 0
    assert (first["walks"], first["via"], first["attention"]) == (None, None, None)
    assert "attention" not in table["why"][0]


def test_an_item_that_was_met_speaks_for_itself(run):
    class Begun(type(run.model)):
        """item-knn to which an item is like itself."""

        def score(self, asked):
            own = np.zeros((len(asked.offsets) - 1, 12), np.float32)
            for row, (start, end) in enumerate(pairwise(asked.offsets)):
                own[row, asked.items[start:end]] = 3
            return super().score(asked) + own

    begun = replace(run, model=Begun(config=run.model.config, **run.model.state()))
    asked = begun.questions([4])
    met = int(asked.items[0])
    (found,) = reasons(begun, asked, [met], most=100)
    (own,) = [part for part in found if part.itself]
    assert own is found[0]
    assert (own.item, own.together, own.path) == (met, 0, None)
    others = [part for part in found if not part.itself]
    assert others
    assert sum(part.share for part in found) == pytest.approx(1)
    said = in_words(begun, found)
    assert said.startswith(f"met before in this history ({own.share:.0%} of the case); goes with ")
    assert in_words(begun, [own]) == f"met before in this history ({own.share:.0%} of the case)"


def test_nothing_is_claimed_where_nothing_speaks(run):
    table = run.recommend(histories=[[]], k=1, why=True)
    assert table["why"][0] == NO_REASON
    assert table["evidence"][0].to_list() == []
