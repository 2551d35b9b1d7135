import random
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest

import grapevine as gv
from grapevine import manifest
from grapevine.errors import BundleError, ConfigError
from grapevine.models import MODELS
from grapevine.models.run import Run, open_run
from grapevine.testing.worlds import checkerboard, world

RECORD = {"seed": 0, "train_seconds": 0.1, "events": 66, "split": {"by": "none"}}


def run_of(name="item-knn", data=None, known=None):
    data = data or world(checkerboard(), items=[99])
    return Run.of(name, MODELS[name].config.fit(data, seed=0), data, RECORD, known)


@pytest.fixture
def saved(tmp_path):
    return run_of().save(tmp_path / "runs" / "knn")


def test_a_run_comes_back_from_its_folder(saved):
    back = open_run(str(saved.path))
    batch = saved.questions([0, 3])
    np.testing.assert_array_equal(back.model.score(batch), saved.model.score(batch))
    assert back.record == saved.record
    assert back.model.config == saved.model.config
    assert back.recommend(users=[3], k=2).equals(saved.recommend(users=[3], k=2))
    files = {path.relative_to(saved.path).as_posix() for path in saved.path.rglob("*.*")}
    assert {"config.toml", "model.safetensors", "metrics.jsonl", "card.md"} <= files
    assert not any(name.endswith((".pkl", ".pickle", ".pt")) for name in files)


@pytest.mark.parametrize("ids", [("é", "日本"), ("007", "7"), ("a,b", "c\nd")])
def test_ids_come_back_as_they_were(tmp_path, ids):
    run = run_of("popularity", world([("u", one) for one in ids])).save(tmp_path / "run")
    assert set(open_run(run.path).items.ids) == set(ids)


def test_arrays_of_another_version_are_told_apart_in_a_line(saved):
    state = saved.model.state()
    with pytest.raises(BundleError, match=r"ItemKNN as it is here: too many: a, b, c and 1 more\n"):
        type(saved.model).restore(saved.model.config, state | dict.fromkeys("abcd", np.ones(1)))
    one, *rest = sorted(state)
    named = {name: state[name] for name in rest} | {"new": np.ones(1)}
    with pytest.raises(BundleError, match=f"missing: {one}; too many: new\n") as caught:
        type(saved.model).restore(saved.model.config, named)
    assert caught.value.hint == "train it again with this version of grapevine"


def test_a_folder_that_is_no_run_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(ConfigError, match="not a run folder"):
        run_of().save(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "ten years of work"


def test_a_file_is_not_taken_for_a_place(tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ConfigError, match="is a file, and a run is a folder\nhint: "):
        run_of().save(tmp_path / "notes")
    assert (tmp_path / "notes").read_text() == "mine"


def test_a_run_that_a_killed_process_had_put_aside_is_found(saved):
    # Between the two renames of `manifest.published` this is what there is.
    aside = saved.path.with_name(".knn-abc") / "old"
    aside.parent.mkdir()
    saved.path.rename(aside)
    with pytest.raises(BundleError, match="killed while it replaced it") as caught:
        open_run(saved.path)
    _, _, move = caught.value.hint.partition(": ")
    subprocess.run(shlex.split(move), check=True)
    assert open_run(saved.path).name == "item-knn"


def test_a_run_may_be_trained_again_into_its_folder(saved):
    again = run_of("popularity").save(saved.path)
    assert open_run(again.path).name == "popularity"
    assert [path.name for path in saved.path.parent.iterdir()] == [saved.path.name]


def test_every_damaged_file_is_refused_by_name(saved):
    draw = random.Random(0)
    listed = [p for p in saved.path.rglob("*") if p.is_file() and p.name != manifest.NAME]
    assert len(listed) >= 7
    for path in listed:
        whole = path.read_bytes()
        for _ in range(10):
            place = draw.randrange(len(whole))
            flipped = whole[:place] + bytes([whole[place] ^ (1 << draw.randrange(8))])
            for damaged in (flipped + whole[place + 1 :], whole[:place]):
                path.write_bytes(damaged)
                with pytest.raises(BundleError, match=path.name):
                    open_run(saved.path)
        path.write_bytes(whole)
    open_run(saved.path)


def test_what_is_known_by_now_is_not_recommended_though_it_was_not_learnt_from():
    everything = world([*checkerboard(), (1, 1)], items=[99])
    train = world(checkerboard(), items=[99])
    assert 1 in run_of(data=train).recommend(users=[1], k=12)["item_id"].to_list()
    shown = run_of(data=train, known=everything).recommend(users=[1], k=12)["item_id"].to_list()
    assert 1 not in shown


def test_no_folder_and_no_run_say_what_to_do(tmp_path):
    with pytest.raises(BundleError, match="grapevine train"):
        open_run(tmp_path)


def test_the_old_run_is_still_there_when_the_new_one_cannot_take_its_place(saved, monkeypatch):
    rename = Path.rename

    def stop(self, target):
        if self.name == "new":
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        run_of("popularity").save(saved.path)
    assert open_run(saved.path).name == "item-knn"


def test_a_run_is_shown_in_a_line(tmp_path):
    run = gv.fit("popularity", world(checkerboard()), out=tmp_path / "run", seed=3)
    place = str(tmp_path / "run")
    assert (
        repr(run) == f"Run('popularity', data='world', users=12, items=12, seed=3, path={place!r})"
    )
