import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from grapevine.errors import ConfigError
from grapevine.models import traces
from grapevine.testing.learners import Tiny
from grapevine.testing.worlds import checkerboard, world
from grapevine.training import Session, following, train_with
from grapevine.training.trackers import TRACKERS

TRAIN = world(checkerboard(4, 4))
LINE = {"epoch": 2, "seconds": 1.5, "loss": {"order": 0.25}, "validation": {"ndcg@10": 0.5}}


def trained(tmp_path, **given):
    session = Session(folder=tmp_path / "run" / "checkpoints", validate=lambda model: 0.5, **given)
    return train_with(Tiny.Config(epochs=2), TRAIN, session=session)


class Server:
    """What of mlflow is used, as a list of what it was told."""

    def __init__(self):
        self.told = []

    def start_run(self, *, run_id, run_name, nested):
        self.told.append(("start", run_id, run_name))
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id or "one"))

    def log_params(self, options):
        self.told.append(("options", dict(options)))

    def log_metrics(self, figures, *, step, run_id):
        self.told.append(("figures", figures, step, run_id))

    def end_run(self, status):
        self.told.append(("end", status))


@pytest.fixture
def server(monkeypatch):
    one = Server()
    monkeypatch.setitem(sys.modules, "mlflow", one)
    return one


def test_each_line_of_the_file_is_told_and_in_its_order(tmp_path):
    first, second = [], []
    outcome = trained(tmp_path, on_epoch=(first.append, second.append))
    assert first == second == outcome.epochs
    assert first == traces.read(tmp_path / "run" / "checkpoints" / "metrics.jsonl")
    assert [line["validation"] for line in first] == [{"ndcg@10": 0.5}] * 2


def test_an_epoch_that_is_done_is_not_told_again(tmp_path):
    def stop(line):
        raise KeyError("enough")

    with pytest.raises(KeyError):
        trained(tmp_path, on_epoch=(stop,), checkpoint_every=0)
    told = []
    trained(tmp_path, on_epoch=(told.append,), resume=True)
    assert [line["epoch"] for line in told] == [1, 2]
    again = []
    trained(tmp_path, on_epoch=(again.append,), resume=True)
    assert again == []


def test_tensorboard_has_every_figure_by_epoch(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with following(["tensorboard"], tmp_path, {}) as told:
        told[0](LINE)
        told[0]({**LINE, "epoch": 3, "loss": {"order": 0.125}})
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(found.Tags()["scalars"]) == {"seconds", "loss/order", "validation/ndcg@10"}
    assert [(one.step, one.value) for one in found.Scalars("loss/order")] == [(2, 0.25), (3, 0.125)]


def test_mlflow_has_the_options_and_every_figure(tmp_path, server):
    with following(["mlflow"], tmp_path / "run" / "logs", {"width": 8}) as told:
        told[0](LINE)
    figures = {"seconds": 1.5, "loss.order": 0.25, "validation.ndcg_at_10": 0.5}
    assert server.told == [
        ("start", None, "run"),
        ("options", {"width": 8}),
        ("figures", figures, 2, "one"),
        ("end", "FINISHED"),
    ]


def test_mlflow_goes_on_with_the_run_it_had(tmp_path, server):
    def interrupted():
        with following(["mlflow"], tmp_path / "run" / "logs", {"width": 8}):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        interrupted()
    with following(["mlflow"], tmp_path / "run" / "logs", {"width": 8}):
        pass
    assert server.told[2:] == [("end", "KILLED"), ("start", "one", "run"), ("end", "FINISHED")]


def test_mlflow_that_cannot_begin_is_an_error_with_a_hint(tmp_path, server, monkeypatch):
    def refuse(**_):
        raise RuntimeError("no such server\nand a long trace")

    monkeypatch.setattr(server, "start_run", refuse)
    with (
        pytest.raises(ConfigError, match="cannot begin: no such server\nhint: is MLFLOW_TRACKING"),
        following(["mlflow"], tmp_path, {}),
    ):
        pass


def test_a_tracker_that_fails_costs_the_training_nothing(tmp_path, server, monkeypatch, caplog):
    def away(*_, **__):
        raise ConnectionError("the server is away")

    monkeypatch.setattr(server, "log_metrics", away)
    with following(["mlflow"], tmp_path / "run" / "logs", {}) as told:
        outcome = trained(tmp_path, on_epoch=told)
    assert outcome.record["epochs"] == 2
    assert "mlflow missed epoch 1: the server is away" in caplog.text


@pytest.mark.parametrize(
    ("name", "module", "missing"),
    [("tensorboard", "torch.utils.tensorboard", "tensorboard"), ("mlflow", "mlflow", "mlflow")],
)
def test_a_package_that_is_not_there_is_named_with_what_installs_it(
    name, module, missing, tmp_path, monkeypatch
):
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with (
        pytest.raises(
            ConfigError, match=rf"`{missing}.*\nhint: pip install 'grapevine-rec\[{name}"
        ),
        following([name], tmp_path, {}),
    ):
        pass


def test_a_misspelt_tracker_is_told_the_nearest(tmp_path):
    with (
        pytest.raises(ConfigError, match="did you mean `tensorboard`"),
        following(["tensorbord"], tmp_path, {}),
    ):
        pass


def test_a_tracker_named_twice_is_told_once(tmp_path, monkeypatch):
    @contextmanager
    def one(folder, options):
        yield print

    monkeypatch.setitem(TRACKERS, "one", one)
    with following(["one", "one"], tmp_path, {}) as told:
        assert len(told) == 1
