"""Items that come and go while a run is in service, against one that rebuilds everything."""

import gc
import os
import threading

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import grapevine as gv
from grapevine.data.importer import import_events
from grapevine.errors import ConfigError
from grapevine.index.build import build
from grapevine.serving.engine import (
    Asked,
    Filters,
    Happened,
    Host,
    Live,
    Pin,
    Rules,
    Served,
    Weight,
    ways,
)
from grapevine.serving.engine.grown import Grown, GrownQuestion, Stacked, mixed
from grapevine.serving.engine.kin import KIN, PRIOR, Placed
from grapevine.serving.engine.masks import Allowed

SHIRT = {"title": "thing <b>3</b>", "category": "c0", "price": 3.0, "in_stock": True}


def ids(answer):
    return [one.item_id for one in answer.items]


def scores(answer):
    return {one.item_id: one.score for one in answer.items}


def everything(served, **more):
    return served.answer(Asked(**{"user_id": "u00", "k": 100, "exclude_seen": False, **more}))


@pytest.mark.parametrize("name", ["als", "ease", "markov", "pinsage", "sasrec", "vine"])
def test_a_new_item_is_in_the_next_answer_and_says_why(name, served_of):
    served = served_of(name)
    found = served.with_live(Live().said({"x": SHIRT}))
    before, after = everything(served), everything(found, why=True)
    assert {*ids(after)} == {*ids(before), "x"}
    assert {n: s for n, s in scores(after).items() if n != "x"} == scores(before)
    (shown,) = (one for one in after.items if one.item_id == "x")
    assert shown.source == ("features" if name == "pinsage" else "content")
    assert shown.reasons[0].kind == "new"
    assert shown.reasons[0].items[0].item_id == "i03"  # that it equals in all that is said
    assert "x" not in ids(everything(served))  # a value: the one before is as it was


@pytest.mark.parametrize("name", ["als", "ease", "sasrec", "vine"])
def test_its_score_is_the_mean_of_its_kin(name, served_of):
    served = served_of(name)
    found = served.with_live(Live().said({"x": SHIRT}))
    kin, shares = found.over.placed.kin[0], found.over.placed.shares[0]
    assert shares.sum() == pytest.approx(1)
    assert (np.diff(shares) <= 0).all()
    told = scores(everything(found))
    want = sum(share * told[served.catalogue.ids[row]] for row, share in zip(kin, shares))
    assert told["x"] == pytest.approx(want, rel=1e-4, abs=1e-6)


def test_users_who_take_it_count_against_content_by_their_number(served_of):
    served = served_of("als")
    there = {one: row for row, one in enumerate(served.catalogue.ids)}
    for users in (1.0, 5.0, 45.0):
        live = Live().said({"x": SHIRT}).met({"x": {"i33": users, "nobody knows it": 2.0}})
        placed = served.with_live(live).over.placed
        shares = dict(zip(placed.kin[0].tolist(), placed.shares[0].tolist()))
        alone = served.with_live(Live().said({"x": SHIRT})).over.placed
        cut = PRIOR / (PRIOR + users) * (1 - alone.shares[0][-1])  # the last gives way
        want = users / (PRIOR + users) / (cut + users / (PRIOR + users))
        assert shares[there["i33"]] == pytest.approx(want, rel=1e-4)
        assert placed.how == ["content and events"]


def test_of_ids_alone_events_tell_where_it_stands_and_nothing_does_before(tmp_path):
    near = range(3)
    events = [(f"u{n}", f"i{(n + step) % 7}", 9 * n + step) for n in range(9) for step in near]
    file = tmp_path / "events.csv"
    file.write_text("user_id,item_id,timestamp\n" + "".join(f"{u},{i},{t}\n" for u, i, t in events))
    import_events(file, tmp_path / "data")
    run = gv.fit("als", gv.pipeline.load(tmp_path / "data"), out=tmp_path / "run")
    host = Host.start(run.path)
    live = Live().said({"x": {}})
    host.revise(live)
    asked = Asked(user_id="u1", k=50, exclude_seen=False)
    assert "x" not in ids(host.answer(asked))
    pinned = host.answer(Asked(user_id="u1", k=3, rules=Rules(pin=(Pin("x", 1),))))
    assert (ids(pinned)[0], pinned.items[0].source) == ("x", "")
    assert np.isfinite(pinned.items[0].score)
    related = host.answer(Asked(item_id="x", k=3))
    assert (related.fallback, len(related.items)) == ("popular", 3)
    host.revise(live.met({"x": {"i1": 1.0}}))
    told = scores(host.answer(asked))
    assert told["x"] == pytest.approx(told["i1"], rel=1e-5)
    assert ids(host.answer(Asked(item_id="x", k=1))) == ["i1"]


@pytest.mark.parametrize("name", ["als", "ease", "sasrec"])
def test_what_is_deleted_is_nowhere(name, served_of):
    served = served_of(name).with_live(
        Live().said({"x": SHIRT, "i05": None, "i06": {"price": 1.0}})
    )
    assert "i05" not in ids(everything(served))
    for asked in (
        {"filters": Filters(only=("i05", "i06"))},
        {"filters": Filters(category=("c0",))},
        {"rules": Rules(pin=(Pin("i05", 1),))},
        {"rules": Rules(boost=(Weight(where=("item_id=i05",), factor=50.0),))},
        {"rules": Rules(diversity=0.5)},
        {"user_id": "nobody"},
        {"user_id": None, "item_id": "i06"},
        {"user_id": None, "item_id": "x"},
    ):
        assert "i05" not in ids(everything(served, **asked))
    with pytest.raises(ConfigError, match="knows no item `i05`"):
        served.related("i05")
    with pytest.raises(ConfigError, match="knows no item `i05`"):
        served.around("i05")
    nodes = {node.item_id for one in ("i04", "i06", "x") for node in served.around(one).nodes}
    assert "i05" not in nodes
    # Who has met it is still known by it.
    met = served.answer(Asked(history=[Happened("i05", "buy")]))
    assert (met.fallback, met.heard) == ("", 1)


def test_a_map_has_no_place_for_what_is_deleted(served_of):
    served = served_of("als")
    whole = served.map()
    part = served.with_live(Live().said({"x": SHIRT, "i00": None})).map()
    np.testing.assert_array_equal(part.places, whole.places[1:])
    np.testing.assert_array_equal(part.category, whole.category[1:])


def test_filters_see_what_is_said_of_items_by_now(served_of):
    live = Live().said({"x": SHIRT | {"category": "brand new"}, "i01": {"price": 500.0}})
    served = served_of("als").with_live(live)
    assert ids(everything(served, filters=Filters(category=("brand new",)))) == ["x"]
    assert ids(everything(served, filters=Filters(least=400.0))) == ["i01"]
    assert {*ids(everything(served, filters=Filters(only=("x", "i01"))))} == {"x", "i01"}
    assert "x" not in ids(everything(served, filters=Filters(exclude=("x",))))
    back = served.with_live(live.said({"i01": {}}))
    assert ids(everything(back, filters=Filters(least=400.0))) == []
    boosted = everything(served, rules=Rules(boost=(Weight(where=("item_id=x",), factor=1e6),)))
    assert ids(boosted)[0] == "x"


def test_who_takes_a_new_item_is_heard_by_its_nearest_of_kin(served_of):
    for name in ("als", "sasrec", "ease"):
        served = served_of(name).with_live(Live().said({"x": SHIRT}))
        got = served.answer(Asked(history=[Happened("x", "buy"), Happened("i01", "buy")]))
        want = served.answer(Asked(history=[Happened("i03", "buy"), Happened("i01", "buy")]))
        assert (got.heard, got.fallback) == (2, "")
        assert "x" not in ids(got)  # it is seen
        both = scores(got).keys() & scores(want).keys()
        assert {one: scores(got)[one] for one in both} == {one: scores(want)[one] for one in both}
        # What stands for it was not seen.
        asked = Asked(history=[Happened("x", "buy")], k=100)
        assert "i03" in ids(served.answer(asked))


def test_beside_a_new_item_stands_what_is_alike(served_of):
    for name in ("als", "ease", "sasrec", "pinsage"):
        served = served_of(name).with_live(Live().said({"x": SHIRT}))
        answer = served.related("x", k=4, why=True)
        assert answer.fallback == "content"
        assert ids(answer)[0] == "i03"
        assert "x" not in ids(answer)
        assert served.around("x").edges[0].target == "i03"


def test_strangers_get_what_is_popular_now(served_of):
    for name in ("als", "sasrec", "markov", "vine"):
        served = served_of(name)
        trained = ids(served.answer(Asked(user_id="nobody", k=41)))
        few = served.with_live(Live(lately={"buy": {trained[-1]: 1}}))
        assert ids(few.answer(Asked(user_id="nobody", k=5))) == trained[:5]  # one is no crowd
        many = served.with_live(
            Live(items={"x": SHIRT}, lately={"buy": {trained[-1]: 90, "x": 95}})
        )
        answer = many.answer(Asked(user_id="nobody", k=5, why=True))
        assert ids(answer) == ["x", trained[-1], *trained[:3]]
        assert answer.fallback == "popular"
        assert answer.items[0].reasons[0].kind == "popular"
        # Other behaviours, and those of whom something is known, are as before.
        clicks = served.with_live(Live(lately={"click": {trained[-1]: 90}}))
        assert ids(clicks.answer(Asked(user_id="nobody", k=5))) == trained[:5]
        assert everything(many, filters=Filters(exclude=("x",))).items == everything(served).items


@pytest.mark.parametrize(
    ("item", "fields", "said"),
    [
        ("x", {"colour": "red"}, "no item column is called `colour`"),
        ("x", {"prise": 3.0}, "did you mean `price`"),
        ("x", {"price": "cheap"}, "`price` holds a number: got text"),
        ("x", {"title": 7}, "`title` holds text: got a number"),
        ("x", {"in_stock": 1}, "`in_stock` is true or false: got a number"),
        ("x", {"title": ["a"]}, "`title` holds one value: got a list"),
        ("x", {"item_id": "y"}, "no item column is called `item_id`"),
    ],
)
def test_what_the_catalogue_could_not_hold_is_refused(item, fields, said, served_of):
    with pytest.raises(ConfigError, match=said):
        served_of("als").catalogue.refuse_misfits(item, fields)
    # Laid over another run than it was said to, it is left out.
    found = served_of("als").with_live(Live().said({item: fields}))
    assert found.catalogue.row_of[item] == len(found.catalogue) - 1


def test_an_index_and_what_is_beside_it_answer_as_looking_at_all_does():
    """Of items that a coded index finds, and of those that came since; filtered and not."""
    draw = np.random.default_rng(0)
    vectors = draw.standard_normal((3000, 16), dtype=np.float32)
    own = draw.standard_normal((40, 16), dtype=np.float32) * 1.5
    nobody = np.full((40, KIN), -1, np.int32)
    placed = Placed(nobody, np.zeros(nobody.shape, np.float32), own, ["features"] * 40)
    coded = build(vectors, range(3000), kind="pq", recall=1.0)
    way = Grown(ways.Products.of(None, coded), 3000, placed)
    every = np.concatenate([vectors, own])
    for share in (1.0, 0.5, 0.03, 0.005):
        allowed = Allowed.of(draw.random(3040) < share)
        asked = draw.standard_normal(16, dtype=np.float32)
        hidden = {*draw.integers(3040, size=30).tolist()}
        question = GrownQuestion(way, ways.Asks(way.way, asked))
        plain = every @ asked
        shut = np.where(allowed.mask, plain, -np.inf)
        shut[list(hidden)] = -np.inf
        want = np.argsort(-shut, kind="stable")[:10]
        want = want[shut[want] > -np.inf]
        rows, found = question.best(10, allowed, hidden)
        assert rows.tolist() == want.tolist()
        np.testing.assert_allclose(found, plain[want], rtol=1e-5)
        np.testing.assert_allclose(question.scores(rows), found, rtol=1e-5)
        np.testing.assert_allclose(question.whole(), plain, rtol=1e-4, atol=1e-5)
    both = Stacked(vectors, own)
    some = np.array([0, 3039, 2999, 3000])
    np.testing.assert_array_equal(both[some], every[some])
    np.testing.assert_array_equal(mixed(placed, vectors), np.zeros((40, 16)))


ITEMS = ["i01", "i02", "i17", "i33", "new", "x", "y", "z", "片"]


class LiveMachine(RuleBasedStateMachine):
    """A host beside a dictionary of what was said."""

    folders: tuple = ()

    def __init__(self):
        super().__init__()
        self.at = 0
        self.host = Host.start(self.folders[0])
        self.live, self.said, self.beside, self.lately = Live(), {}, {}, {}

    @rule(
        changes=st.dictionaries(
            st.sampled_from(ITEMS),
            st.none()
            | st.fixed_dictionaries(
                {},
                optional={
                    "title": st.sampled_from(["thing <b>3</b>", "thing <b>33</b>", "other"]),
                    "category": st.sampled_from(["c0", "c3", "c9"]),
                    "price": st.sampled_from([1.0, 7.0, 500.0]),
                    "in_stock": st.booleans(),
                },
            ),
            min_size=1, max_size=4,
        )
    )  # fmt: skip
    def say(self, changes):
        for name, fields in changes.items():
            self.said[name] = fields
            if fields is None:
                self.beside.pop(name, None)
        self.live = self.live.said(changes)
        self.host.revise(self.live)

    @rule(item=st.sampled_from(["x", "y"]), other=st.sampled_from(["i01", "i33", "z"]))
    def take(self, item, other):
        if self.said.get(item) is not None:
            self.beside[item] = {other: 3.0}
            self.live = self.live.met({item: {other: 3.0}})
            self.host.revise(self.live)

    @rule(item=st.sampled_from(ITEMS), users=st.sampled_from([1, 200]))
    def crowd(self, item, users):
        self.lately = {"buy": {item: users}}
        self.live = Live(self.live.items, self.live.beside, self.lately)
        self.host.revise(self.live)

    @precondition(lambda self: len(self.folders) > 1)
    @rule()
    def swap(self):
        self.at = 1 - self.at
        self.host.swap(self.folders[self.at])

    @invariant()
    def answers_are_those_of_a_service_that_was_just_started(self):
        want = Served.open(self.folders[self.at]).with_live(
            Live(dict(self.said), dict(self.beside), dict(self.lately))
        )
        with self.host.lease() as got:
            known = {str(one) for one in want.run.items.ids} | self.said.keys()
            there = {one for one in known if self.said.get(one, {}) is not None}
            assert {*ids(everything(got))} == there
            for asked in (
                {},
                {"user_id": "nobody"},
                {"user_id": None, "history": [Happened("x", "buy"), Happened("i17", "buy")]},
                {"filters": Filters(least=5.0, category=("c0", "c9"))},
                {"rules": Rules(boost=(Weight(where=("price>=5",), factor=3.0),))},
            ):
                mine, other = everything(got, **asked), everything(want, **asked)
                assert mine.fallback == other.fallback
                assert scores(mine).keys() == scores(other).keys()
                for name, score in scores(mine).items():
                    assert score == pytest.approx(scores(other)[name], rel=1e-4, abs=1e-6)
                wanted = asked.get("filters")
                if wanted is not None:
                    assert {*ids(mine)} == {one for one in there if self.fits(want, one)}
            for name in there:
                told = got.catalogue.table.row(got.catalogue.row_of[name], named=True)
                assert {k: told[k] for k in (self.said.get(name) or {})} == (
                    self.said.get(name) or {}
                )

    def fits(self, served, name):
        """By what was said of it, and else by what the run knows."""
        known = served.run.item_table
        row = {"price": None, "category": None}
        if name in served.run.items.ids:
            row = known.row(served.run.items.ids.to_list().index(name), named=True)
        row = {**row, **(self.said.get(name) or {})}
        return row["category"] in {"c0", "c9"} and row["price"] is not None and row["price"] >= 5


@pytest.mark.parametrize("names", [("als", "ease"), ("sasrec",)])
def test_any_order_of_changes_is_answered_as_by_a_service_just_started(names, run_of):
    machine = type("Machine", (LiveMachine,), {"folders": tuple(run_of(name) for name in names)})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=8, stateful_step_count=8, deadline=None)
    )


def test_no_answer_mixes_what_was_and_what_is(run_of):
    """One item moves from one end of the catalogue to the other while threads ask."""
    host = Host.start(run_of("als"))
    states = [
        Live().said({"x": SHIRT, "i05": None}),
        Live().said({"x": SHIRT | {"title": "thing <b>33</b>", "category": "c3", "price": 33.0}}),
    ]
    asked = Asked(user_id="u00", k=100, exclude_seen=False)
    plain = Served.open(run_of("als"))
    allowed = [plain.with_live(one).answer(asked).items for one in states]
    assert allowed[0] != allowed[1]
    host.revise(states[0])
    stop, bad, count = threading.Event(), [], [0] * 3

    def ask(number):
        while not stop.is_set():
            found = host.answer(asked).items
            if found not in allowed:
                bad.append(found)
            count[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        host.revise(states[turn % 2])
    stop.set()
    for thread in threads:
        thread.join()
    assert not bad
    assert min(count) > 0


@pytest.mark.slow
def test_memory_is_flat_over_thousands_of_changes(run_of):
    host, live, sizes = Host.start(run_of("als")), Live(), []
    for turn in range(4_000):
        name = f"x{turn % 40}"
        fields = None if turn % 3 == 0 else SHIRT | {"price": float(turn)}
        live = live.said({name: fields, "i01": {"price": float(turn)}})
        host.revise(live)
        if turn % 50 == 0:
            host.answer(Asked(user_id="u00"))
        if turn in {1_000, 3_999}:
            gc.collect()
            with open("/proc/self/statm") as file:
                sizes.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    assert sizes[1] - sizes[0] < 3 << 20
    assert len(host.current().catalogue) <= 41 + 40
