"""`grapevine recipes`, and training one by its name."""

import json
from types import SimpleNamespace

import pytest

from grapevine.cli.app import run as grapevine
from grapevine.recipes import RECIPES


def test_recipes_are_listed_with_what_to_expect(capsys):
    assert grapevine(["recipes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["recipe"] for row in rows] == list(RECIPES)
    wanted = ["not measured yet" if one.minutes is None else "minutes" for one in RECIPES.values()]
    assert all(want in row["expects"] for want, row in zip(wanted, rows, strict=True))


def test_one_recipe_has_its_command_and_its_settings(capsys):
    assert grapevine(["recipes", "ml-1m-sasrec-paper", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["command"] == "grapevine train ml-1m-sasrec-paper --out runs/ml-1m-sasrec-paper"
    assert "loss=bce" in told["settings"]
    assert grapevine(["recipes", "ml-1m-sasrek"]) == 2
    assert "did you mean `ml-1m-sasrec`?" in capsys.readouterr().err


def test_only_a_recipe_has_data_of_its_own(tmp_path, capsys, monkeypatch):
    assert grapevine(["train", "ease", "--out", str(tmp_path / "run")]) == 2
    assert "--data" in capsys.readouterr().err
    asked = []
    data = SimpleNamespace(labels=None)
    monkeypatch.setattr("grapevine.load", lambda name: asked.append(name) or data, raising=False)
    monkeypatch.setattr("grapevine.pipeline.prepare", lambda _, by: asked.append(by) or 1 / 0)
    run = ["--out", str(tmp_path / "run")]
    for command in ("train", "tune"):
        given = [] if command == "train" else ["--data", "ml-1m-5core"]
        for more in ([], ["--split-by", "leave-last-out"]):
            with pytest.raises(ZeroDivisionError):
                grapevine([command, "ml-1m-sasrec-time", *given, *more, *run])
    assert asked == ["ml-1m-5core", "time", "ml-1m-5core", "leave-last-out"] * 2
    # A folder's own split goes before the recipe's.
    data.labels = ["train"]
    with pytest.raises(ZeroDivisionError):
        grapevine(["train", "ml-1m-sasrec-time", *run])
    assert asked[-1] == "auto"
