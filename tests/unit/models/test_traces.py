import pytest

from grapevine.models import traces
from grapevine.models.traces import Curve, curves

LINES = [
    {"epoch": 1, "seconds": 2.0, "loss": {"a": 0.5, "b": 1.0}, "validation": {"ndcg@10": 0.1}},
    {"epoch": 2, "seconds": 1.5, "loss": {"a": 0.25, "b": 0.5}, "validation": {}},
]
CURVES = [
    Curve("seconds", [1, 2], [2.0, 1.5]),
    Curve("loss.a", [1, 2], [0.5, 0.25]),
    Curve("loss.b", [1, 2], [1.0, 0.5]),
    Curve("validation.ndcg@10", [1], [0.1]),
]


@pytest.mark.parametrize("below", ["", "checkpoints"])
def test_curves_of_a_run_and_of_a_training_that_is_under_way(tmp_path, below):
    (tmp_path / below).mkdir(exist_ok=True)
    for line in LINES:
        traces.append(tmp_path / below / traces.METRICS, line)
    assert curves(tmp_path) == CURVES


def test_where_nothing_was_trained_there_is_no_curve(tmp_path):
    assert curves(tmp_path) == []


def test_a_line_that_was_cut_short_is_left_out(tmp_path):
    path = tmp_path / traces.METRICS
    traces.write(path, LINES)
    path.write_text(path.read_text() + '{"epoch": 3, "lo')
    assert traces.read(path) == LINES
    traces.write(path, LINES[:1])
    assert traces.read(path) == LINES[:1]
    assert [one.name for one in tmp_path.iterdir()] == [traces.METRICS]


def test_only_the_folder_of_a_training_is_taken_for_one(tmp_path):
    assert not traces.unfinished(tmp_path)
    checkpoints = tmp_path / "checkpoints"
    checkpoints.mkdir()
    assert traces.unfinished(tmp_path)
    (checkpoints / "step-000000000012").mkdir()
    (checkpoints / ".step-000000000013-x").mkdir()
    (checkpoints / "metrics.jsonl").touch()
    (checkpoints / "elapsed.jsonl").touch()
    assert traces.unfinished(tmp_path)
    (checkpoints / "epoch=3.ckpt").touch()
    assert not traces.unfinished(tmp_path)
    (checkpoints / "epoch=3.ckpt").unlink()
    (tmp_path / "config.toml").touch()
    assert not traces.unfinished(tmp_path)
