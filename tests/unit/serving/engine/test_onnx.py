"""The user side as ONNX: equal to the run, and nothing else is opened."""

import hashlib

import numpy as np
import pytest

from grapevine.cli import app
from grapevine.errors import BundleError, ConfigError
from grapevine.serving.engine import Asked, Happened, Served
from grapevine.serving.engine.export import export
from grapevine.serving.engine.onnx import LOOSE, TIGHT, session_of

pytest.importorskip("onnxscript", reason="the exporter of ONNX is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sasrec", "hstu"])
def test_what_is_exported_answers_as_the_run(name, run_of, served_of, tmp_path, unchecked):
    done = export(run_of(name), tmp_path / "user.onnx")
    assert done.difference <= TIGHT
    assert done.rounded <= LOOSE
    assert {one.name for one in tmp_path.iterdir()} == {"user.onnx", "user.onnx.sha256"}
    served, plain = Served.open(run_of(name), onnx=done.out), served_of(name)
    for asked in (Asked(user_id="u04"), Asked(history=[Happened("i03")]), Asked(user_id="none")):
        one, other = served.answer(asked), plain.answer(asked)
        scores = {line.item_id: line.score for line in other.items}
        same = [line for line in one.items if line.item_id in scores]
        assert len(same) >= len(scores) - 2
        for line in same:
            assert line.score == pytest.approx(scores[line.item_id], abs=0.05)
    with pytest.raises(BundleError, match="was written of the run"):
        Served.open(run_of(name, 1), onnx=done.out)
    data = bytearray(done.out.read_bytes())
    data[len(data) // 2] ^= 1
    done.out.write_bytes(bytes(data))
    with pytest.raises(BundleError, match="SHA-256 is not the one"):
        Served.open(run_of(name), onnx=done.out)
    done.out.write_bytes(b"no graph")
    note = f"{hashlib.sha256(b'no graph').hexdigest()}  user.onnx\n"
    (tmp_path / "user.onnx.sha256").write_text(note)
    with pytest.raises(BundleError, match="not a graph"):
        Served.open(run_of(name), onnx=done.out)


@pytest.mark.parametrize("name", ["ease", "pinsage", "vine"])
def test_what_has_no_such_side_is_refused(name, run_of, tmp_path):
    with pytest.raises(ConfigError, match="has no user side"):
        export(run_of(name), tmp_path / "user.onnx")
    assert not [*tmp_path.iterdir()]


def test_the_command_says_what_it_wants(run_of, tmp_path, capsys):
    assert app.run(["export", str(run_of("ease")), "--out", str(tmp_path / "a.onnx")]) == 2
    assert "has no user side" in capsys.readouterr().err
    run, out = str(run_of("sasrec")), str(tmp_path / "a.pt")
    assert app.run(["export", run, "--to", "torchscript", "--out", out]) == 2
    assert "no format is called `torchscript`" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["secret.bin", "../secret.bin", "{absolute}"])
def test_a_graph_that_names_other_files_is_refused_and_they_are_not_read(
    place, run_of, tmp_path, monkeypatch
):
    onnx = pytest.importorskip("onnx")
    folder = tmp_path / "within"
    folder.mkdir()
    secret = np.arange(4, dtype=np.float32).tobytes()
    for at in (tmp_path, folder):
        (at / "secret.bin").write_bytes(secret)
    location = place.format(absolute=tmp_path / "secret.bin")
    held = onnx.TensorProto(
        name="held", data_type=onnx.TensorProto.FLOAT, dims=[4],
        data_location=onnx.TensorProto.EXTERNAL,
    )  # fmt: skip
    held.external_data.add(key="location", value=location)
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [4])
    node = onnx.helper.make_node("Identity", ["held"], ["out"])
    graph = onnx.helper.make_graph([node], "graph", [], [out], initializer=[held])
    opset = [onnx.helper.make_opsetid("", 18)]
    data = onnx.helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()
    monkeypatch.chdir(folder)
    with pytest.raises(BundleError, match="not a graph that ONNX Runtime can open alone"):
        session_of(data)
    path = folder / "user.onnx"
    path.write_bytes(data)
    (folder / "user.onnx.sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  user.onnx\n")
    with pytest.raises(BundleError):
        Served.open(run_of("sasrec"), onnx=path)
