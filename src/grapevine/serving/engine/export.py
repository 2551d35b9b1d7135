"""The user side of a run as one ONNX file, written only once it is proven equal to the run."""

import hashlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from grapevine.errors import CheckFailed, ConfigError
from grapevine.models.run import Run, open_run
from grapevine.models.sequence.model import Reader
from grapevine.serving.engine.onnx import (
    FORMAT,
    LOOSE,
    TIGHT,
    OnnxAsking,
    apart,
    digest_path,
    session_of,
)
from grapevine.serving.engine.questions import histories
from grapevine.serving.engine.served import version_of

MOST_BYTES = (1 << 31) - (1 << 20)
"""Of a file without external data: what protocol buffers hold."""
ENCODERS = ("transformer", "hstu", "gru")
INPUTS = {"items": True, "lengths": False, "behaviours": True, "times": True, "asked_at": False}
"""What a graph may ask for, and whether it has a place for each event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written, and how equal it is.

    Attributes:
        out: the file.
        version: of the run.
        histories: how many it was asked, of every length that the model reads.
        difference: the greatest to the run in float32, relative to its greatest number.
        rounded: the greatest to the run as it is, whose layers may round to bfloat16.
        bytes: of the file.
    """

    out: Path
    version: str
    histories: int
    difference: float
    rounded: float
    bytes: int


def export(run_folder: Path, out: Path) -> Exported:
    """Write the user side of a run as an ONNX file, and its SHA-256 beside it.

    Its inputs are `items` `(batch, places)` int64, item rows, the first event first, and `lengths`
    `(batch,)`; where the model looks at them also `behaviours` `(batch, places)` rows, and `times`
    `(batch, places)` and `asked_at` `(batch,)` in milliseconds. Its output `vector` `(batch,
    width)` times an item's vector is the item's score, but for its bias.

    Raises:
        ConfigError: the model is none of those whose user side can be written, or a package that
            writes it is not installed.
        CheckFailed: what came out is not equal to the run; nothing is written.
    """
    run = open_run(run_folder)
    model = _exportable(run)
    version = version_of(run_folder)
    data = graph_of(model, {"format": str(FORMAT), "run": version, "model": run.name})
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{len(data):,} bytes are more than one file without external data holds")
    asking = OnnxAsking(session_of(data), model)
    batch = histories(model, int(model.config.length))
    found = np.stack([asking.ask_one(batch.slice(at, at + 1)) for at in range(len(batch))])
    exact = replace(model, config=replace(model.config, precision="float32"))
    difference, rounded = apart(found, exact.ask(batch)), apart(found, model.ask(batch))
    if not (difference <= TIGHT and rounded <= LOOSE):
        raise CheckFailed(
            f"the graph differs from {run.label} by {difference:.1e} in float32 and by "
            f"{rounded:.1e} as it rounds, of {TIGHT:.0e} and {LOOSE:.0e} that may be",
            hint="nothing was written; serve the run as it is",
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        written = Path(scratch) / out.name
        written.write_bytes(data)
        note = Path(scratch) / "digest"
        note.write_text(f"{hashlib.sha256(data).hexdigest()}  {out.name}\n", encoding="utf-8")
        note.replace(digest_path(out))
        written.replace(out)
    return Exported(
        out=out,
        version=version,
        histories=len(batch),
        difference=difference,
        rounded=rounded,
        bytes=len(data),
    )


def graph_of(model: Reader, facts: dict[str, str]) -> bytes:
    """The graph of a model's user side, with what is to be known of it.

    Args:
        model: whose.
        facts: kept in the file as its metadata.

    Raises:
        ConfigError: a package that writes it is not installed.
    """
    import torch

    from grapevine.serving.engine.plain import UserSide, more_inputs

    for name in ("onnx", "onnxscript"):
        _brought(name)
    side = UserSide(deepcopy(model.network)).eval()
    # Sizes that are met nowhere else, so that none is taken for another.
    batch, places = 3, min(5, int(model.config.length))
    wanted = {"items", "lengths", *more_inputs(side.network)}
    # Each a tensor of its own: one that is given twice would be one input.
    given = tuple(
        torch.full((batch, places)[: 1 + wide], places) if name in wanted else None
        for name, wide in INPUTS.items()
    )
    free = torch.export.Dim("batch"), torch.export.Dim("places", max=int(model.config.length))
    shapes = tuple(None if one is None else dict(enumerate(free[: one.dim()])) for one in given)
    with _quietly(), torch.no_grad():
        program: Any = torch.onnx.export(
            side, given, dynamic_shapes=shapes, output_names=["vector"], dynamo=True,
            external_data=False, verbose=False,
        )  # fmt: skip
    proto = program.model_proto
    for key, value in facts.items():
        proto.metadata_props.add(key=key, value=value)
    return proto.SerializeToString()


def _exportable(run: Run) -> Reader:
    model = run.model
    if not isinstance(model, Reader) or getattr(model, "ways", None) is not None:
        raise ConfigError(
            f"{run.name} has no user side that is read from a history alone",
            hint="sasrec, gsasrec, bert4rec, gru4rec and hstu have",
        )
    config = model.config
    if config.encoder not in ENCODERS or config.returns != "none":
        what = config.encoder if config.encoder not in ENCODERS else f"returns={config.returns!r}"
        raise ConfigError(
            f"{run.name} with {what} is not written as ONNX",
            hint=f"the encoders {', '.join(ENCODERS)} are, without returns",
        )
    if not model.met.any():
        raise ConfigError(f"{run.label} knows no item, so there is nothing to prove equal")
    return model


def _brought(name: str) -> None:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"`{error.name}` is not installed here", hint="pip install 'grapevine-rec[onnx]'"
        ) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what the exporter tells of itself: of packages that are not there, and its steps."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
