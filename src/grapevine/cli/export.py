"""`grapevine export`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from grapevine.cli.output import Json, print_facts, print_json, say
from grapevine.cli.places import new_file
from grapevine.errors import ConfigError


def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    to: Annotated[str, typer.Option(help="onnx.")] = "onnx",
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    json: Json = False,
) -> None:
    """The user side of a sequence model for other runtimes, only what is proven equal to the run.

    A history goes in, and the vector that it asks with comes out. Before the file is written, both
    are asked histories of every length; the greatest difference is printed.

    Example: `grapevine export runs/sasrec --to onnx --out sasrec.onnx`
    """
    from grapevine.serving.engine.export import export as written

    if to != "onnx":
        raise ConfigError(f"no format is called `{to}`", hint="there is: onnx")
    new_file(out, example="user-side.onnx")
    if out.exists() and not force:
        raise ConfigError(
            f"`{out}` exists", hint="choose another --out, or replace it with --force"
        )
    facts = {**asdict(written(run, out)), "out": str(out)}
    if json:
        print_json(facts)
    else:
        print_facts(facts)
        say(f"next: serve {run} with it, or ask it with any ONNX runtime")
