"""Every recipe is a model that can be trained, on data that can be had."""

import pytest

import grapevine as gv
from grapevine.data.sources import SOURCES
from grapevine.errors import ConfigError
from grapevine.models import MODELS
from grapevine.recipes import RECIPES, resolve


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_what_is_there(name):
    recipe = RECIPES[name]
    assert name not in MODELS
    assert recipe.data in SOURCES
    assert resolve(name) == (recipe.model, recipe.config)
    assert isinstance(recipe.config, MODELS[recipe.model].model.Config)
    # What to expect is said whole, or not at all.
    assert (recipe.minutes is None) == (not recipe.score)
    assert (recipe.expects == "not measured yet") == (recipe.minutes is None)


def test_what_no_recipe_is_called_may_be_a_model(tmp_path):
    assert resolve("ease") == ("ease", MODELS["ease"].config)
    with pytest.raises(ConfigError, match="ml-1m-sasrec`\\?"):
        resolve("ml-1m-sasrek")


def test_a_recipe_is_trained_by_its_name():
    data = gv.shop(users=30)
    run = gv.fit("ml-1m-gru4rec", data, settings=["model.epochs=1", "model.width=8"])
    assert run.name == "gru4rec"
    assert run.model.config.hidden == RECIPES["ml-1m-gru4rec"].config.hidden
