import numpy as np
import pytest

from grapevine.errors import ConfigError
from grapevine.index import build as building
from grapevine.index.build import build, least, recall_of, without
from grapevine.structs import Ranking


@pytest.mark.parametrize("most", [1, 2, 7, 64, 1000])
def test_the_least_effort_is_found_wherever_it_lies(most):
    for first in range(1, most + 1):
        assert least(lambda effort, first=first: effort >= first, 1, most) == first
    assert least(lambda effort: False, 1, most) == most
    assert least(lambda effort: True, 5, most + 5) == 5


def ranking(items, scores):
    return Ranking(np.array(items, np.int32), np.array(scores, np.float32))


def test_recall_by_hand():
    truth = ranking([[1, 2, 3], [4, 5, -1]], [[9, 8, 7], [3, 2, -np.inf]])
    found = ranking([[1, 3, 6], [5, -1, -1]], [[9, 7, 1], [2, -np.inf, -np.inf]])
    assert recall_of(found, truth) == 3 / 5  # two of three, and one of two


def test_another_item_with_the_score_of_the_last_is_as_good():
    truth, found = ranking([[1, 2]], [[5, 4]]), ranking([[1, 7]], [[5, 4]])
    assert recall_of(found, truth) == 1


def test_whoever_asks_is_not_an_answer():
    found = without(ranking([[3, 1, 2]], [[9, 8, 7]]), np.array([3]), 2)
    assert found.items.tolist() == [[1, 2]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ivf", "hnsw", "pq"])
def test_more_recall_asked_for_is_searched_further_and_found(clustered, queries, kind):
    low = build(clustered, range(4000), kind=kind, recall=0.5).settings
    high = build(clustered, range(4000), kind=kind, recall=0.995).settings
    assert low.effort <= high.effort
    assert high.recall >= 0.985 >= low.recall - 0.5
    assert (high.queries, high.queries_from, high.recall_at) == (1000, "items", 10)


def test_the_least_effort_is_chosen(clustered):
    made = build(clustered, range(4000), kind="ivf", recall=0.97)
    assert made.settings.effort > 1
    truth = building.exact(clustered, clustered, 10)

    def recall(effort):
        object.__setattr__(made.settings, "effort", effort)
        return recall_of(made.search(clustered, 10), truth)

    # Measured on half of a sample, so that a hundredth is not to be told apart.
    effort = made.settings.effort
    assert recall(effort) > 0.95
    assert recall(effort - 1) < 0.99


def test_recall_is_that_of_what_will_be_asked(clustered):
    draw = np.random.default_rng(0)
    far = draw.standard_normal((500, 24)).astype(np.float32)
    made = build(clustered, range(4000), kind="ivf", queries=far, queries_from="users")
    assert (made.settings.queries, made.settings.queries_from) == (250, "users")
    truth = building.exact(far, clustered, 10)
    assert recall_of(made.search(far, 10), truth) == pytest.approx(made.settings.recall, abs=0.03)


def test_equal_vectors_do_not_count_against_an_index():
    vectors = np.ones((600, 4), np.float32)
    assert build(vectors, range(600), kind="ivf").settings.recall == 1


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw", "pq"])
@pytest.mark.parametrize("rows", [1, 2, 11])
def test_tiny_catalogues_are_searched_whole(clustered, kind, rows):
    made = build(clustered[:rows], range(rows), kind=kind)
    found = made.search(clustered[:3], 12)
    assert (np.sort(found.items, axis=1)[:, -rows:] == np.arange(rows)).all()


def test_auto_is_flat_up_to_a_million(clustered, monkeypatch):
    assert build(clustered, range(4000)).settings.kind == "flat"
    monkeypatch.setattr(building, "FLAT_ROWS", 3999)
    assert build(clustered, range(4000)).settings.kind == "ivf"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "ivff"}, r"no kind of index is called `ivff`\nhint: did you mean `ivf`"),
        ({"metric": "dot"}, "no metric is called `dot`"),
        ({"recall": 0.0}, "recall must be above 0"),
        ({"vectors": np.empty((0, 4), np.float32)}, "nothing to search"),
        ({"vectors": np.full((2, 4), np.inf, np.float32)}, "row 0 is not finite"),
        ({"ids": [1, 1]}, "distinct"),
    ],
)
def test_what_cannot_be_built_says_why(change, said):
    given = {"vectors": np.ones((2, 4), np.float32), "ids": [1, 2], **change}
    with pytest.raises(ConfigError, match=said):
        build(given.pop("vectors"), given.pop("ids"), **given)


def test_the_same_seed_builds_the_same(clustered):
    one, two = (build(clustered, range(4000), kind="ivf", seed=3) for _ in range(2))
    assert one.settings.effort == two.settings.effort
    assert (one.search(clustered, 5).items == two.search(clustered, 5).items).all()
