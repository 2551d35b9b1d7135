"""`grapevine models` and `grapevine cite`."""

from pathlib import Path
from typing import Annotated

import typer

import grapevine as gv
from grapevine.cli.output import Json, print_json, print_table


def models(json: Json = False) -> None:
    """The one table: every model, who listens to whom, how messages merge, what is asked."""
    rows = gv.models.MODELS
    if json:
        print_json([{"name": name, **row.facts()} for name, row in rows.items()])
        return
    from rich.table import Table

    table = Table(title="who listens to whom, how messages merge, how the listener updates")
    for column in ("model", "neighbourhood", "merge", "update", "asked"):
        table.add_column(column)
    for name, row in rows.items():
        table.add_row(name, row.neighbourhood, row.merge, row.update, row.asked)
    print_table(table)


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
