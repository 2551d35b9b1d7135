import itertools
import json
import logging
import math
import os
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine import training
from grapevine.errors import CheckFailed, ConfigError, Interrupted
from grapevine.models import MODELS
from grapevine.testing.learners import Tiny
from grapevine.testing.worlds import checkerboard, world
from grapevine.training import Session, loop


class Adder:
    """Learns by adding its batches up; the model is the sum."""

    def __init__(self, epochs=3, patience=0, steps=(4, 4, 4), at_step=None):
        self.epochs, self.patience, self.steps, self.at_step = epochs, patience, steps, at_step
        self.sum, self.taken = 0.0, 0

    def batches(self, epoch):
        return [10.0 * epoch + step for step in range(self.steps[epoch % len(self.steps)])]

    def rate(self, epoch, step, steps):
        return 1 / (1 + epoch + step / steps)

    def step(self, batch, rate):
        if self.at_step:
            self.at_step(self.taken)
        self.sum += rate * batch
        self.taken += 1
        return {"whole": self.sum, "half": batch / 2}

    def state(self):
        return {"sum": np.array(self.sum), "taken": np.array(self.taken)}

    def load(self, state):
        self.sum, self.taken = float(state["sum"]), int(state["taken"])

    def model(self):
        return self.sum


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def told(folder):
    """What the lines say, but for what a clock says."""
    return [
        {name: value for name, value in line.items() if "second" not in name}
        for line in lines(folder)
    ]


def stop_at(step):
    def at_step(taken):
        if taken == step:
            raise SystemExit

    return at_step


def test_stopped_at_any_step_and_resumed_it_ends_where_it_would_have(tmp_path):
    every, steps = 0.0, (2, 0, 3)
    whole = tmp_path / "whole"
    wanted = loop.run(Adder(steps=steps), Session(folder=whole, checkpoint_every=every))
    assert wanted == loop.run(Adder(steps=steps), Session())
    for step in range(5):
        folder = tmp_path / str(step)
        session = Session(folder=folder, checkpoint_every=every)
        with pytest.raises(SystemExit):
            loop.run(Adder(steps=steps, at_step=stop_at(step)), session)
        assert loop.run(Adder(steps=steps), replace(session, resume=True)) == wanted
        assert told(folder) == told(whole)
    assert [line["step"] for line in lines(whole)] == [2, 2, 5]


def test_a_line_for_each_epoch_says_what_it_took(tmp_path):
    loop.run(Adder(epochs=2), Session(folder=tmp_path, validate=lambda model: model / 100))
    first, second = lines(tmp_path)
    assert (first["epoch"], first["step"], second["epoch"], second["step"]) == (1, 4, 2, 8)
    sums = np.cumsum([step / (1 + step / 4) for step in range(4)])
    assert first["loss"] == {"whole": pytest.approx(sums.mean()), "half": 0.75}
    assert first["learning_rate"] == 1 / 1.75
    assert first["validation"] == {"ndcg@10": pytest.approx(sums[-1] / 100)}
    assert first["seconds"] >= 0


def ups_and_downs(*worth):
    told = iter(worth)
    return lambda model: next(told)


@pytest.mark.parametrize(
    ("worth", "epochs", "best"),
    [
        ((0.1, 0.3, 0.2, 0.3, 0.1, 0.9), 4, 2),  # of equals the earlier, which patience counts from
        ((0.5, 0.4, 0.3, 0.9, 0.9, 0.9), 3, 1),
        ((0.1, 0.2, 0.3, 0.4, 0.5, 0.6), 6, 6),
        ((math.nan, 0.2, math.nan, 0.1, 0.5, 0.6), 4, 2),
    ],
)
def test_it_stops_when_validation_gets_no_better_and_keeps_the_best(worth, epochs, best):
    session = Session(validate=ups_and_downs(*worth))
    outcome = loop.Training(Adder(epochs=6, patience=2), session).run()
    assert outcome.record["epochs"] == epochs
    assert outcome.record["best_epoch"] == best
    assert outcome.record["validation"] == {"ndcg@10": worth[best - 1]}
    assert outcome.record["stopped_by"] == ("patience" if epochs < 6 else "epochs")
    assert outcome.model == loop.run(Adder(epochs=best), Session())


def test_without_validation_the_last_epoch_is_kept_and_patience_means_nothing():
    outcome = loop.Training(Adder(epochs=5, patience=1), Session()).run()
    assert outcome.record == {"epochs": 5, "steps": 20, "stopped_by": "epochs"}
    nothing = Session(validate=lambda model: math.nan)
    outcome = loop.Training(Adder(epochs=5, patience=1), nothing).run()
    assert outcome.record == {"epochs": 5, "steps": 20, "stopped_by": "epochs"}


def test_the_best_is_still_known_after_resuming(tmp_path):
    worth = ups_and_downs(0.1, 0.3, 0.2, 0.25, 0.2)
    session = Session(folder=tmp_path, validate=worth, checkpoint_every=0)
    with pytest.raises(SystemExit):
        loop.run(Adder(epochs=5, at_step=stop_at(14)), session)
    outcome = loop.Training(Adder(epochs=5), replace(session, resume=True)).run()
    assert outcome.record["best_epoch"] == 2
    assert outcome.model == loop.run(Adder(epochs=2), Session())
    # Done is done: to resume once more changes nothing.
    again = loop.Training(Adder(epochs=5), replace(session, resume=True)).run()
    assert (again.model, again.record) == (outcome.model, outcome.record)
    assert again.seconds >= outcome.seconds > 0


def test_a_time_limit_keeps_the_best_so_far_and_can_be_gone_on_from(tmp_path):
    limited = Session(folder=tmp_path, time_limit=1e-9)
    outcome = loop.Training(Adder(), limited).run()
    assert outcome.record == {"epochs": 0, "steps": 1, "stopped_by": "time limit"}
    for step in range(2, 12):
        outcome = loop.Training(Adder(), replace(limited, resume=True)).run()
        assert outcome.record["steps"] == step
        assert outcome.record["stopped_by"] == "time limit"
    outcome = loop.Training(Adder(), Session(folder=tmp_path, resume=True)).run()
    assert outcome.model == loop.run(Adder(), Session())
    assert outcome.record["stopped_by"] == "epochs"
    assert [line["epoch"] for line in lines(tmp_path)] == [1, 2, 3]


def test_at_a_time_limit_the_best_epoch_is_worth_more_than_the_last_step(monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(loop.time, "monotonic", lambda: float(next(clock)))
    session = Session(validate=ups_and_downs(0.4, 0.2, 0.1), time_limit=20)
    outcome = loop.Training(Adder(epochs=9, steps=(4,)), session).run()
    assert outcome.record["stopped_by"] == "time limit"
    assert outcome.record["best_epoch"] == 1
    assert outcome.model == loop.run(Adder(epochs=1), Session())


def test_the_seconds_of_all_sessions_add_up_with_all_that_comes_after_the_last_step(
    tmp_path, monkeypatch
):
    now = 0.0

    def passes(seconds):
        nonlocal now
        now += seconds

    class Slow(Adder):
        def model(self):
            passes(100)
            return super().model()

    monkeypatch.setattr(loop.time, "monotonic", lambda: now)
    learner = Slow(at_step=lambda taken: passes(1))
    first = loop.Training(learner, Session(folder=tmp_path, time_limit=5.5), began=-7.0).run()
    assert (first.record["stopped_by"], first.seconds) == ("time limit", 7 + 1 + 100)
    going_on = Session(folder=tmp_path, resume=True)
    whole = loop.Training(Slow(at_step=lambda taken: passes(1)), going_on).run()
    assert whole.seconds == first.seconds + 11 + 100
    # Done is done: only the model is made once more.
    assert loop.Training(Slow(), going_on).run().seconds == whole.seconds + 100
    # Steps after the last note count by their checkpoints.
    assert loop.Training(Slow(), Session(folder=tmp_path)).run().seconds == 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_the_step_and_writes_a_checkpoint(tmp_path, caplog, number):
    def interrupt(taken):
        if taken == 6:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with caplog.at_level(logging.WARNING), pytest.raises(Interrupted, match="epoch 2, after step"):
        loop.run(Adder(at_step=interrupt), Session(folder=tmp_path))
    assert "stopping after this step" in caplog.text
    assert signal.getsignal(number) is before
    assert (tmp_path / "step-000000000007").is_dir()
    learner = Adder()
    assert loop.run(learner, Session(folder=tmp_path, resume=True)) == loop.run(Adder(), Session())
    assert not [one for one in threading.enumerate() if "grapevine" in one.name]


def test_where_nothing_is_kept_an_interrupt_is_what_it_always_is():
    def interrupt(taken):
        if taken == 2:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run(Adder(at_step=interrupt), Session())
    finally:
        signal.signal(signal.SIGINT, before)


def test_interrupted_while_it_is_set_up_it_says_that_nothing_is_learnt(tmp_path, monkeypatch):
    def interrupted(self, train, *, seed=0):
        raise KeyboardInterrupt

    data, kept = world(checkerboard()), Session(folder=tmp_path)
    monkeypatch.setattr(Tiny.Config, "learner", interrupted)
    with pytest.raises(Interrupted, match="nothing is learnt yet\nhint: start it again") as caught:
        training.fit(Tiny.Config(), data, session=kept)
    assert not caught.value.anything
    with pytest.raises(Interrupted, match="what was learnt before is kept") as caught:
        training.fit(Tiny.Config(), data, session=replace(kept, resume=True))
    assert caught.value.anything
    with pytest.raises(KeyboardInterrupt):
        training.fit(Tiny.Config(), data)


def test_titles_that_changed_are_another_training(tmp_path):
    data = world(checkerboard())
    session = Session(folder=tmp_path)
    training.fit(Tiny.Config(epochs=1), data, session=session)
    titled = data.item_table.with_columns(title=data.item_table["item_id"].cast(str))
    with pytest.raises(ConfigError, match="of another training: its items is"):
        training.fit(
            Tiny.Config(epochs=1),
            replace(data, item_table=titled),
            session=replace(session, resume=True),
        )


def test_a_loss_that_is_no_number_stops_it_and_what_is_kept_is_named(tmp_path):
    class Broken(Adder):
        def step(self, batch, rate):
            return {**super().step(batch, rate), "half": math.nan if self.taken > 6 else 0.0}

    with pytest.raises(CheckFailed, match="step 7: the part `half` of the loss is nan") as caught:
        loop.run(Broken(), Session(folder=tmp_path, checkpoint_every=0))
    assert "the last good state is in" in caught.value.hint
    assert (tmp_path / "step-000000000006").is_dir()
    assert not (tmp_path / "step-000000000007").exists()


def test_resuming_where_nothing_is_begins(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        assert loop.run(Adder(), Session(folder=tmp_path / "new", resume=True)) > 0
    assert "no checkpoint yet" in caplog.text


def test_starting_again_forgets_what_was_there(tmp_path):
    loop.run(Adder(epochs=2), Session(folder=tmp_path))
    loop.run(Adder(epochs=1), Session(folder=tmp_path))
    assert [line["epoch"] for line in lines(tmp_path)] == [1]
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-000000000004"]


def test_checkpoints_of_short_epochs_take_a_small_share_of_the_time(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(loop.Checkpoints, "write", lambda self, one: written.append(one))
    ticks = itertools.count()
    monkeypatch.setattr(loop.time, "monotonic", lambda: float(next(ticks)))
    loop.run(Adder(epochs=200, steps=(1,)), Session(folder=tmp_path, checkpoint_every=math.inf))
    took = 200 * 3
    assert 3 <= len(written) <= 2 + took * loop.WRITING


def test_a_closed_form_says_that_it_has_no_steps(tmp_path):
    data = world(checkerboard())
    for session in (Session(folder=tmp_path, resume=True), Session(time_limit=60)):
        with pytest.raises(ConfigError, match="`ease` is fitted in closed form"):
            training.fit(MODELS["ease"].config, data, session=session)
    named = replace(MODELS["gf-cf"].config)
    with pytest.raises(ConfigError, match="`gf-cf` is fitted in closed form"):
        training.fit(named, data, session=Session(time_limit=60))
    outcome = training.train_with(MODELS["ease"].config, data)
    assert outcome.record == {}
    assert outcome.seconds > 0


@pytest.mark.parametrize("sparse", [False, True])
def test_a_network_learns_the_same_to_the_bit_however_it_is_run(tmp_path, sparse):
    data = world(checkerboard())
    config = Tiny.Config(epochs=2, sparse=sparse)
    wanted = training.fit(config, data, seed=4).items
    drawn = torch.get_rng_state()
    np.testing.assert_array_equal(training.fit(config, data, seed=4).items, wanted)
    assert torch.equal(torch.get_rng_state(), drawn)
    session = Session(folder=tmp_path, checkpoint_every=0, validate=lambda model: 0.0)
    outcome = training.train_with(config, data, seed=4, session=replace(session, validate=None))
    np.testing.assert_array_equal(outcome.model.items, wanted)
    assert outcome.epochs[0]["examples_per_second"] > 0
    assert not np.array_equal(training.fit(config, data, seed=5).items, wanted)
    with pytest.raises(ConfigError, match="its seed is 4, here it is 6"):
        training.fit(config, data, seed=6, session=replace(session, resume=True))
    with pytest.raises(ConfigError, match=r"its options\.epochs is 2, here it is 3"):
        training.fit(replace(config, epochs=3), data, seed=4, session=replace(session, resume=True))


def test_a_network_stopped_anywhere_goes_on_to_the_bit(tmp_path):
    data = world(checkerboard())
    config = Tiny.Config(epochs=2, batch=12)
    wanted = training.fit(config, data).items
    session = Session(folder=tmp_path, time_limit=1e-9)
    for _ in range(12):  # a step each: every state there is goes through a file
        training.fit(config, data, session=session)
        session = replace(session, resume=True)
    np.testing.assert_array_equal(training.fit(config, data, session=session).items, wanted)


def test_a_network_learns():
    data = world(checkerboard())
    first, *_, last = training.train_with(Tiny.Config(epochs=8), data).epochs
    assert last["loss"]["order"] < 0.75 * first["loss"]["order"]


def test_an_exploding_rate_is_named_and_nothing_broken_is_kept(tmp_path):
    data = world(checkerboard())
    session = Session(folder=tmp_path, checkpoint_every=0)
    with pytest.raises(CheckFailed, match=r"weights are not finite|not finite \(order") as caught:
        training.fit(Tiny.Config(learning_rate=1e38, epochs=4), data, session=session)
    assert caught.value.exit_code == 1
    assert "learning rate" in str(caught.value)
    assert "lower" in caught.value.hint
    for path in tmp_path.glob("step-*"):
        from safetensors.numpy import load_file

        assert np.isfinite(load_file(path / "state.safetensors")["network.0.weight"]).all()
