"""Results on standard output, as a table to read or as one JSON document."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grapevine.log import logger

if TYPE_CHECKING:
    import polars as pl

Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on standard output, all else on stderr.")
]


def print_json(document: Any) -> None:
    """One JSON document on standard output; IDs stay as they are, non-ASCII too."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def print_table(table: Any) -> None:
    """A rich renderable, or text, on standard output."""
    # Imported here: the answer to `--help` should not wait for it.
    from rich.console import Console

    Console().print(table)


def say(message: str) -> None:
    """A line for the person at the terminal, on standard error; `--quiet` leaves it out."""
    logger.info("%s", message)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Names and values, a line each, on standard output."""
    width = max([18, *map(len, facts)]) + 2
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}{_fact(value)}")


def as_table(rows: "pl.DataFrame | Sequence[Mapping[str, Any]]", title: str | None = None) -> Any:
    """Rows as people read them."""
    from rich.table import Table

    lines = rows if isinstance(rows, Sequence) else rows.to_dicts()
    table = Table(title=title)
    for place, (name, value) in enumerate((lines[0] if lines else {}).items()):
        right = isinstance(value, int | float)
        # The first column names the row, and is to be typed again.
        table.add_column(name, justify="right" if right else "left", no_wrap=place == 0)
    for line in lines:
        table.add_row(*(_cell(value) for value in line.values()))
    return table


def _fact(value: Any) -> str:
    """A value as plain text: nothing is marked up here, so that nothing needs escaping."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_fact(part) for part in value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cell(value: Any) -> str:
    from rich.markup import escape

    # IDs and titles are data: square brackets in them are not colours.
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(_cell(part) for part in value)
    return escape(str(value))
