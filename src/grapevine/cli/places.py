"""Where commands write: looked at before the work, so that no hour of it ends in an error."""

from pathlib import Path
from typing import Annotated

import typer

from grapevine.errors import ConfigError

Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]


def new_run(out: Path, *, force: bool, resume: bool = False) -> bool:
    """Look at the place of a run folder; whether a run there is about to be replaced.

    Args:
        out: the run folder.
        force: whether what stands there may go.
        resume: whether a training there is to be gone on with.

    Raises:
        ConfigError: something stands there that may not be replaced.
    """
    # Imported here: the answer to `--help` should not wait for it.
    from grapevine.models import traces
    from grapevine.models.run import refuse_to_replace

    refuse_to_replace(out)
    standing = out.is_dir() and any(out.iterdir())
    if resume and (out / traces.CHECKPOINTS).is_dir():
        return False
    if traces.unfinished(out) and not force:
        raise ConfigError(
            f"`{out}` holds a training that is not done",
            hint="go on with --resume, or begin anew with --force",
        )
    if standing and not force:
        raise ConfigError(
            f"`{out}` holds a run already", hint="choose another --out, or replace it with --force"
        )
    return standing


def new_folder(out: Path, what: str, *, force: bool) -> bool:
    """Look at the place of a folder of embeddings or an index; whether one is to be replaced.

    Raises:
        ConfigError: something stands there that may not be replaced.
    """
    # Imported here: the answer to `--help` should not wait for it.
    from grapevine.index.folder import CALLED, refuse_to_replace

    refuse_to_replace(out, what)
    standing = out.is_dir() and any(out.iterdir())
    if standing and not force:
        raise ConfigError(
            f"`{out}` holds {CALLED[what]} already",
            hint="choose another --out, or replace it with --force",
        )
    return standing


def new_file(path: Path, *, example: str) -> Path:
    """Look at the place of a file, and make the folder that it goes into.

    Args:
        path: the file to be.
        example: a good name for it, with the ending of its format.

    Raises:
        ConfigError: it is a folder, or the name ends otherwise than its format.
    """
    ending = Path(example).suffix
    if path.is_dir():
        raise ConfigError(f"`{path}` is a folder", hint=f"name a file in it: {path / example}")
    if path.suffix != ending:
        raise ConfigError(
            f"`{path}` would be written as {ending.removeprefix('.')}, whatever its name says",
            hint=f"name it {path.with_suffix(ending)}",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
