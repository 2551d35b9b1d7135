"""`grapevine recipes`, and training one by its name."""

import json

from grapevine.cli.app import run as grapevine
from grapevine.recipes import RECIPES


def test_recipes_are_listed_with_what_to_expect(capsys):
    assert grapevine(["recipes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["recipe"] for row in rows] == list(RECIPES)
    assert all(row["expects"] for row in rows)


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
    looked_for = []
    monkeypatch.setattr("grapevine.pipeline.load", looked_for.append)
    monkeypatch.setattr("grapevine.pipeline.prepare", lambda *_: 1 / 0)
    for given in ([], ["--data", "shop"]):
        try:
            grapevine(["train", "ml-1m-gru4rec", *given, "--out", str(tmp_path / "run")])
        except ZeroDivisionError:
            continue
    assert looked_for == ["ml-1m-5core", "shop"]
