import json

import numpy as np
import pytest

import grapevine as gv
from grapevine.cli.app import run as grapevine
from grapevine.errors import ConfigError
from grapevine.models.blend import Blend
from grapevine.testing.worlds import checkerboard, world

DATA = world(checkerboard(12, 8))
PARTS = {
    "popularity": (),
    "gru4rec": ("model.epochs=2", "model.width=8", "model.hidden=8", "model.batch=4"),
    "lightgcn": ("model.epochs=3", "model.width=8"),
}


def trained(folder=None, data=DATA):
    return [
        gv.fit(name, data, seed=3, settings=settings, out=folder and folder / name)
        for name, settings in PARTS.items()
    ]


def test_it_is_the_blend_that_is_trained_with_their_options(tmp_path):
    runs = trained(tmp_path)
    found = gv.blend([run.path for run in runs], weights=[0.5, 1, 2], out=tmp_path / "all")
    wanted = gv.fit(
        Blend.Config(
            parts=tuple(PARTS),
            weights=(0.5, 1.0, 2.0),
            settings=tuple(
                f"{name}.{one.removeprefix('model.')}"
                for name, settings in PARTS.items()
                for one in settings
            ),
        ),
        DATA,
        seed=3,
    )
    opened = gv.open_run(tmp_path / "all")
    assert opened.model.config == found.model.config
    assert opened.model.config.configs() == wanted.model.config.configs()
    assert opened.record["fingerprint"] == wanted.record["fingerprint"]
    assert opened.record["blend_of"] == [str(run.path) for run in runs]
    assert opened.record["train_seconds"] == pytest.approx(
        sum(run.record["train_seconds"] for run in runs), abs=0.01
    )
    for name, array in wanted.model.state().items():
        np.testing.assert_array_equal(opened.model.state()[name], array)
    users = DATA.users.ids.to_list()
    assert opened.recommend(users=users).equals(wanted.recommend(users=users))


def test_closed_forms_alone_are_blended_too():
    runs = [gv.fit(name, DATA) for name in ("ease", "popularity")]
    blended = gv.blend(runs)
    assert blended.model.config.weights == (1.0, 1.0)
    assert len(blended.recommend(users=DATA.users.ids.to_list()[:1]))


def test_what_cannot_be_blended_is_refused(tmp_path):
    popularity, gru, _ = trained()
    other = gv.fit("ease", world(checkerboard(10, 8)))
    for runs, weights, said in [
        ([popularity], None, "two runs at least"),
        ([popularity, other], None, "trained on other events"),
        ([gru, gru], None, "named twice"),
        ([popularity, gru], [1.0], "1 weights for 2 parts"),
        ([popularity, gv.blend([popularity, gru])], None, "a blend itself"),
    ]:
        with pytest.raises(ConfigError, match=said):
            gv.blend(runs, weights=weights, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path, capsys):
    paths = [str(run.path) for run in trained(tmp_path)[:2]]
    out = str(tmp_path / "both")
    weights = ["--weight", "2", "--weight", "1"]
    capsys.readouterr()
    assert grapevine(["blend", *paths, *weights, "--out", out, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["blend_of"] == paths
    assert gv.open_run(out).model.config.weights == (2.0, 1.0)
    assert grapevine(["blend", *paths, "--out", out]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert grapevine(["blend", *paths, "--out", out, "--force"]) == 0
    assert "a blend of popularity, gru4rec" in "".join(capsys.readouterr())
