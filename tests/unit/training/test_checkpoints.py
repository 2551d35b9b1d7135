import json
import logging
import random

import numpy as np
import pytest

from grapevine.errors import BundleError, ConfigError
from grapevine.training import checkpoints
from grapevine.training.checkpoints import Checkpoint, Checkpoints, Progress

IDENTITY = {"model": "Tiny", "options": {"width": 8, "layers": (3, 2)}, "seed": 1, "data": "abc"}


def state_of(step):
    return {"weights": np.full((3, 2), step, np.float32), "steps": np.array([step])}


def written(folder, *steps, identity=IDENTITY):
    kept = Checkpoints(folder, identity)
    for step in steps:
        progress = Progress(epoch=1, step=2, steps=step, losses={"a": 1 / 3}, rate=0.1 + step)
        kept.write(Checkpoint(progress, state_of(step), None))
    return kept


def test_what_is_written_comes_back_to_the_bit(tmp_path):
    progress = Progress(
        epoch=3, step=5, steps=41, seconds=0.1, elapsed=1 / 3, losses={"ä": 1e-300, "b": 2 / 3},
        rate=1e-3 / 7, best=-0.0, best_epoch=2, lines=[{"epoch": 1, "loss": {"ä": 0.1}}],
    )  # fmt: skip
    state = {"x": np.random.default_rng(0).normal(size=(4, 3)).astype("f4"), "n": np.array(7)}
    kept = Checkpoints(tmp_path, IDENTITY)
    for best in (None, state, state_of(9)):
        kept.write(Checkpoint(progress, state, best))
        back = kept.latest()
        assert back.progress == progress
        assert {k: (v.tobytes(), v.dtype, v.shape) for k, v in back.state.items()} == {
            k: (v.tobytes(), v.dtype, v.shape) for k, v in state.items()
        }
        assert (back.best is back.state) == (best is state)
        if best is not None:
            assert all(np.array_equal(back.best[name], best[name]) for name in best)


def test_two_are_kept_and_none_is_a_pickle(tmp_path):
    kept = written(tmp_path, 5, 6, 70, 800)
    assert [path.name[-3:] for path in sorted(tmp_path.iterdir())] == ["070", "800"]
    assert kept.latest().progress.steps == 800
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"progress.json", "state.safetensors", "MANIFEST.json"}


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(tmp_path, caplog):
    kept, draw = written(tmp_path, 1, 2), random.Random(0)
    for file in sorted((tmp_path / "step-000000000002").iterdir()):
        whole = file.read_bytes()
        place = draw.randrange(len(whole))
        flipped = whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]
        for damaged in (whole[:place], flipped):
            file.write_bytes(damaged)
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                assert kept.latest().progress.steps == 1
            assert "the checkpoint before it is taken" in caplog.text
        file.write_bytes(whole)
    assert kept.latest().progress.steps == 2
    for path in tmp_path.iterdir():
        (path / "state.safetensors").write_bytes(b"")
    with pytest.raises(
        BundleError, match=r"every checkpoint is damaged: .*state\.safetensors: .*\nhint: .*--force"
    ):
        kept.latest()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 2}, "its seed is 1, here it is 2"),
        ({"data": "abd"}, "its data is abc, here it is abd"),
        ({"options": {"width": 9, "layers": (3, 2)}}, "its options.width is 8, here it is 9"),
        ({"options": {"width": 8, "layers": (3,)}}, "its options.layers is"),
        ({"options": {"width": 8}}, "its options.layers is"),
        ({"model": "Other"}, "its model is Tiny"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_with_the_reason(tmp_path, change, named):
    written(tmp_path, 1)
    with pytest.raises(ConfigError, match=named):
        Checkpoints(tmp_path, {**IDENTITY, **change}).latest()


def test_the_format_is_looked_at(tmp_path, monkeypatch):
    kept = written(tmp_path, 1)
    monkeypatch.setattr(checkpoints, "FORMAT", 2)
    with pytest.raises(ConfigError, match="format 1, this version reads format 2"):
        kept.latest()


def test_another_machine_is_told_of(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(checkpoints, "made_on", lambda: {"threads": 64})
    kept = written(tmp_path, 1)
    with caplog.at_level(logging.WARNING):
        kept.latest()
        assert not caplog.text
        monkeypatch.setattr(checkpoints, "made_on", lambda: {"threads": 2})
        assert kept.latest().progress.steps == 1
    assert "begun with threads 64, gone on with 2" in caplog.text


def test_clearing_leaves_what_others_put_there(tmp_path):
    kept = written(tmp_path, 1, 2)
    (tmp_path / ".step-000000000003-x1").mkdir()
    kept.log.write_text("{}\n")
    (tmp_path / "thesis.tex").write_text("ten years of work")
    kept.tidy()
    assert not list(tmp_path.glob(".step-*"))
    kept.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert kept.latest() is None


def test_progress_is_plain_json(tmp_path):
    written(tmp_path, 4)
    facts = json.loads((tmp_path / "step-000000000004" / "progress.json").read_text())
    assert facts["identity"]["options"] == {"width": 8, "layers": [3, 2]}
    assert facts["progress"]["steps"] == 4
