from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine.models.ranking import inputs
from grapevine.models.ranking.facts import DAY, Facts
from grapevine.models.ranking.inputs import columns, heard, inputs_of
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.testing.worlds import world


def data():
    """Ann takes tea first, alone; ben and cat take it a day later."""
    return world(
        [
            ("ann", "tea", "view", 0),
            ("ann", "tea", "buy", 1000),
            ("ben", "tea", "view", DAY),
            ("cat", "tea", "buy", 3 * DAY),
            ("cat", "jam", "buy", 4 * DAY),
        ],
        items=["nut"],
        behaviours=("view", "buy"),
    )


def facts():
    found = data()
    return Facts.of(found, found.interactions.counts() > 0)


def rows(*names):
    return data().items.rows(list(names))


def asked(user, at):
    row = data().users.rows([user])
    empty = np.empty(0, np.int64)
    return Batch(row, np.zeros(2, np.int64), empty.astype(np.int32), empty.astype(np.uint8),
                 empty, np.array([at]))  # fmt: skip


def told(user, at, own=(False, False)):
    """Of tea."""
    mine = np.array(own)[:, None, None]
    return facts().told(asked(user, at), rows("tea")[None], mine)[0, 0]


def test_counts_and_ages_leave_out_what_the_user_did():
    # By the target two took it, by anything three, which is the most of all.
    most = np.log1p([2, 3])
    np.testing.assert_allclose(told("zoe", 5 * DAY), [1, 1, 1, np.log1p(5) / 8], rtol=1e-6)
    found = told("ann", 5 * DAY, own=(True, True))
    np.testing.assert_allclose(
        found, [np.log1p(1) / most[0], np.log1p(2) / most[1], 1, np.log1p(4) / 8], rtol=1e-6
    )
    # Before anybody else took it, ann knows of nobody.
    assert told("ann", DAY // 2)[2:].tolist() == [0, 0]
    assert told("zoe", DAY // 2)[2] == 1


def test_a_history_that_was_typed_in_is_asked_after_training():
    late = told("zoe", -1)
    np.testing.assert_allclose(late[3], np.log1p(4) / 8, rtol=1e-6)


def test_the_most_popular_known_items_come_first():
    assert facts().order.tolist() == rows("tea", "jam").tolist()
    assert facts().users(asked("ann", 0)).tolist() == data().users.rows(["ann"]).tolist()
    assert facts().users(asked("zoe", 0)).tolist() == [3]


def questions(seed=0, queries=5, most=30, items=6, behaviours=3):
    draw = stream(seed, "questions")
    lengths = draw.integers(0, most, queries)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = offsets[-1]
    return Batch(
        users=np.full(queries, -1),
        offsets=offsets,
        items=draw.integers(0, items, total).astype(np.int32),
        behaviours=draw.integers(0, behaviours, total).astype(np.uint8),
        times=np.concatenate([np.sort(draw.integers(0, 10**6, n)) for n in lengths]),
        asked_at=np.full(queries, 2 * 10**6),
    )


def test_what_was_done_with_an_item_is_counted_as_a_slow_loop_does():
    batch, wanted = questions(), stream(1).integers(0, 8, (5, 4))
    count, since, back = inputs._done(batch, wanted, 3)
    for query, place in np.ndindex(5, 4):
        here = slice(batch.offsets[query], batch.offsets[query + 1])
        met = np.flatnonzero(batch.items[here] == wanted[query, place])
        kinds = batch.behaviours[here][met]
        assert count[query, place].tolist() == [(kinds == row).sum() for row in range(3)]
        if len(met):
            assert since[query, place] == 2 * 10**6 - batch.times[here][met[-1]]
            assert back[query, place] == here.stop - here.start - met[-1]
        else:
            assert since[query, place] == back[query, place] == 0


def test_the_latest_known_events_are_heard(monkeypatch):
    batch, known = questions(items=4), facts()
    monkeypatch.setattr(inputs, "MEMORY", 3)
    batch = replace(batch, items=np.where(batch.items == 3, -1, batch.items).astype(np.int32))
    found = heard(batch, known)
    able = known.known
    for query in range(len(batch)):
        here = batch.items[batch.offsets[query] : batch.offsets[query + 1]]
        wanted = [item for item in here if item >= 0 and able[item]][-3:]
        assert found.items[found.offsets[query] : found.offsets[query + 1]].tolist() == wanted


@pytest.mark.parametrize("timed", [True, False])
def test_a_question_is_seen_alike_alone_and_among_others(timed):
    known = replace(facts(), known=np.ones(8, bool), first=np.zeros(8, np.int64),
                    second=np.zeros(8, np.int64), first_by=np.full(8, -1),
                    takers=np.ones((2, 8), np.int64), clock=np.array([timed, True]),
                    behaviours=np.array([3, 2]))  # fmt: skip
    batch, wanted = questions(), stream(1).integers(0, 8, (5, 4))
    nothing = np.zeros((5, 4, 4), np.float32)
    whole = inputs_of(known, batch, wanted, nothing, length=6)
    assert whole.numbers.shape == (5, 4, columns(3))
    assert whole.there.shape[1] == 6
    for query in range(5):
        alone = inputs_of(known, batch.slice(query, query + 1), wanted[[query]],
                          nothing[[query]], length=6)  # fmt: skip
        torch.testing.assert_close(alone.numbers, whole.numbers[[query]])
        size = int(alone.there.sum())
        assert size == whole.there[query].sum()
        for name in ("history", "behaviours", "gaps"):
            mine, of_whole = (getattr(one, name) for one in (alone, whole))
            assert mine[0, :size].tolist() == of_whole[query, :size].tolist()
        assert alone.done.tolist() == whole.done[[query]].tolist()
    assert (whole.gaps == inputs.GAPS + 1).all() == (not timed)
