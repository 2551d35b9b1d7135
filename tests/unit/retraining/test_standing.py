"""What stands there already: the run in service stays, and no option is passed over in silence."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import grapevine as gv
from grapevine import manifest, pipeline, retraining
from grapevine.errors import BundleError, CheckFailed, ConfigError
from grapevine.retraining import gate, loop, notes


@pytest.fixture
def asked(run_of, tmp_path):
    """A retraining of a run of its own, which a test may lose."""
    run = tmp_path / "served"
    shutil.copytree(run_of("popularity"), run)
    return retraining.Wanted(run=run, out=tmp_path / "next", tolerance=9.0)


def files(folder):
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))


@pytest.fixture
def no_training(monkeypatch):
    def forbid():
        monkeypatch.setattr(pipeline, "fit", lambda *_, **__: pytest.fail("it was trained again"))

    return forbid


@pytest.mark.parametrize("out", ["served", "served/next", ".", "other/../served", "link"])
def test_the_run_in_service_is_never_written_over(heard, asked, tmp_path, out):
    (tmp_path / "link").symlink_to(asked.run)
    (tmp_path / "other").mkdir()
    before = files(tmp_path)
    for force in (True, False):
        with pytest.raises(ConfigError, match="the run in service"):
            retraining.retrain(heard, replace(asked, out=tmp_path / out), force=force)
    assert files(tmp_path) == before


def test_neither_candidate_nor_dataset_take_the_place_of_the_run(heard, asked, tmp_path):
    candidate = tmp_path / "next-candidate"
    asked.run.rename(candidate)
    before = files(tmp_path)
    for more in ({}, {"out": tmp_path / "x", "dataset": candidate}):
        with pytest.raises(ConfigError, match="the run in service"):
            retraining.retrain(heard, replace(asked, run=candidate, **more), force=True)
    for dataset in (tmp_path / "next", tmp_path / "next" / "data", tmp_path / "next-candidate"):
        with pytest.raises(ConfigError, match="are not apart"):
            retraining.retrain(heard, replace(asked, dataset=dataset), force=True)
    assert files(tmp_path) == before


@pytest.mark.parametrize("where", ["next", "next-candidate", "next-data"])
def test_what_the_run_learnt_from_is_not_written_over(heard, asked, base, tmp_path, where):
    shutil.copytree(base, tmp_path / where)
    before = files(tmp_path)
    with pytest.raises(ConfigError, match="would be written over"):
        retraining.retrain(heard, replace(asked, data=str(tmp_path / where)), force=True)
    assert files(tmp_path) == before


def test_force_removes_nothing_before_all_is_checked(heard, asked, tmp_path):
    assert retraining.retrain(heard, asked).ready
    before = files(tmp_path)
    wrongs = (
        {"run": tmp_path / "srved"},
        {"settings": ("model.depth=3",)},
        {"data": str(tmp_path / "none")},
    )
    for wrong in wrongs:
        with pytest.raises((ConfigError, BundleError)):
            retraining.retrain(heard, replace(asked, **wrong), force=True)
        assert files(tmp_path) == before


@pytest.mark.parametrize("where", ["next", "next-candidate"])
def test_no_run_goes_that_no_retraining_has_made(heard, asked, run_of, tmp_path, where):
    shutil.copytree(run_of("ease"), tmp_path / where)
    for force in (True, False):
        with pytest.raises(ConfigError, match="that no retraining has made"):
            retraining.retrain(heard, asked, force=force)
    assert gv.open_run(tmp_path / where).name == "ease"


def test_no_dataset_goes_that_no_retraining_has_made(heard, asked, base, tmp_path):
    shutil.copytree(base, tmp_path / "mine")
    with pytest.raises(BundleError, match="is not a dataset that retraining has made"):
        retraining.retrain(heard, replace(asked, dataset=tmp_path / "mine"), force=True)
    assert gv.load(tmp_path / "mine").fingerprint == gv.load(base).fingerprint


def test_another_tolerance_judges_anew_what_is_kept(
    heard, asked, tmp_path, monkeypatch, no_training
):
    def worse(*given, compare=gate.compare, **more):
        found = compare(*given, **more)
        return replace(found, before=0.5, after=0.4)

    monkeypatch.setattr(gate, "compare", worse)
    strict = replace(asked, tolerance=0.05)
    refused = retraining.retrain(heard, strict)
    assert not refused.ready
    no_training()
    assert retraining.retrain(heard, strict) == refused
    assert (
        "worse by more than 0.0500"
        in retraining.retrain(heard, replace(asked, tolerance=0.1)).reason
    )
    lenient = replace(asked, tolerance=0.3)
    passed = retraining.retrain(heard, lenient)
    assert passed.ready
    assert passed.reason == ""
    assert passed.run == tmp_path / "next"
    assert passed.service["recall"] >= 0.9
    assert passed.version == manifest.version(tmp_path / "next")
    assert not (tmp_path / "next-candidate").exists()
    assert retraining.retrain(heard, lenient) == passed
    # What may be in service stays where it is, and is no more put there by a stricter one.
    assert not retraining.retrain(heard, strict).ready
    assert retraining.retrain(heard, lenient) == passed
    with pytest.raises(CheckFailed, match="nothing can be told"):
        retraining.retrain(heard, replace(lenient, least=1_000))


def test_who_was_forgotten_since_is_not_let_through_by_a_new_tolerance(
    heard, asked, tmp_path, monkeypatch
):
    refused = _refused(heard, asked, monkeypatch)
    assert not refused.ready
    heard.forget("u05")
    with pytest.raises(CheckFailed, match="somebody was forgotten"):
        retraining.retrain(heard, asked)
    assert not (tmp_path / "next").exists()


def _refused(heard, asked, monkeypatch):
    with monkeypatch.context() as patch:
        compare = gate.compare
        patch.setattr(
            gate, "compare", lambda *a, **m: replace(compare(*a, **m), before=0.5, after=0.4)
        )
        return retraining.retrain(heard, replace(asked, tolerance=0.0))


@pytest.mark.parametrize(
    ("more", "option"),
    [
        ({"settings": ("model.behaviours=buy",)}, "--set"),
        ({"share": 0.5}, "--holdout"),
        ({"seed": 1}, "--seed"),
        ({"how": "cold"}, "--start"),
        ({"time_limit": "9m"}, "--time-limit"),
        ({"metric": "hr@10"}, "--metric"),
    ],
)
def test_other_options_are_not_passed_over(heard, asked, tmp_path, more, option):
    told = retraining.retrain(heard, asked)
    before = files(tmp_path)
    with pytest.raises(ConfigError, match=f"made with other options: {option} .*\n.*--force"):
        retraining.retrain(heard, replace(asked, **more))
    with pytest.raises(ConfigError, match="made with other options: --dataset"):
        retraining.retrain(heard, replace(asked, dataset=tmp_path / "more"))
    assert files(tmp_path) == before
    assert retraining.retrain(heard, asked) == told


def test_nor_are_they_before_there_is_a_verdict(heard, asked, tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gate, "compare", killed)
        with pytest.raises(KeyboardInterrupt):
            retraining.retrain(heard, asked)
    for more in ({"seed": 1}, {"share": 0.5}):
        with pytest.raises(ConfigError, match="made with other options"):
            retraining.retrain(heard, replace(asked, **more))
    # By what is measured nothing is made yet.
    assert retraining.retrain(heard, replace(asked, metric="hr@10")).judged.metric == "hr@10"


def test_a_run_that_was_replaced_in_its_folder_is_another(heard, asked, run_of):
    retraining.retrain(heard, asked)
    shutil.rmtree(asked.run)
    shutil.copytree(run_of("ease"), asked.run)
    with pytest.raises(ConfigError, match="was made from another run that stood at"):
        retraining.retrain(heard, asked)


@pytest.mark.parametrize("more", [{}, {"share": 0.5}])
def test_what_was_too_little_is_gathered_again(store, asked, clock, event, more):
    """The hint says to wait, or to hold more out: the same command then hears of more."""
    store.append([event("one", "u01", item_id="i20", timestamp=clock.now)]).result()
    with pytest.raises(CheckFailed, match="nothing can be told"):
        retraining.retrain(store, asked)
    for n in range(5):
        for user in range(60):
            clock.now += 60_000
            item = f"i{(user + 11 * n) % 40:02d}"
            store.append(
                [event(f"{user}.{n}", f"u{user:02d}", item_id=item, timestamp=clock.now)]
            ).result()
    verdict = retraining.retrain(store, replace(asked, **more))
    assert verdict.data["new"] == 301
    assert verdict.ready


def test_killed_before_it_was_moved_it_is_moved_the_next_time(
    heard, asked, tmp_path, monkeypatch, no_training
):
    rename = Path.rename

    def killed(self, target):
        if self == asked.candidate:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            retraining.retrain(heard, asked)
    assert not (tmp_path / "next").exists()
    no_training()
    verdict = retraining.retrain(heard, asked)
    assert (verdict.ready, verdict.run) == (True, tmp_path / "next")
    assert gv.open_run(tmp_path / "next").name == "popularity"
    assert not asked.candidate.exists()


def test_nor_if_somebody_of_it_was_forgotten_since(heard, asked, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_kept", lambda verdict, _: verdict.write())
        retraining.retrain(heard, asked)
    heard.forget("u05")
    with pytest.raises(CheckFailed, match="somebody was forgotten"):
        retraining.retrain(heard, asked)
    assert not (tmp_path / "next").exists()
    assert not asked.candidate.exists()


def test_notes_are_whole_or_as_before(heard, asked, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gate, "compare", killed)
        with pytest.raises(KeyboardInterrupt):
            retraining.retrain(heard, asked)
    note = asked.folder / "asked.json"
    before = note.read_text()
    with monkeypatch.context() as patch:
        patch.setattr(notes.os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            notes.write(note, {"seed": 7})
    assert note.read_text() == before
    note.write_text("{")  # as somebody's editor leaves it
    with pytest.raises(BundleError, match=r"is damaged[^\n]*\n.*--force"):
        retraining.retrain(heard, asked)
    note.write_text(before)
    assert retraining.retrain(heard, asked).ready
