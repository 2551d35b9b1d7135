"""`grapevine recipes`."""

from typing import Annotated

import typer

import grapevine as gv
from grapevine.cli import complete
from grapevine.cli.output import Json, as_table, print_facts, print_json, print_table, say
from grapevine.errors import unknown


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(help="One recipe, with its settings.", autocompletion=complete.recipes),
    ] = None,
    json: Json = False,
) -> None:
    """Runs with their settings found: the command, how long it takes and what comes of it.

    Example: `grapevine recipes ml-1m-sasrec`
    """
    known = gv.recipes.RECIPES
    if name is None:
        rows = [
            {"recipe": one, "model": recipe.model, "data": recipe.data, "expects": recipe.expects}
            for one, recipe in known.items()
        ]
        if json:
            print_json(rows)
            return
        print_table(as_table(rows, title="grapevine train RECIPE --out RUN"))
        say("next: grapevine recipes NAME, for the settings of one")
        return
    if name not in known:
        raise unknown("recipe", name, known)
    recipe = known[name]
    facts = {
        "recipe": name,
        "about": recipe.about,
        "command": f"grapevine train {name} --out runs/{name}",
        "data": recipe.data,
        "split": recipe.split_by,
        "model": recipe.model,
        "settings": recipe.changes,
        "expects": recipe.expects,
    }
    if json:
        print_json({**facts, "minutes": recipe.minutes, "score": dict(recipe.score)})
    else:
        print_facts(facts)
