import json
import os
import signal
from dataclasses import dataclass, replace

import numpy as np
import pytest

pytest.importorskip("optuna", reason="the extra `tune` is not installed")

from grapevine.config import read_toml
from grapevine.errors import BundleError, CheckFailed, ConfigError, Interrupted
from grapevine.search import Choice, Range, Search, run
from grapevine.search.proposals import UNJUDGED, WARM_UP
from grapevine.testing.worlds import checkerboard, world

TRAIN = world(checkerboard(4, 4))


@dataclass(frozen=True)
class Solved:
    config: object


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A closed form that is worth most at x = 3 and "b"."""

    x: float = 1.0
    kind: str = "a"

    def fit(self, train, *, seed=0):
        if self.kind == "wrong":
            raise ConfigError("this kind cannot be", hint="take another")
        return Solved(self)


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """Trained in epochs of one step; nothing is learnt but how many there were."""

    x: float = 1.0
    epochs: int = 6

    def learner(self, train, *, seed=0):
        return Steps(self)


class Steps:
    patience = 0

    def __init__(self, config):
        self.config, self.epochs, self.done = config, config.epochs, 0

    def batches(self, epoch):
        return [epoch]

    def rate(self, epoch, step, steps):
        return 1.0

    def step(self, batch, rate):
        self.done += 1
        return {"loss": 1.0}

    def state(self):
        return {"done": np.array([self.done])}

    def load(self, state):
        self.done = int(state["done"][0])

    def model(self):
        return Solved((self.config, self.done))


def worth(model):
    return 1 / (1 + (model.config.x - 3) ** 2) + (model.config.kind == "b")


def worth_after(model):
    config, done = model.config
    return done / 10 / (1 + (config.x - 3) ** 2)


def searching(config, **space):
    return Search(name="toy", config=config, space=space, metric="ndcg@10", seed=0, fingerprint="f")


CLOSED = searching(Closed(), x=Range(0.0, 10.0), kind=Choice(("a", "b")))
STEPPED = searching(Stepped(), x=Range(0.0, 10.0))


def same(one, other):
    """Whether two searches found the same in the same order, whatever the clock said."""
    return [replace(t, seconds=0.0) for t in one.trials] == [
        replace(t, seconds=0.0) for t in other.trials
    ]


def interrupt_at(call, ask, how):
    calls = []

    def asked(model):
        calls.append(model)
        if len(calls) == call:
            how()
        return ask(model)

    return asked


def test_the_first_trial_is_the_model_as_it_is_and_the_best_is_found(tmp_path):
    found = run(CLOSED, TRAIN, tmp_path / "s", validate=worth, trials=40)
    assert found.trials[0].options == {"x": 1.0, "kind": "a"}
    assert [trial.number for trial in found.trials] == list(range(1, 41))
    assert found.best.value == max(trial.value for trial in found.trials)
    assert found.best.options["kind"] == "b"
    assert abs(found.best.options["x"] - 3) < 1
    assert found.stopped_by == "trials"


def test_best_toml_has_the_options_and_what_they_have_cost(tmp_path):
    found = run(CLOSED, TRAIN, tmp_path / "s", validate=worth, trials=6)
    best = read_toml(tmp_path / "s" / "best.toml")
    assert best["model"] == {"name": "toy", **found.best.options}
    budget = best["search"]
    assert (budget["trials"], budget["given_up"], budget["failed"]) == (6, 0, 0)
    assert (budget["best_trial"], budget["validation"]) == (found.best.number, found.best.value)
    assert budget["seconds"] == pytest.approx(sum(trial.seconds for trial in found.trials))
    assert budget["space"] == {"x": "0.0..10.0", "kind": ["a", "b"]}
    assert (budget["metric"], budget["seed"], budget["fingerprint"]) == ("ndcg@10", 0, "f")


def test_the_same_seed_tries_the_same_and_another_seed_does_not(tmp_path):
    one = run(CLOSED, TRAIN, tmp_path / "one", validate=worth, trials=14)
    assert same(one, run(CLOSED, TRAIN, tmp_path / "two", validate=worth, trials=14))
    other = run(replace(CLOSED, seed=1), TRAIN, tmp_path / "three", validate=worth, trials=3)
    assert one.trials[1].options != other.trials[1].options


def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    whole = run(CLOSED, TRAIN, tmp_path / "whole", validate=worth, trials=14)

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="in trial 13: what was done is kept"):
        run(CLOSED, TRAIN, tmp_path / "s", validate=interrupt_at(13, worth, stop), trials=14)
    # Killed in the middle of a line.
    with (tmp_path / "s" / "trials.jsonl").open("a") as file:
        file.write('{"number": 13, "sta')
    short = run(CLOSED, TRAIN, tmp_path / "s", validate=worth, trials=13, resume=True)
    assert len(short.trials) == 13
    assert same(whole, run(CLOSED, TRAIN, tmp_path / "s", validate=worth, trials=14, resume=True))


def test_bad_trials_are_given_up_and_the_others_are_not(tmp_path):
    found = run(STEPPED, TRAIN, tmp_path / "s", validate=worth_after, trials=20)
    states = [trial.state for trial in found.trials]
    assert states[:UNJUDGED] == ["done"] * UNJUDGED
    assert states.count("given up") >= 2
    for trial in found.trials:
        assert trial.value == max(trial.curve)
        if trial.state == "given up":
            assert WARM_UP <= len(trial.curve) < 6
            assert trial.value < found.best.value
        else:
            assert len(trial.curve) == 6
    assert not list((tmp_path / "s").glob("trial-*"))


def test_a_trial_that_was_stopped_goes_on_where_it_was(tmp_path):
    whole = run(STEPPED, TRAIN, tmp_path / "whole", validate=worth_after, trials=12)
    before = sum(len(trial.curve) for trial in whole.trials[:6])
    calls = []

    def counted(model):
        calls.append(model)
        return worth_after(model)

    stopping = interrupt_at(before + 2, counted, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted, match="in trial 7"):
        run(STEPPED, TRAIN, tmp_path / "s", validate=stopping, trials=12)
    assert [path.name for path in (tmp_path / "s").glob("trial-*")] == ["trial-00007"]
    found = run(STEPPED, TRAIN, tmp_path / "s", validate=counted, trials=12, resume=True)
    assert same(whole, found)
    # No epoch was asked about twice.
    assert len(calls) == sum(len(trial.curve) for trial in whole.trials)


def test_what_the_time_cuts_short_is_gone_on_with(tmp_path):
    whole = run(STEPPED, TRAIN, tmp_path / "whole", validate=worth_after, trials=3)
    with pytest.raises(CheckFailed, match="by its time limit\nhint: go on with --resume"):
        run(STEPPED, TRAIN, tmp_path / "s", validate=worth_after, time_limit=1e-9)
    assert same(
        whole, run(STEPPED, TRAIN, tmp_path / "s", validate=worth_after, trials=3, resume=True)
    )


def test_the_time_ends_a_search_and_what_is_done_stays(tmp_path, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr("grapevine.search.study.time.monotonic", lambda: next(clock))
    found = run(CLOSED, TRAIN, tmp_path / "s", validate=worth, time_limit=20.0)
    assert found.stopped_by == "time limit"
    assert 1 <= len(found.trials) < 20


def test_options_that_cannot_be_are_a_failed_trial_with_its_reason(tmp_path):
    search = searching(Closed(), kind=Choice(("a", "wrong", "b")))
    found = run(search, TRAIN, tmp_path / "s", validate=worth, trials=50)
    assert found.stopped_by == "space"
    assert {trial.options["kind"]: trial.state for trial in found.trials} == {
        "a": "done",
        "wrong": "failed",
        "b": "done",
    }
    failed = next(trial for trial in found.trials if trial.state == "failed")
    assert (failed.value, failed.reason) == (None, "this kind cannot be")
    assert found.best.options == {"kind": "b"}
    assert json.loads(json.dumps(found.to_json()))["failed"] >= 1


def test_the_same_options_are_not_trained_twice(tmp_path):
    asked = []

    def counted(model):
        asked.append(model.config.kind)
        return worth(model)

    search = searching(Closed(), kind=Choice(("a", "b", "c", "d")))
    found = run(search, TRAIN, tmp_path / "s", validate=counted, trials=60)
    assert sorted(asked) == ["a", "b", "c", "d"]
    assert found.stopped_by == "space"
    assert len(found.trials) >= 4


def test_a_search_of_which_nothing_came_says_why(tmp_path):
    search = searching(Closed(kind="wrong"), x=Range(0.0, 1.0))
    with pytest.raises(CheckFailed, match="no trial came to its end; the last: this kind cannot"):
        run(search, TRAIN, tmp_path / "s", validate=worth, trials=2)
    with pytest.raises(CheckFailed, match="ndcg@10 is nan"):
        run(CLOSED, TRAIN, tmp_path / "n", validate=lambda model: float("nan"), trials=2)


def test_a_folder_is_gone_on_with_by_the_same_search_alone(tmp_path):
    out = tmp_path / "s"
    run(CLOSED, TRAIN, out, validate=worth, trials=2)
    with pytest.raises(ConfigError, match="holds a search already\nhint: go on with --resume"):
        run(CLOSED, TRAIN, out, validate=worth, trials=2)
    for other, said in (
        (replace(CLOSED, seed=1), "its seed is 0, here it is 1"),
        (replace(CLOSED, config=Closed(x=2.0)), "its x is 1.0, here it is 2.0"),
        (replace(CLOSED, space={"x": Range(0.0, 5.0)}), "its space is"),
        (replace(CLOSED, fingerprint="g"), "its fingerprint is f, here it is g"),
    ):
        with pytest.raises(ConfigError, match=said):
            run(other, TRAIN, out, validate=worth, trials=2, resume=True)
    anew = run(replace(CLOSED, seed=1), TRAIN, out, validate=worth, trials=1, force=True)
    assert len(anew.trials) == 1


def test_what_is_no_search_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for more in ({}, {"force": True}, {"resume": True}):
        with pytest.raises(ConfigError, match="is not a search"):
            run(CLOSED, TRAIN, tmp_path, validate=worth, trials=1, **more)
    with pytest.raises(ConfigError, match="is a file"):
        run(CLOSED, TRAIN, tmp_path / "thesis.txt", validate=worth, trials=1)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_damaged_trials_are_an_error(tmp_path):
    run(CLOSED, TRAIN, tmp_path / "s", validate=worth, trials=2)
    (tmp_path / "s" / "trials.jsonl").write_text('{"number": 1}\n')
    with pytest.raises(BundleError, match="damaged"):
        run(CLOSED, TRAIN, tmp_path / "s", validate=worth, trials=3, resume=True)


def test_without_optuna_it_says_what_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"pip install 'grapevine-rec\[tune\]'"):
        run(CLOSED, TRAIN, tmp_path / "s", validate=worth, trials=1)
    assert not (tmp_path / "s").exists()
