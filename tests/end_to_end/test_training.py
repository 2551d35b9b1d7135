"""`grapevine train` on a model that is trained step by step: cut short, stopped, gone on with."""

import json
import os
import shlex
import signal
from contextlib import contextmanager

import pytest

import grapevine as gv
from grapevine.cli.app import run as grapevine
from grapevine.models import MODELS, ModelRow
from grapevine.models.run import open_run
from grapevine.models.traces import curves
from grapevine.testing.learners import Tiny, TinyLearner
from grapevine.testing.worlds import checkerboard
from grapevine.training import TRACKERS

ROW = ModelRow(
    model=Tiny,
    config=Tiny.Config(epochs=3),
    neighbourhood="item <- the items beside it",
    merge="difference",
    update="gradient step",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    here = tmp_path_factory.mktemp("training")
    lines = [f"{u},{i},{1_700_000_000 + u * 100 + i}" for u, i in checkerboard()]
    (here / "events.csv").write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n")
    assert grapevine(["data", "import", str(here / "events.csv"), "--out", str(here / "d")]) == 0
    return here / "d"


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setitem(MODELS, "tiny", ROW)


@pytest.fixture
def at_step(monkeypatch):
    """Have something happen before a step, once."""

    def arrange(number, act):
        step, done = TinyLearner.step, []

        def acting(self, batch, rate):
            if self.steps_done == number and not done:
                done.append(number)
                act()
            return step(self, batch, rate)

        monkeypatch.setattr(TinyLearner, "step", acting)

    return arrange


def train(data, out, *more):
    return grapevine(["train", "tiny", "--data", str(data), "--out", str(out), *more])


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def weights(out):
    return (out / "model.safetensors").read_bytes()


@pytest.fixture
def whole(data, tmp_path):
    assert train(data, tmp_path / "whole") == 0
    return tmp_path / "whole"


def test_a_run_says_how_it_was_trained(whole):
    run = open_run(whole)
    record = run.record
    assert (record["epochs"], record["steps"], record["stopped_by"]) == (3, 27, "epochs")
    assert 1 <= record["best_epoch"] <= 3
    assert 0 <= record["validation"]["ndcg@10"] <= 1
    assert [line["epoch"] for line in lines(whole)] == [1, 2, 3]
    worth = [line["validation"]["ndcg@10"] for line in lines(whole)]
    assert max(worth) == record["validation"]["ndcg@10"] == worth[record["best_epoch"] - 1]
    assert f"Kept: epoch {record['best_epoch']}, the best on validation (ndcg@10" in (
        whole / "card.md"
    ).read_text(encoding="utf-8")
    named = {curve.name for curve in curves(whole)}
    assert {"loss.order", "loss.length", "validation.ndcg@10", "learning_rate"} <= named


def test_a_time_limit_keeps_the_best_so_far_and_says_how_to_go_on(data, tmp_path, whole, capsys):
    out = tmp_path / "out"
    assert train(data, out, "--time-limit", "0.001s", "--seed", "0") == 0
    record = open_run(out).record
    assert (record["stopped_by"], record["steps"]) == ("time limit", 1)
    assert "at its time limit, before it was done" in (out / "card.md").read_text()
    said = capsys.readouterr().err
    assert " s, 0 epochs -> " in said
    again = next(line for line in said.splitlines() if line.startswith("go on with: "))
    assert grapevine(shlex.split(again.removeprefix("go on with: grapevine "))) == 0
    assert weights(out) == weights(whole)
    assert open_run(out).record["stopped_by"] == "epochs"
    assert open_run(out).record["train_seconds"] > record["train_seconds"]


def test_ctrl_c_before_the_first_step_says_that_nothing_is_learnt(
    data, tmp_path, monkeypatch, capsys
):
    def interrupted(self, train, *, seed=0):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Tiny.Config, "learner", interrupted)
        assert train(data, tmp_path / "out") == 3
    assert "nothing is learnt yet\nhint: start it again\n" in capsys.readouterr().err
    assert train(data, tmp_path / "out") == 0


def test_a_run_that_is_done_is_not_quicker_for_being_resumed(data, whole):
    before = open_run(whole).record["train_seconds"]
    assert train(data, whole, "--resume", "--force") == 0
    assert open_run(whole).record["train_seconds"] >= before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_three_and_what_was_done_is_gone_on_with(
    data, tmp_path, whole, at_step, number, capsys
):
    out = tmp_path / "my out"
    at_step(13, lambda: os.kill(os.getpid(), number))
    settings = ["--set", "model.batch=4"]
    assert train(data, out, *settings) == 3
    said = capsys.readouterr().err.splitlines()
    assert "error: interrupted in epoch 2, after step 14: all that was done is kept" in said
    again = said[-1].removeprefix("hint: go on with: grapevine ")
    assert again == (
        f"train tiny --data {data} --out '{out}' --set model.batch=4 --resume"
    )  # fmt: skip
    assert [path.name for path in out.iterdir()] == ["checkpoints"]
    assert [curve.epochs for curve in curves(out) if curve.name == "step"] == [[1]]
    # Neither forgotten nor mistaken for a run.
    assert train(data, out) == 2
    assert "holds a training that is not done\nhint: go on with --resume" in capsys.readouterr().err
    assert grapevine(shlex.split(again)) == 0
    assert weights(out) == weights(whole)
    assert [line["epoch"] for line in lines(out)] == [1, 2, 3]


def test_what_stands_there_stays_until_the_new_run_is_done(data, tmp_path, whole, at_step, capsys):
    standing = weights(whole)
    at_step(20, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert train(data, whole, "--force", "--seed", "1") == 3
    assert open_run(whole).record["seed"] == 0
    assert weights(whole) == standing
    assert train(data, whole, "--resume", "--seed", "2") == 2
    assert "its seed is 1, here it is 2\nhint: resume with what" in capsys.readouterr().err
    assert train(data, whole, "--resume", "--seed", "1") == 0
    assert open_run(whole).record["seed"] == 1
    assert weights(whole) != standing
    assert train(data, whole, "--force") == 0
    assert weights(whole) == standing


def test_a_loss_that_is_not_finite_is_one_and_leaves_a_checkpoint(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert train(data, out, "--set", "model.learning_rate=1e38") == 1
    assert "not finite" in capsys.readouterr().err
    assert not (out / "config.toml").exists()
    assert train(data, out, "--force") == 0


def test_a_closed_form_has_nothing_to_resume_nor_to_cut_short(data, tmp_path, capsys):
    out = ["--data", str(data), "--out", str(tmp_path / "out")]
    for option in (["--resume"], ["--time-limit", "10m"]):
        assert grapevine(["train", "ease", *out, *option]) == 2
        said = capsys.readouterr().err
        assert "`ease` is fitted in closed form" in said
        assert "hint: leave out --resume, --time-limit and what to begin from" in said
    assert not (tmp_path / "out").exists()


def test_a_folder_of_someone_else_is_not_trained_into(data, tmp_path, capsys):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "epoch=3.ckpt").write_text("days of work")
    for more in ([], ["--force"], ["--resume"]):
        assert train(data, tmp_path, *more) == 2
        assert "is not a run folder" in capsys.readouterr().err
    assert (tmp_path / "checkpoints" / "epoch=3.ckpt").read_text() == "days of work"


def test_a_profile_and_a_log_stand_in_the_run_and_change_nothing(
    data, tmp_path, whole, at_step, monkeypatch, capsys
):
    told = []

    @contextmanager
    def listener(folder, options):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mlflow-run").write_text("of " + str(options["epochs"]))
        yield lambda line: told.append(line["epoch"])

    monkeypatch.setitem(TRACKERS, "mlflow", listener)
    out = tmp_path / "out"
    at_step(13, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert train(data, out, "--log", "mlflow", "--profile") == 3
    said = capsys.readouterr().err
    assert "ms a step" in said
    assert f"trace of these steps: {out / 'logs' / 'trace.json.gz'}" in said
    again = said.splitlines()[-1].removeprefix("hint: go on with: grapevine ")
    assert again == f"train tiny --data {data} --out {out} --log mlflow --resume"
    assert grapevine(shlex.split(again)) == 0
    assert told == [1, 2, 3]
    assert {path.name for path in (out / "logs").iterdir()} == {"mlflow-run", "trace.json.gz"}
    assert weights(out) == weights(whole)
    assert open_run(out).record["epochs"] == 3
    # A training that begins anew has none of what the one before it said.
    assert train(data, out, "--force") == 0
    assert not list(out.glob("logs/*"))


def test_logs_alone_are_no_work_that_could_be_lost(data, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "of somebody else").write_text("days of work")
    assert train(data, tmp_path, "--force", "--profile") == 2
    assert (tmp_path / "logs" / "of somebody else").is_file()


def test_a_closed_form_has_nothing_to_log_nor_to_profile(data, tmp_path, capsys):
    out = ["--data", str(data), "--out", str(tmp_path / "out")]
    for option in (["--log", "tensorboard"], ["--profile"]):
        assert grapevine(["train", "ease", *out, *option]) == 2
        assert "hint: leave out --log and --profile" in capsys.readouterr().err
    assert train(data, tmp_path / "out", "--log", "tensorbord") == 2
    assert "did you mean `tensorboard`" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_from_python_too(data, tmp_path, whole):
    parts = gv.pipeline.prepare(gv.load(data))
    out = tmp_path / "out"
    short = gv.fit("tiny", parts.train, out=out, time_limit="0.001s")
    assert short.record["stopped_by"] == "time limit"
    run = gv.fit("tiny", parts.train, out=out, resume=True)
    assert weights(out) == weights(whole)
    assert len(run.epochs) == 3
    with pytest.raises(gv.errors.ConfigError, match="nothing to resume"):
        gv.fit("tiny", parts.train, resume=True)
    with pytest.raises(gv.errors.ConfigError, match="name one as `out`"):
        gv.fit("tiny", parts.train, profile=True)
