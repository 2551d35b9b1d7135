"""Filters, strangers, pictures, and what a run may not be asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import grapevine as gv
from grapevine.data.importer import import_events
from grapevine.errors import BundleError, ConfigError
from grapevine.index.build import build
from grapevine.index.folder import save
from grapevine.serving.engine import Asked, Filters, Happened, Rules, Served, ways
from grapevine.serving.engine.asking import eager
from grapevine.serving.engine.best import best, best_of
from grapevine.serving.engine.masks import Allowed, Cache


def ids(answer):
    return [one.item_id for one in answer.items]


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=30),
    st.integers(0, 12),
    st.data(),
)
def test_the_best_are_those_of_a_stable_sort(scores, count, data):
    """Equals by rising row, nothing hidden or shut out, nothing that scores -inf."""
    plain = np.array([-np.inf if one == 0 else one for one in scores], np.float32)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(plain), max_size=len(plain))))
    hidden = data.draw(st.sets(st.integers(0, len(plain) - 1)))
    shut = plain.copy()
    shut[list(hidden)] = -np.inf
    shut[~mask] = -np.inf
    order = np.argsort(-shut, kind="stable")[:count]
    want = order[shut[order] > -np.inf].tolist()
    assert best(plain, count, mask, hidden)[0].tolist() == want
    rows = np.flatnonzero(mask)
    assert best_of(plain[rows], rows, count, hidden)[0].tolist() == want


def test_filters_let_through_what_they_say(served_of):
    served = served_of("als")
    table = {row["item_id"]: row for row in served.catalogue.table.to_dicts()}
    every = Asked(user_id="u08", k=41, exclude_seen=False)

    def met(**filters):
        asked = Asked(user_id="u08", k=41, exclude_seen=False, filters=Filters(**filters))
        return {*ids(served.answer(asked))}

    shown = {*ids(served.answer(every))}
    assert met(category=("c1", "c2")) == {
        one for one in shown if table[one]["category"] in {"c1", "c2"}
    }
    assert met(in_stock=True) == {one for one in shown if table[one]["in_stock"]}
    assert met(least=5.0, most=9.0) == {"i05", "i06", "i08", "i09"}
    assert met(exclude=("i05", "nobody knows it")) == shown - {"i05"}
    assert met(only=("i05", "i06", "nobody knows it")) == {"i05", "i06"}
    assert met(category=("no such",)) == set()
    assert met(category=("c0",), most=3.0, where=("item_id!=i02",)) == {"i01", "i03"}


def test_masks_of_filters_are_made_once(served_of):
    served = served_of("als")
    before = served.catalogue.allowed(Filters(category=("c3",)))
    assert served.catalogue.allowed(Filters(category=("c3",))) is before
    assert served.catalogue.allowed(Filters()) is None


def test_a_cache_forgets_what_was_used_longest_ago():
    cache = Cache[int](2)
    assert [cache.of(key, lambda key=key: key) for key in (1, 2, 1, 3)] == [1, 2, 1, 3]
    assert len(cache) == 2
    assert cache.of(1, lambda: 7) == 1
    assert cache.of(2, lambda: 7) == 7


def test_what_the_catalogue_does_not_tell_cannot_be_asked(tmp_path):
    gv.fit("ease", gv.pipeline.load(_bare(tmp_path)), out=tmp_path / "run")
    served = Served.open(tmp_path / "run")
    for filters, said in (
        (Filters(category=("a",)), "tells no category"),
        (Filters(in_stock=True), "tells no stock"),
        (Filters(most=3.0), "tells no price"),
    ):
        with pytest.raises(ConfigError, match=said):
            served.answer(Asked(user_id="1", filters=filters))
    for rules, said in (
        (Rules(diversity=0.5), "which items are alike"),
        (Rules(calibration=0.5), "nothing to calibrate by"),
    ):
        with pytest.raises(ConfigError, match=said):
            served.answer(Asked(user_id="1", rules=rules))
    with pytest.raises(ConfigError, match="no vectors to make a map of"):
        served.map()
    with pytest.raises(ConfigError, match="no attention"):
        served.attention([Happened("1")])


def _bare(folder):
    """A dataset of IDs alone, integers."""
    events = folder / "events.csv"
    lines = [f"{user},{(user + step) % 7},{step}" for user in range(9) for step in range(3)]
    events.write_text("user_id,item_id,timestamp\n" + "\n".join(lines) + "\n")
    import_events(events, folder / "data")
    return folder / "data"


@pytest.mark.parametrize("name", ["ease", "als", "pinsage", "sasrec"])
def test_strangers_get_what_is_popular_and_are_told_so(name, served_of):
    served = served_of(name)
    popular = [served.catalogue.ids[row] for row in served.run.most_popular[:5]]
    answer = served.answer(Asked(user_id="nobody", k=5, why=True))
    assert (answer.fallback, ids(answer), answer.heard) == ("popular", popular, 0)
    assert answer.items[0].reasons[0].kind == "popular"
    unknown = served.answer(Asked(history=[Happened("no such item"), Happened("i01", "no such")]))
    assert unknown.fallback == "popular"
    in_c1 = served.answer(Asked(user_id="nobody", filters=Filters(category=("c1",))))
    assert {served.catalogue.category[row] for row in served.catalogue.rows(ids(in_c1))} == {1}


@pytest.mark.parametrize("name", ["ease", "als", "sasrec"])
def test_beside_an_item_that_nobody_met_stands_what_is_alike(name, served_of):
    served = served_of(name)
    answer = served.related("new", k=5, why=True)
    assert answer.fallback == "content"
    assert {served.catalogue.category[row] for row in served.catalogue.rows(ids(answer))} == {3}
    assert "new" not in ids(answer)
    assert answer.items[0].reasons[0].kind == "content"
    others = ["c1", "c2"]
    elsewhere = Asked(item_id="new", k=5, filters=Filters(category=tuple(others)))
    assert {
        served.catalogue.category[row]
        for row in served.catalogue.rows(ids(served.answer(elsewhere)))
    } <= {1, 2}
    with pytest.raises(ConfigError, match=r"knows no item `nowhere`\nhint: item IDs look like"):
        served.related("nowhere")


def test_attention_adds_up_and_names_its_places(served_of):
    served = served_of("sasrec")
    found = served.attention([Happened("i01"), Happened("no such"), Happened("i02")])
    assert found.item_ids == ["i01", "i02"]
    assert found.titles == ["thing <b>1</b>", "thing <b>2</b>"]
    np.testing.assert_allclose(found.maps.sum(-1), 1, atol=0.01)  # some are of bfloat16
    assert (found.maps[..., 0, 1] == 0).all()  # nobody hears what comes later


def test_asking_why_leaves_the_network_that_answers_alone(served_of):
    served = served_of("sasrec")
    asked = Asked(user_id="u07")
    before = served.answer(asked)
    served.answer(Asked(user_id="u07", why=True))
    model, own = served.run.model, served.sides["buy"].teller.run.model
    assert model.network is not own.network
    assert served.answer(asked).items == before.items


@pytest.mark.parametrize(("name", "learnt"), [("pinsage", True), ("ease", False)])
def test_the_walks_around_an_item(name, learnt, served_of):
    found = served_of(name).around("i12")
    assert found.learnt is learnt
    assert found.nodes[0].item_id == "i12"
    known = {node.item_id for node in found.nodes}
    assert all({edge.source, edge.target} <= known and edge.weight > 0 for edge in found.edges)
    assert sum(edge.source == "i12" for edge in found.edges) <= 8


def test_a_map_is_made_once(served_of):
    served = served_of("als")
    found = served.map()
    assert found.places.shape == (len(served.catalogue), 2)
    assert found.categories == ["c0", "c1", "c2", "c3"]
    assert served.map() is found


def test_an_index_answers_as_looking_at_all_vectors_does(served_of):
    """Of one kind after the other, with filters of every selectivity."""
    draw = np.random.default_rng(0)
    vectors = draw.standard_normal((3000, 16), dtype=np.float32)
    side = served_of("als").sides["buy"].way
    exact = ways.Products.of(side.asking, build(vectors, range(3000), kind="flat"))
    coded = ways.Products.of(side.asking, build(vectors, range(3000), kind="pq", recall=1.0))
    hits = 0
    for number, share in enumerate((1.0, 0.5, 0.1, 0.03, 0.001)):
        allowed = Allowed.of(draw.random(3000) < share)
        assert (allowed.rows is None) == (allowed.count >= 150)
        asked = draw.standard_normal(16, dtype=np.float32)
        hidden = {*draw.integers(3000, size=20).tolist()}
        want = ways.Asks(exact, asked).best(10, allowed, hidden)
        got = ways.Asks(coded, asked).best(10, allowed, hidden)
        hits += len({*want[0].tolist()} & {*got[0].tolist()}) / len(want[0])
        assert len(got[0]) == len(want[0])
        assert not {*got[0].tolist()} & hidden
        assert allowed.mask[got[0]].all(), number
    assert hits >= 4.9
    mean, deviation = ways.Asks(exact, asked).moments()
    assert mean == pytest.approx(float((vectors @ asked).mean()), abs=1e-4)
    assert deviation == pytest.approx(float((vectors @ asked).std()), rel=1e-3)


def test_an_index_folder_must_be_of_the_run(run_of, tmp_path):
    run = gv.open_run(run_of("als"))
    vectors = np.ascontiguousarray(eager(run.model).model.items)
    save(build(vectors, run.items.ids), tmp_path / "own")
    save(build(vectors + 1, run.items.ids), tmp_path / "other")
    asked = Asked(user_id="u11", k=5)
    served = Served.open(run_of("als"), index_folder=tmp_path / "own")
    assert ids(served.answer(asked)) == ids(Served.open(run_of("als")).answer(asked))
    with pytest.raises(BundleError, match="not one of the item vectors"):
        Served.open(run_of("als"), index_folder=tmp_path / "other")
    with pytest.raises(ConfigError, match="not products of two vectors"):
        Served.open(run_of("ease"), index_folder=tmp_path / "own")
