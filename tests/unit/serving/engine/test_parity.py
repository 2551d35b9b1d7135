"""The same question gets the same list and the same scores offline and in service."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import grapevine as gv
from grapevine.data.vocabulary import Vocabulary
from grapevine.serving.engine import Asked, Filters, Happened, Served
from grapevine.testing.worlds import world

MODELS = ("popularity", "ease", "item-knn", "markov", "als", "pinsage", "sasrec", "hstu", "vine")


def pairs(answer):
    return [(one.item_id, one.score) for one in answer.items]


def offline(run, **asked):
    table = run.recommend(**asked)
    return list(zip(table["item_id"].to_list(), table["score"].to_list(), strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_known_users_histories_and_items_are_answered_as_offline(name, run_of, served_of):
    run, served = gv.open_run(run_of(name)), served_of(name)
    for user in run.users.ids.to_list()[::7]:
        assert pairs(served.answer(Asked(user_id=user))) == offline(run, users=[user], k=10)
        seen = served.answer(Asked(user_id=user, exclude_seen=False, k=3))
        assert pairs(seen) == offline(run, users=[user], k=3, exclude_seen=False)
    for history in (["i03"], ["i11", "i12", "i13"], ["i07", "i31", "i02", "i33"]):
        asked = Asked(history=[Happened(item) for item in history], k=5)
        assert pairs(served.answer(asked)) == offline(run, histories=[history], k=5)
    assert pairs(served.related("i21", k=4)) == offline(run, items=["i21"], k=4)


@pytest.mark.parametrize("name", MODELS)
def test_a_replayed_log_gives_the_scores_of_a_run_that_knows_it(name, run_of, served_of):
    """Half of each history is told by the caller: the run is made to know only the other half."""
    run = gv.open_run(run_of(name))
    whole = served_of(name)
    times = run.history.times
    middle = np.sort(times)[len(times) // 2]
    known = gv.models.run.Run(**{**vars_of(run), "history": run.history.where(times < middle)})
    half = Served.of(known, "half")
    for row in range(0, len(run.users), 6):
        user, batch = run.users.ids[row], run.history.batch(np.array([row]))
        later = [
            Happened(run.items.ids[int(item)], run.schema.behaviours[int(kind)], int(when))
            for item, kind, when in zip(batch.items, batch.behaviours, batch.times)
            if when >= middle
        ]
        asked = Asked(user_id=user, history=later, k=40)
        found = half.answer(asked)
        if name == "popularity" or not found.fallback:
            assert pairs(found) == pairs(whole.answer(Asked(user_id=user, k=40)))


def vars_of(run):
    return {name: getattr(run, name) for name in run.__dataclass_fields__}


@pytest.mark.parametrize("name", ["ease", "sasrec"])
def test_what_the_run_knows_already_is_not_heard_twice(name, run_of, served_of):
    run, served = gv.open_run(run_of(name)), served_of(name)
    batch = run.history.batch(np.array([5]))
    again = [
        Happened(run.items.ids[int(item)], run.schema.behaviours[int(kind)], int(when))
        for item, kind, when in zip(batch.items, batch.behaviours, batch.times)
    ]
    plain = served.answer(Asked(user_id=run.users.ids[5]))
    told = served.answer(Asked(user_id=run.users.ids[5], history=again[len(again) // 2 :]))
    assert pairs(told) == pairs(plain)
    assert told.heard == len(again)


def test_events_out_of_order_are_put_in_order(served_of):
    served = served_of("sasrec")
    events = [Happened(f"i{row:02d}", "buy", 1_800_000_000_000 + row) for row in range(5)]
    there = served.answer(Asked(history=events))
    assert pairs(served.answer(Asked(history=events[::-1]))) == pairs(there)


def test_other_behaviours_are_answered_as_offline(run_of, served_of):
    run, served = gv.open_run(run_of("vine")), served_of("vine")
    user = run.users.ids[3]
    for behaviour in run.schema.behaviours:
        want = offline(run.answering(behaviour), users=[user], k=5)
        assert pairs(served.answer(Asked(user_id=user, behaviour=behaviour, k=5))) == want
    with pytest.raises(gv.errors.ConfigError, match=r"no behaviour that this run predicts"):
        served_of("ease").answer(Asked(user_id=user, behaviour="click"))


@pytest.mark.parametrize("name", ["ease", "als", "sasrec"])
def test_filters_and_conditions_are_those_of_offline(name, run_of, served_of):
    run, served = gv.open_run(run_of(name)), served_of(name)
    user = run.users.ids[9]
    for where in (("price<20",), ("category=c1", "price>=12"), ("category!=c0",)):
        got = served.answer(Asked(user_id=user, k=5, filters=Filters(where=where)))
        assert pairs(got) == offline(run, users=[user], k=5, where=where)
    few = [f"i{row:02d}" for row in (1, 4, 17, 22, 39)]
    got = served.answer(Asked(user_id=user, filters=Filters(only=few)))
    want = offline(run, users=[user], k=10, candidates=few)
    assert [one for one, _ in pairs(got)] == [one for one, _ in want]
    np.testing.assert_allclose([s for _, s in pairs(got)], [s for _, s in want], rtol=1e-6)


def test_reasons_are_those_of_offline(run_of, served_of):
    for name in ("ease", "pinsage", "sasrec"):
        run, served = gv.open_run(run_of(name)), served_of(name)
        user = run.users.ids[4]
        table = run.recommend(users=[user], k=3, why=True)
        answer = served.answer(Asked(user_id=user, k=3, why=True))
        for line, shown in zip(table.iter_rows(named=True), answer.items, strict=True):
            first = shown.reasons[0]
            told = [(one["item_id"], one["share"]) for one in line["evidence"]]
            assert [(one.item_id, one.share) for one in first.items[: len(told)]] == told
        (alone,) = served.why(Asked(user_id=user), [answer.items[0].item_id])
        for one, other in zip(alone, answer.items[0].reasons, strict=True):
            assert (one.kind, one.text) == (other.kind, other.text)
            assert [told.item_id for told in one.items] == [told.item_id for told in other.items]


def test_who_is_known_by_attributes_alone_is_answered_by_them_in_service_too():
    """Even users take even items and live in one town; two more live there and did nothing."""
    events = [(user, item) for user in range(20) for item in range(user % 2, 16, 2) if user != item]
    data = world(events)
    rows = data.interactions
    ids = [*data.users.ids.to_list(), 100, 101]
    data = replace(
        data,
        users=Vocabulary.of(ids),
        interactions=replace(rows, offsets=np.r_[rows.offsets, [len(rows)] * 2]),
        user_table=pl.DataFrame({"user_id": ids, "town": ["ab"[one % 2] for one in ids]}),
        schema=replace(data.schema, users={"town": "category"}),
    )
    settings = ["model.epochs=20", "model.width=16", "model.learning_rate=0.02"]
    run = gv.fit("rgcn", data, settings=settings)
    served = Served.of(run, "towns")
    for user in (100, 101):
        answer = served.answer(Asked(user_id=user, k=5))
        assert not answer.fallback
        assert pairs(answer) == offline(run, users=[user], k=5)
        assert {item % 2 for item, _ in pairs(answer)} == {user % 2}
    # What it does then is heard.
    met = Asked(user_id=100, history=[Happened(1), Happened(3)], k=3)
    assert {item % 2 for item, _ in pairs(served.answer(met))} == {1}
    assert served.answer(Asked(user_id=999)).fallback == "popular"
