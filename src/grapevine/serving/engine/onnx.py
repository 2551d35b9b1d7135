"""The user side by ONNX Runtime: a file that `grapevine export` has written, checked first."""

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from grapevine.errors import BundleError, ConfigError
from grapevine.models.run import Run
from grapevine.models.sequence.model import Reader
from grapevine.serving.engine.asking import with_bias
from grapevine.serving.engine.histories import Heard
from grapevine.serving.engine.questions import histories
from grapevine.structs.batch import Batch

FORMAT = 1
TIGHT, LOOSE = 1e-4, 0.05
"""How far a graph may be from its run, relative to the greatest number: where both compute in
float32; and where layers of the run round to bfloat16, whose numbers have eight bits."""
AGAIN = "write it again: grapevine export RUN --to onnx --out FILE"
_NO_DATA = "session.model_external_initializers_file_folder_path"


def open_asking(path: Path, run: Run, version: str) -> "OnnxAsking":
    """Open the user side of a run.

    Args:
        path: what `grapevine export` wrote, with its digest beside it.
        run: the run.
        version: of the run, which the file must name.

    Raises:
        BundleError: the file is damaged, or is not of this run.
        ConfigError: the run is no sequence model.
    """
    if not isinstance(run.model, Reader):
        raise ConfigError(f"{run.name} has no user side that ONNX Runtime could ask")
    session = session_of(_verified(path))
    facts = dict(session.get_modelmeta().custom_metadata_map)
    if facts.get("format") != str(FORMAT) or facts.get("run") != version:
        raise BundleError(
            f"`{path}` was written of the run {facts.get('run', 'of an unknown version')}, and "
            f"{run.label} is {version}",
            hint=AGAIN,
        )
    asking = OnnxAsking(session, run.model)
    _compare(path, asking, run.model)
    return asking


class OnnxAsking:
    """Asks a session; what it is told of a history is what the network would be.

    Args:
        session: of ONNX Runtime.
        model: which events count, how many, and the biases.
    """

    def __init__(self, session: Any, model: Reader) -> None:
        self.session, self.model = session, model
        self.names = [one.name for one in session.get_inputs()]
        self.length = int(model.config.length) - (model.config.asks == "cloze")
        self.behaviour = int(model.behaviour[0])
        self.met, self.width = model.met, model.items.shape[1]
        # What is heard but once is told by the same code as offline.
        self.plain = not model.config.once

    def ask(self, heard: Heard) -> Float32[np.ndarray, " width"]:
        """What the history asks with; one more for the bias of an item, where items have one."""
        return with_bias(self.model, self._run([self._told(heard)])[0])

    def ask_all(self, heard: Sequence[Heard]) -> Float32[np.ndarray, "asked width"]:
        """The same of several."""
        return with_bias(self.model, self._run([self._told(one) for one in heard]))

    def ask_one(self, batch: Batch) -> Float32[np.ndarray, " width"]:
        """The same of a block of one question, without a bias."""
        return self._run([self._read(batch)])[0]

    def _told(self, heard: Heard) -> "Told":
        if not self.plain:
            return self._read(heard.batch())
        keep = self.met[heard.items]
        if self.behaviour >= 0:
            keep &= heard.behaviours == self.behaviour
        if keep.all():
            return heard.items, heard.behaviours, heard.times, heard.asked_at
        return heard.items[keep], heard.behaviours[keep], heard.times[keep], heard.asked_at

    def _read(self, batch: Batch) -> "Told":
        events, asked_at = self.model.heard(batch)
        return events.items, events.behaviours, events.times, int(asked_at[0])

    def _run(self, told: Sequence["Told"]) -> Float32[np.ndarray, "asked width"]:
        """The latest events of each, side by side; whoever has none asks with zeros."""
        sizes = np.array([min(len(one[0]), self.length) for one in told])
        out = np.zeros((len(told), self.width), np.float32)
        some = np.flatnonzero(sizes)
        if not len(some):
            return out
        lengths = sizes[some]

        some_told = [told[place] for place in some.tolist()]

        def table(parts: Iterable[np.ndarray]) -> np.ndarray:
            filled = np.zeros((len(some), lengths.max()), np.int64)
            for row, (part, size) in enumerate(zip(parts, lengths.tolist())):
                filled[row, :size] = part[-size:]
            return filled

        asked = {"items": table(one[0] for one in some_told), "lengths": lengths}
        if "behaviours" in self.names:
            asked["behaviours"] = table(one[1] for one in some_told)
        if "times" in self.names:
            asked["times"] = table(one[2] for one in some_told)
            asked["asked_at"] = np.array([one[3] for one in some_told])
        out[some] = self.session.run(None, asked)[0]
        return out


Told = tuple[np.ndarray, np.ndarray, np.ndarray, int]
"""Items, behaviours and times of the events of one question, and when it is asked."""


def session_of(data: bytes) -> Any:
    """A session of one thread; a graph that keeps numbers in other files is refused.

    Raises:
        BundleError: it is no graph that stands alone.
        ConfigError: ONNX Runtime is not installed.
    """
    try:
        runtime = import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "`onnxruntime` is not installed here", hint="pip install 'grapevine-rec[serve]'"
        ) from error
    runtime.set_default_logger_severity(4)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as empty:
        # Whatever file a graph names, in this folder it is not.
        options.add_session_config_entry(_NO_DATA, empty)
        try:
            return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise BundleError(
                f"not a graph that ONNX Runtime can open alone: {said}", hint=AGAIN
            ) from error


def apart(one: Float[np.ndarray, "rows width"], other: Float[np.ndarray, "rows width"]) -> float:
    """The greatest difference, relative to the greatest number; infinite if one is not finite."""
    difference = float(np.abs(one - other).max(initial=0))
    greatest = float(np.abs(other).max(initial=0))
    return difference / max(greatest, 1e-12) if np.isfinite(difference) else float("inf")


def digest_path(path: Path) -> Path:
    """Where the SHA-256 of a file stands, as `sha256sum -c` reads it."""
    return path.with_name(path.name + ".sha256")


def _verified(path: Path) -> bytes:
    """The bytes of a file, if they are those that were written."""
    note = digest_path(path)
    if not path.is_file() or not note.is_file():
        missing = path if not path.is_file() else note
        raise BundleError(f"`{missing}` is not there", hint=AGAIN)
    data = path.read_bytes()
    if note.read_text(encoding="utf-8").split()[:1] != [hashlib.sha256(data).hexdigest()]:
        raise BundleError(f"`{path}` is damaged: its SHA-256 is not the one in {note.name}",
                          hint=AGAIN)  # fmt: skip
    return data


def _compare(path: Path, asking: OnnxAsking, model: Reader) -> None:
    """Ask both a few histories: a file of other weights under the right name ends here."""
    batch = histories(model, min(8, asking.length))
    found = np.stack([asking.ask_one(batch.slice(at, at + 1)) for at in range(len(batch))])
    difference = apart(found, model.ask(batch))
    if difference > LOOSE:
        raise BundleError(f"`{path}` differs from the run by {difference:.1e}", hint=AGAIN)
