"""From events to a verdict: ready or refused, resumed, said again, and nobody in it who is gone."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

import grapevine as gv
from grapevine import manifest, pipeline, retraining
from grapevine.errors import BundleError, CheckFailed, ConfigError, Interrupted
from grapevine.retraining import gate
from grapevine.retraining.verdict import FILE
from grapevine.serving.engine import Host

pytestmark = pytest.mark.slow
WORSE = ("model.epochs=1", "model.learning_rate=1e-9")
"""Nothing is learnt."""


@pytest.fixture
def wanted(run_of, tmp_path):
    def asked(name="sasrec", **more):
        if name != "sasrec":  # what closed forms are worth is not what is tested
            more.setdefault("tolerance", 9.0)
        return retraining.Wanted(run=run_of(name), out=tmp_path / "next", **more)

    return asked


@pytest.fixture
def no_training(monkeypatch):
    def refused(*_, **__):
        raise AssertionError("it was trained again")

    def forbid():
        monkeypatch.setattr(pipeline, "fit", refused)

    return forbid


def left(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("store.db"))


def test_a_run_that_is_better_is_ready_to_swap(heard, wanted, tmp_path, no_training):
    asked = wanted()
    verdict = retraining.retrain(heard, asked)
    assert verdict.ready, verdict.reason
    assert verdict.begun == f"warm: begun from {asked.run}"
    assert verdict.judged.after >= 0.95 * verdict.judged.before
    assert left(tmp_path) == ["next", "next-data"]
    run = gv.open_run(tmp_path / "next")
    assert run.record["begun_from"]["items"] == {"carried": 40, "of": 40}
    assert run.record["begun_from"]["users"]["carried"] == 60
    assert run.model.config == gv.open_run(asked.run).model.config
    # It knows all events, those that it was measured by too, and can be measured again.
    assert len(run.history) == verdict.data["events"]
    parts = pipeline.split_of(run, gv.load(tmp_path / "next-data"))
    assert gate.compare(run, run, parts).after == verdict.judged.after
    assert Host.start(asked.run).swap(tmp_path / "next").recall >= 0.9
    # Said again, and nothing done twice.
    no_training()
    assert retraining.retrain(heard, asked) == verdict


def test_the_next_round_begins_from_it(heard, wanted, tmp_path, event):
    retraining.retrain(heard, wanted())
    first = gv.open_run(tmp_path / "next")
    for user in range(60):
        heard.clock.now += 60_000
        item = f"i{user % 40:02d}"
        heard.append([event(f"n{user}", f"u{user:02d}", item_id=item, timestamp=heard.clock.now)])
    asked = replace(wanted(), run=tmp_path / "next", out=tmp_path / "third", least=5, tolerance=9.0)
    verdict = retraining.retrain(heard, asked)
    assert verdict.data["new"] == 60
    assert verdict.data["left_out"] == {"known already": 560}
    # Only what is new since is asked for.
    assert verdict.data["at"] > int(first.history.times.max())


def test_a_run_that_is_worse_is_refused_and_the_old_one_serves_on(
    heard, wanted, tmp_path, no_training
):
    asked = wanted(how="cold", settings=WORSE)
    host = Host.start(asked.run)
    before = host.current().version
    verdict = retraining.retrain(heard, asked)
    assert not verdict.ready
    assert "the run in service stays" in verdict.reason
    assert verdict.judged.difference < 0
    assert not (tmp_path / "next").exists()
    assert left(tmp_path) == ["next-candidate", "next-data"]
    assert host.current().version == before == verdict.version_before
    assert verdict.version == manifest.version(tmp_path / "next-candidate") != before
    no_training()
    assert retraining.retrain(heard, asked) == verdict
    with pytest.raises(ConfigError, match="was made from"):
        retraining.retrain(heard, replace(asked, run=tmp_path / "another"))


def test_a_closed_form_is_fitted_to_all_of_it(heard, wanted, tmp_path):
    verdict = retraining.retrain(heard, wanted("ease"))
    assert verdict.begun == "fitted in closed form"
    assert verdict.ready
    run, parts = gv.open_run(tmp_path / "next"), gv.split.of(gv.load(tmp_path / "next-data"))
    plain = gv.fit("ease", parts.train)
    np.testing.assert_array_equal(run.model.weights, plain.model.weights)


def test_force_begins_anew(heard, wanted, tmp_path):
    verdict = retraining.retrain(heard, wanted("popularity", tolerance=9.0))
    assert retraining.read(tmp_path / "next") == verdict
    again = retraining.retrain(heard, wanted("ease"), force=True)
    assert again.ready
    assert gv.open_run(tmp_path / "next").name == "ease"
    (tmp_path / "next" / FILE).write_text("{")
    with pytest.raises(BundleError, match="no verdict on a retraining"):
        retraining.retrain(heard, wanted("ease"))


def test_what_was_stopped_goes_on(heard, wanted, tmp_path, monkeypatch):
    whole = wanted()
    asked = replace(whole, out=tmp_path / "stopped")
    fit, seen = pipeline.fit, []

    def stopped(*given, **more):
        seen.append(more["resume"])
        if len(seen) == 1:
            fit(*given, **more | {"time_limit": 1e-9})
            # As a training leaves its folder that is stopped within.
            for path in (tmp_path / "stopped-candidate").iterdir():
                if path.name != "checkpoints":
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise Interrupted("interrupted in epoch 1")
        return fit(*given, **more)

    monkeypatch.setattr(pipeline, "fit", stopped)
    with pytest.raises(Interrupted, match="go on with the same command"):
        retraining.retrain(heard, asked)
    assert left(tmp_path) == ["stopped-candidate", "stopped-data"]
    resumed = retraining.retrain(heard, asked)
    assert seen == [False, True]
    monkeypatch.setattr(pipeline, "fit", fit)
    straight = retraining.retrain(heard, whole)
    assert resumed.judged == straight.judged
    one, other = (gv.open_run(tmp_path / name).model.state() for name in ("stopped", "next"))
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_killed_between_training_and_verdict_it_is_judged_alone(
    heard, wanted, tmp_path, no_training, monkeypatch
):
    asked = wanted("ease")

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gate, "compare", killed)
        with pytest.raises(KeyboardInterrupt):
            retraining.retrain(heard, asked)
    assert left(tmp_path) == ["next-candidate", "next-data"]
    no_training()
    assert retraining.retrain(heard, asked).ready


def test_who_was_forgotten_is_in_nothing_that_is_made(heard, wanted, tmp_path, named):
    heard.forget("u05")
    verdict = retraining.retrain(heard, wanted())
    assert verdict.ready
    assert verdict.begun == "cold: 1 of those it learnt from asked to be forgotten"
    assert verdict.data["forgotten"] == 1
    assert "u05" not in named(tmp_path / "next-data")
    run = gv.open_run(tmp_path / "next")
    assert "u05" not in run.users.ids
    assert "begun_from" not in run.record


def test_warm_as_asked_for_carries_no_row_of_who_was_forgotten(heard, wanted, tmp_path):
    heard.forget("u05")
    verdict = retraining.retrain(heard, wanted(how="warm"))
    assert verdict.begun.startswith("warm")
    run = gv.open_run(tmp_path / "next")
    assert run.record["begun_from"]["users"]["carried"] == 59


def test_who_is_forgotten_meanwhile_ends_it(heard, wanted, tmp_path, monkeypatch, named):
    compare = gate.compare

    def forgetting(*given, **more):
        heard.forget("u06")
        return compare(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(gate, "compare", forgetting)
        with pytest.raises(CheckFailed, match="somebody was forgotten while it was trained"):
            retraining.retrain(heard, wanted("ease"))
    assert left(tmp_path) == []
    assert retraining.retrain(heard, wanted("ease")).ready
    assert "u06" not in named(tmp_path / "next-data")


def test_who_is_forgotten_before_it_goes_on_is_taken_out(heard, wanted, tmp_path, named):
    with pytest.raises(CheckFailed, match="nothing can be told"):
        retraining.retrain(heard, wanted("ease", least=1_000))
    assert "u06" in named(tmp_path / "next-data")
    heard.forget("u06")
    retraining.retrain(heard, wanted("ease"))
    assert "u06" not in named(tmp_path / "next-data")


def test_without_checkpoints_it_begins_anew_or_says_so(heard, wanted, run_of, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(run_of("sasrec"), bare, ignore=shutil.ignore_patterns("checkpoints"))
    asked = replace(wanted(), run=bare, tolerance=9.0)
    with pytest.raises(ConfigError, match="holds no checkpoint"):
        retraining.retrain(heard, replace(asked, how="warm"))
    assert retraining.retrain(heard, asked).begun.startswith("cold: ")


def test_data_that_the_run_has_not_learnt_from_are_refused(heard, wanted, run_of, base, tmp_path):
    other = gv.pipeline.make_shop(20, out=tmp_path / "shop").path
    with pytest.raises(ConfigError, match=r"is not what .* was trained on"):
        retraining.retrain(heard, wanted("ease", data=str(other)))
    run = gv.open_run(run_of("ease"))
    moved = replace(run, record=run.record | {"data": "gone"})
    moved.save(tmp_path / "moved")
    asked = replace(wanted("ease"), run=tmp_path / "moved")
    with pytest.raises(ConfigError, match="was trained on `gone`, which is not there"):
        retraining.retrain(heard, asked)
    assert retraining.retrain(heard, replace(asked, data=str(base))).ready
    silent = replace(run, record={k: v for k, v in run.record.items() if k != "data"})
    silent.save(tmp_path / "silent")
    with pytest.raises(ConfigError, match="does not say what it was trained on"):
        retraining.retrain(heard, replace(asked, run=tmp_path / "silent", out=tmp_path / "more"))


def test_places_and_options_that_do_not_fit_are_refused(heard, wanted, run_of, tmp_path):
    shutil.copytree(run_of("ease"), tmp_path / "next")
    with pytest.raises(ConfigError, match="a run that no retraining has made"):
        retraining.retrain(heard, wanted("ease"))
    for wrong in ({"share": 0}, {"share": 1}, {"tolerance": -1}, {"least": 0}, {"metric": "x@1"}):
        with pytest.raises(ConfigError):
            wanted("ease", **wrong)
