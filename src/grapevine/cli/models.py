"""`grapevine models` and `grapevine cite`."""

import ast
import inspect
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

import grapevine as gv
from grapevine.cli import complete
from grapevine.cli.output import Json, as_table, print_facts, print_json, print_table, say
from grapevine.errors import unknown

COLUMNS = ("neighbourhood", "merge", "update", "asked")


def models(
    name: Annotated[
        str | None,
        typer.Argument(help="One model, with its options.", autocompletion=complete.models),
    ] = None,
    json: Json = False,
) -> None:
    """The one table: who listens to whom, how messages merge; or one model with its options.

    Example: `grapevine models ease`
    """
    if name is None:
        rows = [{"model": one, **row_of(one)} for one in gv.models.MODELS]
        if json:
            print_json(rows)
            return
        print_table(as_table(rows, title="who listens to whom, how messages merge, what is asked"))
        say("next: grapevine models NAME, for the options of one")
        return
    if name not in gv.models.MODELS:
        raise unknown("model", name, gv.models.MODELS)
    row = gv.models.MODELS[name]
    about = {
        "model": name,
        "meaning": inspect.cleandoc(row.model.__doc__ or "").partition("\n\n")[0],
        **row_of(name),
        "paper": row.model.paper,
    }
    options = options_of(row.config)
    if json:
        print_json({**about, "options": options})
        return
    print_facts({label: " ".join(fact.split()) for label, fact in about.items() if fact})
    if options:
        print_table(as_table(options, title=f"train {name} --set model.OPTION=VALUE"))


def row_of(name: str) -> dict[str, str]:
    """What the one table says of a model."""
    return {column: getattr(gv.models.MODELS[name], column) for column in COLUMNS}


def options_of(config: Any) -> list[dict[str, Any]]:
    """Each option of a config: its name, its value here, and the line of meaning under it."""
    meanings = dict[str, str]()
    # What a class changes of an option of another's, but does not say anew, means the same.
    for one in reversed(type(config).__mro__[:-1]):
        meanings |= _meanings(one)
    return [
        {"option": name, "default": getattr(config, name), "meaning": meanings.get(name, "")}
        for name in type(config).__dataclass_fields__
    ]


def _meanings(config: type) -> dict[str, str]:
    """The line under each option that a class itself has, where there is one."""
    body = ast.parse(textwrap.dedent(inspect.getsource(config))).body[0]
    statements = body.body if isinstance(body, ast.ClassDef) else []
    return {
        field.target.id: " ".join(str(below.value.value).split())
        for field, below in pairwise(statements)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


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
