"""`grapevine tune`: options are searched on validation, and what is trained by them says so."""

import json
import shlex
from dataclasses import replace

import pytest

pytest.importorskip("optuna", reason="the extra `tune` is not installed")

import grapevine as gv
from grapevine.cli.app import run as grapevine
from grapevine.config import read_toml
from grapevine.evaluation import rank
from grapevine.models import MODELS, ModelRow
from grapevine.models.run import open_run
from grapevine.testing.learners import Tiny
from grapevine.testing.worlds import checkerboard

ROW = ModelRow(
    model=Tiny,
    config=Tiny.Config(epochs=2),
    neighbourhood="item <- the items beside it",
    merge="difference",
    update="gradient step",
)


def imported(folder, events):
    lines = [f"{u},{i},{1_700_000_000 + u * 100 + at}" for u, i, at in events]
    source = folder.with_suffix(".csv")
    source.write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n")
    assert grapevine(["data", "import", str(source), "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def events():
    return [(u, i, i) for u, i in checkerboard()]


@pytest.fixture(scope="module")
def data(tmp_path_factory, events):
    return imported(tmp_path_factory.mktemp("tuning") / "d", events)


def tune(model, data, out, *more):
    return grapevine(["tune", model, "--data", str(data), "--out", str(out), *more])


def trials(out):
    lines = (out / "trials.jsonl").read_text().splitlines()
    return [{**json.loads(line), "seconds": 0} for line in lines]


def test_the_best_is_trained_and_its_budget_goes_with_it(data, tmp_path, capsys):
    out, made = tmp_path / "search", tmp_path / "run"
    assert tune("ease", data, out, "--trials", "4", "--json") == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["model"], found["trials"], len(found["all"])) == ("ease", 4, 4)
    assert found["validation"] == max(one["value"] for one in found["all"])
    best = str(out / "best.toml")
    assert grapevine(["train", best, "--data", str(data), "--out", str(made)]) == 0
    opened = open_run(made)
    assert opened.model.config.regularization == found["options"]["regularization"]
    assert opened.record["search"] == read_toml(out / "best.toml")["search"]
    card = (made / "card.md").read_text(encoding="utf-8")
    assert "Options found by 4 trials (0 given up, 0 failed) in " in card
    assert "- `regularization`: 10.0..10000.0" in card
    # A run that is trained by the options of that run has cost the same search.
    again = tmp_path / "again"
    assert (
        grapevine(["train", str(made / "config.toml"), "--data", str(data), "--out", str(again)])
        == 0
    )
    assert open_run(again).record["search"] == opened.record["search"]
    capsys.readouterr()
    page = tmp_path / "report.html"
    evaluate = ["evaluate", str(made), "--data", str(data), "--no-baselines"]
    assert grapevine([*evaluate, "--json", "--html", str(page)]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["search"]["trials"] == 4
    assert "found by 4 trials" in page.read_text(encoding="utf-8")
    assert grapevine(evaluate) == 0
    assert "ease: options found by 4 trials" in " ".join(capsys.readouterr().out.split())


def test_the_answers_of_the_test_change_nothing(data, events, tmp_path, monkeypatch):
    asked, measure = [], rank.measure

    def watched(model, holdout, metric, **how):
        asked.append(holdout)
        return measure(model, holdout, metric, **how)

    monkeypatch.setattr(rank, "measure", watched)
    last = {u: i for u, i, _ in events}
    other = [(u, (i + 1) % 12 if i == last[u] else i, at) for u, i, at in events]
    elsewhere = imported(tmp_path / "other", other)
    for folder, name in ((data, "one"), (elsewhere, "two")):
        assert tune("item-knn", folder, tmp_path / name, "--trials", "5") == 0
    assert trials(tmp_path / "one") == trials(tmp_path / "two")
    assert len(asked) >= 5
    assert {holdout.name for holdout in asked} == {"validation"}
    one, two = (gv.pipeline.prepare(gv.load(folder)) for folder in (data, elsewhere))
    assert one.test.targets.values.tolist() != two.test.targets.values.tolist()


def test_a_trained_model_is_searched_and_gone_on_with(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(MODELS, "tiny", ROW)
    out = tmp_path / "my search"
    space = ["--search", "model.width=2..8", "--search", "model.learning_rate=0.01..0.1"]
    asked = [*space, "--set", "model.epochs=1", "--trials", "3", "--metric", "mrr"]
    whole = tmp_path / "whole"
    assert tune("tiny", data, whole, *asked) == 0
    shown = capsys.readouterr()
    assert "tiny: mrr" in shown.out
    assert f"next: grapevine train {whole / 'best.toml'} --data {data}" in shown.err
    learner = Tiny.Config.learner
    calls = []

    def interrupted(self, train, *, seed=0):
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return learner(self, train, seed=seed)

    with monkeypatch.context() as patched:
        patched.setattr(Tiny.Config, "learner", interrupted)
        assert tune("tiny", data, out, *asked) == 3
    said = capsys.readouterr().err.splitlines()
    assert "error: interrupted in trial 2: what was done is kept" in said
    again = said[-1].removeprefix("hint: go on with: grapevine ")
    assert again.startswith(f"tune tiny --data {data} --trials 3 --search model.width=2..8")
    assert again.endswith(f"--metric mrr --out '{out}' --resume")
    assert grapevine(shlex.split(again)) == 0
    assert trials(out) == trials(whole)
    assert [len(trial["curve"]) for trial in trials(out)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--search", "model.regularisation=1..2"], "did you mean `regularization`"),
        (["--search", "model.regularization=2..1"], "there is nothing"),
        (["--search", "model.regularization=-1..1"], "ease wants model.regularization > 0"),
        (["--search", "model.regularization"], "does not say what to search"),
        (
            ["--search", "model.regularization=1..2", "--set", "model.regularization=1"],
            "is both set and searched\nhint: leave out one",
        ),
        (["--set", "model.regularization=1"], "is set already"),
        (["--metric", "ndgc@10"], "did you mean `ndcg`"),
        (["--time-limit", "soon"], "`soon` is no length of time"),
        (["--trials", "0"], "--trials"),
        (["--split-by", "none"], "no validation questions"),
        (["--space", "nowhere.toml"], "nowhere.toml: not readable"),
    ],
)
def test_what_cannot_be_is_two_and_nothing_is_begun(data, tmp_path, given, said, capsys):
    assert tune("ease", data, tmp_path / "out", *given) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_from_python_too(data, tmp_path):
    parts = gv.pipeline.prepare(gv.load(data))
    space = {"neighbours": [2, 4, 8]}
    found = gv.tune("item-knn", parts.train, out=tmp_path / "s", trials=9, space=space)
    assert found.stopped_by in {"space", "trials"}
    assert found.best.options["neighbours"] in space["neighbours"]
    run = gv.fit(str(found.folder.best), parts.train)
    assert run.record["search"]["trials"] == len(found.trials)
    assert replace(run.model.config, neighbours=100) == MODELS["item-knn"].config
