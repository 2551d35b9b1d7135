import json

import pytest

from grapevine.cli.app import run as grapevine
from grapevine.cli.models import options_of
from grapevine.models import MODELS


@pytest.mark.parametrize("name", MODELS)
def test_every_option_of_every_model_is_told_with_its_default_and_meaning(name):
    row = MODELS[name]
    told = {option["option"]: option for option in options_of(row.config)}
    assert list(told) == list(row.model.Config.__dataclass_fields__)
    for option in told:
        assert told[option]["default"] == getattr(row.config, option)
    assert all(option["meaning"].endswith(".") for option in told.values())


def test_one_model_tells_its_options_and_its_paper(capsys):
    assert grapevine(["models", "ease", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == "ease"
    assert told["paper"] == MODELS["ease"].model.paper
    assert told["options"][0] == {
        "option": "regularization",
        "default": 500.0,
        "meaning": (
            "Lambda of the ridge regression; more for a larger catalogue with fewer events."
        ),
    }
    assert grapevine(["models", "ease"]) == 0
    shown = capsys.readouterr().out
    assert "regularization" in shown
    assert "Embarrassingly shallow" in shown


def test_a_row_of_the_table_has_the_default_of_its_row():
    days = {
        n: options_of(MODELS[n].config)[0]["default"] for n in ("popularity", "recent-popularity")
    }
    assert days == {"popularity": None, "recent-popularity": 30.0}


def test_a_misspelt_model_is_answered_with_the_nearest(capsys):
    assert grapevine(["models", "eese"]) == 2
    assert "did you mean `ease`" in capsys.readouterr().err
