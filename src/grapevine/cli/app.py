"""All commands under one name, and what every one of them does when something is wrong."""

import errno
import logging
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import grapevine
from grapevine.cli import (
    data,
    demo,
    doctor,
    export,
    index,
    models,
    recipes,
    recommend,
    retrain,
    runs,
    serve,
    simulate,
    tune,
)
from grapevine.errors import GrapevineError

# The class of every complaint about a command line; newer versions of Typer carry a click of
# their own and do not name it.
UsageError: Any = typer.BadParameter.__mro__[1]

INTERRUPTED = 130
"""What Typer returns for Ctrl-C, by the custom of shells."""

REMEDIES = {
    errno.ENOENT: "there is nothing of that name: look at the spelling and the folder",
    errno.EACCES: "you may not read or write there: choose another place, or change its mode",
    errno.EPERM: "you may not read or write there: choose another place, or change its mode",
    errno.EROFS: "nothing can be written there: choose another place",
    errno.EISDIR: "it is a folder: name a file",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "something of that name is there already: choose another name",
    errno.ENOSPC: "make room, or choose a place on another disk",
    errno.EDQUOT: "make room, or choose a place on another disk",
}
"""What to do about what the system refuses."""

app = typer.Typer(
    name="grapevine",
    help="Raw event logs and a catalogue in; trained, measured and explained recommendations out.",
    epilog="Start with: grapevine demo",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(data.app, name="data")
app.command()(demo.demo)
app.command()(models.models)
app.command()(recipes.recipes)
app.command()(runs.train)
app.command()(tune.tune)
app.command()(runs.blend)
app.command()(runs.evaluate)
app.command()(recommend.recommend)
app.command()(simulate.simulate)
app.command()(serve.serve)
app.add_typer(serve.keys, name="keys")
app.command()(retrain.retrain)
app.command()(index.embed)
app.command()(index.index)
app.command()(export.export)
app.command()(models.cite)
app.command()(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"grapevine {grapevine.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")] = False,
) -> None:
    """Raw event logs and a catalogue in; trained, measured and explained recommendations out."""
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO, format="%(message)s", force=True
    )


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every failure is one message with a hint."""
    command = typer.main.get_command(app)
    try:
        code = command.main(list(arguments), prog_name="grapevine", standalone_mode=False)
    except GrapevineError as error:
        return _fail(str(error), error.exit_code)
    except UsageError as error:
        if not error.format_message():  # no arguments at all: the help has been shown
            return 2
        where = error.ctx.command_path if error.ctx else "grapevine"
        return _fail(f"{error.format_message()}\nhint: `{where} --help` tells what it takes", 2)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as left:
        # Typer and rich leave with 1 when the reader, `head` say, has seen enough.
        return 0 if isinstance(left.__context__, BrokenPipeError) else int(left.code or 0)
    except OSError as error:
        return _fail(_of_system(error), 2)
    except MemoryError as error:
        said = str(error) or "there is not enough memory for this"
        return _fail(f"{said}\nhint: ask for less: fewer factors, items or users", 2)
    if code == INTERRUPTED:
        return _fail("interrupted\nhint: nothing half-written is left behind; start it again", 3)
    return code if isinstance(code, int) else 0


def _of_system(error: OSError) -> str:
    """What the system says of a file, and what to do about it."""
    said = f"`{error.filename}`: {error.strerror}" if error.filename else str(error)
    hint = REMEDIES.get(error.errno or 0, "look at the path, the disk and the connection")
    return f"{said[:1].lower()}{said[1:]}\nhint: {hint}"


def _fail(message: str, code: int) -> int:
    typer.echo(f"error: {message}", err=True)
    return code
