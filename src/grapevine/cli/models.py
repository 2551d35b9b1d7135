"""`grapevine models` and `grapevine cite`."""

from pathlib import Path
from typing import Annotated

import typer

import grapevine as gv
from grapevine.cli.output import Json, as_table, print_json, print_table


def models(json: Json = False) -> None:
    """The one table: every model, who listens to whom, how messages merge, what is asked."""
    columns = ("neighbourhood", "merge", "update", "asked")
    rows = [
        {"model": name, **{column: getattr(row, column) for column in columns}}
        for name, row in gv.models.MODELS.items()
    ]
    if json:
        print_json(rows)
    else:
        print_table(as_table(rows, title="who listens to whom, how messages merge, what is asked"))


def cite(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    json: Json = False,
) -> None:
    """The papers of this very configuration, and the data's terms."""
    opened = gv.open_run(run)
    row = gv.models.MODELS[opened.name]
    sources = {
        "model": row.model.paper,
        "data": opened.schema.source,
        "licence": opened.schema.licence,
    }
    if json:
        print_json({"run": str(run), "name": opened.name, **sources})
        return
    for label, text in sources.items():
        typer.echo(f"{label}: {text or 'nothing to cite'}")
