"""Runs with their settings found: `grapevine recipes` lists them, `grapevine train NAME` runs one.

Every figure is of `benchmarks/sequences.py`, which trains the recipes by these names: see its
results for seeds, intervals and the machine.
"""

from typing import Any

from grapevine.data.dataset import Dataset
from grapevine.models import named
from grapevine.recipes.amazon import AMAZON
from grapevine.recipes.movielens import MOVIELENS
from grapevine.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {**MOVIELENS, **AMAZON}
"""By name: the dataset, then the model."""


def resolve(model: Any) -> tuple[str, Any]:
    """The row and the options of a recipe's name, or of all that `named.resolve` knows.

    Raises:
        ConfigError: there is no such recipe, model or option.
    """
    if isinstance(model, str) and model in RECIPES:
        return RECIPES[model].model, RECIPES[model].config
    return named.resolve(model, also=RECIPES)


def split_for(model: str, data: Dataset, by: str) -> str:
    """How events are held out: as asked for, by the data's own labels, or as the recipe does.

    Args:
        model: a recipe, or anything else that can be trained.
        data: where the events are.
        by: what was asked for.
    """
    if by == "auto" and model in RECIPES and data.labels is None:
        return RECIPES[model].split_by
    return by


__all__ = ["RECIPES", "Recipe", "resolve", "split_for"]
