"""Passing each epoch's line on: to TensorBoard, to MLflow; each imported only when asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from grapevine.errors import ConfigError, unknown
from grapevine.log import logger
from grapevine.models import traces
from grapevine.training.extras import brought_by
from grapevine.training.session import OnEpoch


@contextmanager
def following(
    names: Sequence[str], folder: Path, options: Mapping[str, Any]
) -> Iterator[tuple[OnEpoch, ...]]:
    """What is to be told of each epoch, open as long as the training goes on.

    One that fails on the way, as a server may that is away for a while, is warned about and costs
    the training nothing.

    Args:
        names: of `TRACKERS`.
        folder: of the logs of this run: what a tracker writes or has to remember stands there.
        options: of the model, for those who keep them.

    Raises:
        ConfigError: a name is unknown, its package is not there, or it cannot begin.
    """
    for name in names:
        if name not in TRACKERS:
            raise unknown("tracker", name, TRACKERS)
    with ExitStack() as opened:
        yield tuple(
            _forgiving(name, opened.enter_context(TRACKERS[name](folder, options)))
            for name in dict.fromkeys(names)
        )


@contextmanager
def tensorboard(folder: Path, options: Mapping[str, Any]) -> Iterator[OnEpoch]:
    """Event files in `logs/tensorboard`: `tensorboard --logdir runs` shows every run."""
    del options  # they stand in config.toml beside it
    module = brought_by("tensorboard", "torch.utils.tensorboard")
    with module.SummaryWriter(str(folder / traces.TENSORBOARD)) as writer:

        def pass_on(line: Mapping[str, Any]) -> None:
            for name, value in traces.figures(line):
                # What stands before a stroke is a group of pictures there.
                writer.add_scalar(name.replace(".", "/", 1), value, line["epoch"])
            writer.flush()

        yield pass_on


@contextmanager
def mlflow(folder: Path, options: Mapping[str, Any]) -> Iterator[OnEpoch]:
    """A run where `MLFLOW_TRACKING_URI` says; a training that is resumed goes on with its run."""
    module = brought_by("mlflow", "mlflow")
    known = folder / traces.MLFLOW
    before = known.read_text(encoding="utf-8").strip() if known.is_file() else None
    try:
        run = module.start_run(run_id=before, run_name=folder.parent.name, nested=True)
        if before is None:
            module.log_params(options)
    except Exception as error:
        raise ConfigError(
            f"mlflow cannot begin: {_first_line(error)}",
            hint="is MLFLOW_TRACKING_URI the address of your server?",
        ) from error
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text(run.info.run_id + "\n", encoding="utf-8")
    done = False
    try:
        # `@` may not stand in a name there.
        yield lambda line: module.log_metrics(
            {name.replace("@", "_at_"): value for name, value in traces.figures(line)},
            step=line["epoch"],
            run_id=run.info.run_id,
        )
        done = True
    finally:
        module.end_run("FINISHED" if done else "KILLED")


TRACKERS: dict[str, Callable[..., AbstractContextManager[OnEpoch]]] = {
    "tensorboard": tensorboard,
    "mlflow": mlflow,
}
"""Whom `--log` names."""


def _forgiving(name: str, pass_on: OnEpoch) -> OnEpoch:
    def tried(line: Mapping[str, Any]) -> None:
        try:
            pass_on(line)
        except Exception as error:
            logger.warning("%s missed epoch %d: %s", name, line["epoch"], _first_line(error))

    return tried


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
