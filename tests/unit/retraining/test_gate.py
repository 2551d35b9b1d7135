"""The gate: the same questions to both, in the rows of each, and a no to what is worse."""

from dataclasses import replace

import numpy as np
import pytest

import grapevine as gv
from grapevine.errors import CheckFailed, ConfigError
from grapevine.retraining import gate
from grapevine.retraining.gather import gather
from grapevine.retraining.verdict import Judged


@pytest.fixture
def parts(base, heard, tmp_path):
    gather(gv.load(base), heard, tmp_path / "data")
    return gv.split.of(gv.load(tmp_path / "data"))


def test_a_run_against_itself_is_neither_better_nor_worse(parts, run_of):
    run = gv.open_run(run_of("ease"))
    judged = gate.compare(run, run, parts)
    assert judged.questions == len(parts.test) > 50
    assert judged.before == judged.after > 0
    assert (judged.difference, judged.low, judged.high, judged.p) == (0, 0, 0, 1.0)


def test_the_old_run_is_asked_in_its_own_rows(parts, run_of):
    run, asked = gv.open_run(run_of("ease")), parts.test
    mine = gate.asked_of(run, parts)
    theirs, batch = asked.questions(0, len(asked)), mine.questions(0, len(asked))
    for question in range(len(asked)):
        one, other = theirs.slice(question, question + 1), batch.slice(question, question + 1)
        assert parts.train.items.take(one.items).to_list() == run.items.take(other.items).to_list()
        np.testing.assert_array_equal(one.times, other.times)
        user = parts.train.users.take(one.users)[0]
        assert run.users.take(other.users)[0] == (user if user in run.users.ids else None)
        wanted = asked.targets.values[asked.targets.offsets[question] :][:1]
        got = mine.targets.values[mine.targets.offsets[question] :][:1]
        assert parts.train.items.take(wanted)[0] == run.items.take(got)[0]
    # Strangers come with the history that a service would have of them.
    strangers = np.flatnonzero(batch.users < 0)
    assert len(strangers) > 5
    assert (np.diff(batch.offsets)[strangers] > 0).any()
    half = mine.take(np.arange(0, len(mine), 2)).questions(0, 3)
    np.testing.assert_array_equal(half.users, batch.users[:5:2])


def test_what_the_old_run_cannot_know_it_misses(parts, run_of):
    run = gv.open_run(run_of("ease"))
    kept = np.ones(len(run.items), bool)
    kept[parts.train.items.rows(run.items.ids)[3]] = False
    lost = int(np.flatnonzero(~kept)[0])
    few = replace(run, items=run.items.keep(kept))
    asked = gate.asked_of(few, parts)
    assert (asked.targets.values < 0).sum() == (parts.test.targets.values == lost).sum()


def test_runs_of_other_behaviours_are_not_compared(parts, run_of):
    run = gv.open_run(run_of("ease"))
    other = replace(run, schema=replace(run.schema, behaviours=("view", "buy")))
    with pytest.raises(ConfigError, match="knows view, buy"):
        gate.compare(run, other, parts)


def judged(before, after, low, high):
    return Judged(
        metric="ndcg@10", questions=100, before=before, after=after, low=low, high=high, p=0.1,
        test="sign-flip",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "low", "high", "said"),
    [
        (0.2, 0.3, 0.05, 0.15, None),
        (0.2, 0.195, -0.03, 0.02, None),
        (0.2, 0.1901, -0.03, 0.01, None),
        (0.2, 0.18, -0.05, 0.01, r"worse by more than 0\.0100: ndcg@10 0\.1800 against 0\.2000"),
        (0.2, 0.195, -0.008, -0.002, None),
        (0.0, 0.0, 0.0, 0.0, None),
    ],
)
def test_only_a_run_that_is_worse_is_refused(before, after, low, high, said):
    figures = judged(before, after, low, high)
    if said is None:
        gate.refuse_worse(figures, 0.05)
        return
    with pytest.raises(CheckFailed, match=said) as told:
        gate.refuse_worse(figures, 0.05)
    assert "the run in service stays" in str(told.value)


def test_a_handful_of_questions_tells_nothing(parts):
    gate.refuse_few(len(parts.test), len(parts.test))
    with pytest.raises(CheckFailed, match="by fewer than 1,000 questions nothing can be told"):
        gate.refuse_few(len(parts.test), 1_000)


def test_a_service_looks_at_it_too(run_of, base, tmp_path):
    told = gate.look_as_a_service(run_of("sasrec"), run_of("ease"))
    assert told["recall"] >= 0.9
    assert 0 <= told["agreement"] <= 1
    parts = gv.split.of(gv.load(base), "none")
    run = gv.fit("ease", parts.train)
    spoilt = replace(run.model, weights=np.full_like(run.model.weights, np.nan))
    replace(run, model=spoilt).save(tmp_path / "spoilt")
    with pytest.raises(CheckFailed, match="holds what is no number"):
        gate.look_as_a_service(tmp_path / "spoilt", run_of("ease"))
