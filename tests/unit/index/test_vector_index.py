import numpy as np
import polars as pl
import pytest

from grapevine.errors import ConfigError
from grapevine.index.build import build
from grapevine.index.exact import exact
from grapevine.index.vector_index import FILTERED_SHARE
from grapevine.models.conditions import items_where
from grapevine.random import stream

IDS = [f"item-{row:05d}" for row in range(4000)]


@pytest.fixture(scope="module", params=["flat", "ivf", "hnsw", "pq"])
def index(request, clustered, examples):
    return build(clustered, IDS, kind=request.param, queries=examples)


def recall(found, truth):
    hits = (found.items[:, :, None] == truth.items[:, None, :]) & (found.items >= 0)[:, :, None]
    return hits.any(1).sum() / (truth.items >= 0).sum()


def test_it_finds_what_looking_at_everything_finds(index, clustered, queries):
    found, truth = index.search(queries, 10), exact(queries, clustered, 10)
    assert recall(found, truth) >= (1 if index.settings.kind == "flat" else 0.85)
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_scores_are_those_of_the_vectors_themselves(index, clustered, queries):
    found = index.search(queries, 5)
    true = np.einsum("qw,qkw->qk", queries, clustered[found.items])
    assert np.allclose(found.scores, true, rtol=1e-4, atol=1e-4)


def test_a_narrow_filter_is_exact_whatever_the_kind(index, clustered, queries):
    table = pl.DataFrame({"item_id": IDS, "price": np.arange(4000) / 100})
    allow = items_where(table, "price<1.5")
    assert allow.mean() < FILTERED_SHARE
    found = index.search(queries, 10, allow=allow)
    assert (found.items == exact(queries, clustered, 10, allow=allow).items).all()


@pytest.mark.parametrize("share", [0.06, 0.2, 0.7])
def test_a_wider_filter_is_kept_to_and_finds_most(index, clustered, queries, share):
    allow = stream(2, "allow").random(len(clustered)) < share
    found = index.search(queries, 10, allow=allow)
    assert allow[found.items].all()
    assert recall(found, exact(queries, clustered, 10, allow=allow)) >= 0.85


def test_no_list_is_short_while_there_is_enough_to_fill_it(index, clustered, queries):
    # Only what lies farthest from everything asked: a search that stops early finds none of it.
    allow = (queries @ clustered.T).max(0).argsort().argsort() < 300
    found = index.search(queries, 50, allow=allow)
    assert (found.items >= 0).all()
    assert allow[found.items].all()


def test_fewer_allowed_than_asked_for_leaves_the_rest_empty(index, queries):
    allow = np.zeros(4000, bool)
    allow[[5, 6]] = True
    found = index.search(queries, 4, allow=allow)
    assert (np.sort(found.items, axis=1)[:, :2] == -1).all()
    assert (found.scores[found.items < 0] == -np.inf).all()
    assert (index.search(queries, 3, allow=np.zeros(4000, bool)).items == -1).all()


def test_what_is_deleted_is_not_found_from_that_moment_on(index, queries):
    before = index.search(queries, 1)
    gone = np.unique(before.items)
    after = index.delete(index.take(gone))
    assert not np.isin(after.search(queries, 10).items, gone).any()
    assert len(after) == len(index) - len(gone)
    assert (index.search(queries, 1).items == before.items).all()  # the old value is as it was
    with pytest.raises(ConfigError, match="this index has no `item-"):
        after.delete(index.take(gone[:1]))


def test_what_is_added_is_found_beside_the_rest(index, queries):
    more = index.add(100 * queries, [f"new-{row}" for row in range(len(queries))])
    found = more.search(queries, 2)
    assert more.take(found.items[:, 0]).to_list() == [f"new-{row}" for row in range(len(queries))]
    assert len(more) == len(index) + len(queries)
    rows = more.rows(["new-3", "item-00007", "nobody"])
    assert rows.tolist() == [4003, 7, -1]


def test_adding_a_known_id_replaces_it(index, queries):
    more = index.add(100 * queries[:1], ["item-00007"])
    assert len(more) == len(index)
    assert more.take(more.search(queries[:1], 1).items[0]).to_list() == ["item-00007"]
    assert 7 not in more.search(queries, 50).items
    again = more.add(-100 * queries[:1], ["item-00007"])
    assert len(again) == len(index)
    assert again.rows(["item-00007"]).tolist() == [4001]


def test_filters_reach_what_was_added(index, queries):
    more = index.add(100 * queries[:1], ["new"]).delete(["item-00001"])
    allow = np.ones(4001, bool)
    assert 4000 in more.search(queries[:1], 1, allow=allow).items
    allow[4000] = False
    assert not np.isin(more.search(queries[:1], 50, allow=allow).items, [4000, 1]).any()
    with pytest.raises(ConfigError, match="allow has 4000 entries for 4001 rows"):
        more.search(queries, 1, allow=allow[:4000])


def test_a_fresh_index_of_the_living_answers_alike(clustered, queries):
    index = build(clustered, IDS, kind="flat")
    changed = index.add(2 * clustered[:30], [f"new-{row}" for row in range(30)])
    changed = changed.delete([*IDS[100:200], "new-3"])
    fresh = build(*changed.live(), kind="flat")
    old, new = changed.search(queries, 20), fresh.search(queries, 20)
    assert changed.take(old.items).to_list() == fresh.take(new.items).to_list()
    assert len(fresh) == len(changed) == 4000 + 30 - 101


def test_cosine_does_not_look_at_lengths(clustered, queries):
    index = build(clustered, IDS, kind="flat", metric="cosine")
    unit = clustered / np.linalg.norm(clustered, axis=1, keepdims=True)
    found = index.search(7 * queries, 5)
    assert (found.items == exact(queries, unit, 5).items).all()
    assert (np.abs(found.scores) <= 1 + 1e-5).all()
    assert index.search(np.zeros((1, 24), np.float32), 1).scores.tolist() == [[0.0]]


def test_a_query_of_another_width_or_not_finite_is_refused(index, queries):
    with pytest.raises(ConfigError, match="width 24"):
        index.search(queries[:, :3], 1)
    broken = queries.copy()
    broken[2, 1] = np.nan
    with pytest.raises(ConfigError, match="row 2 is not finite"):
        index.search(broken, 1)


def test_integer_ids_are_found_as_integers(clustered):
    index = build(clustered[:50], range(100, 150))
    assert index.rows([149, 7]).tolist() == [49, -1]
    with pytest.raises(ConfigError, match="distinct"):
        index.add(clustered[:2], [3, 3])
    with pytest.raises(ConfigError, match="2 IDs for 3 vectors"):
        index.add(clustered[:3], [3, 4])


def test_as_many_candidates_as_there_are_vectors_are_no_trouble(index, queries):
    found = index.search(queries[:1], 5000)
    assert sorted(found.items[0, :4000]) == list(range(4000))
