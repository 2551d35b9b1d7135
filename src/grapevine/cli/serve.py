"""`grapevine serve` and `grapevine keys`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grapevine.cli.output import Json, as_table, print_json, print_table, say
from grapevine.errors import ConfigError, StoreInUse

if TYPE_CHECKING:
    from grapevine.serving.store import Store as Opened

STORE = "sqlite:///grapevine.db"
Store = Annotated[str, typer.Option(help="sqlite:///FILE or postgresql+psycopg://USER@HOST/DB.")]


def serve(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    host: Annotated[str, typer.Option(help="Address; a public one needs API keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    store: Store = STORE,
    index: Annotated[
        Path | None, typer.Option(help="An index of the run's items; made if not given.")
    ] = None,
    onnx: Annotated[
        Path | None, typer.Option(help="The user side, as `grapevine export` wrote it.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="A dataset folder whose items have pictures.")
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(help="Where runs to swap in lie; beside RUN if not given.")
    ] = None,
    rate: Annotated[int, typer.Option(min=0, help="Requests a minute a caller; 0: any.")] = 0,
    retention_days: Annotated[
        int, typer.Option(min=0, help="Remove what is older; 0 keeps all.")
    ] = 0,
    log_json: Annotated[bool, typer.Option("--log-json", help="A line of JSON each.")] = False,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="A line for every request, not just bad ones.")
    ] = False,
) -> None:
    """Recommendations over HTTP, events kept, and a page to look at.

    Examples: `grapevine serve runs/vine`, `grapevine serve runs/vine --port 9000 --store
    postgresql+psycopg://grapevine@localhost/shop`. The API is described at /docs.
    """
    start(
        run, data=data, log_json=log_json, index=index, onnx=onnx, store=store, host=host,
        port=port, runs=runs, rate=rate, retention_days=retention_days, log_requests=log_requests,
    )  # fmt: skip


def start(run: Path, *, data: Path | None, log_json: bool = False, **settings: Any) -> None:
    """Serve a run until somebody stops it.

    Args:
        run: its folder.
        data: the dataset folder with pictures.
        log_json: a line of JSON for each thing that is said.
        settings: as of `serving.settings.Settings`.

    Raises:
        ConfigError: what serving needs is not installed.
    """
    try:
        from grapevine.serving.run import log_as_json
        from grapevine.serving.run import serve as listen
        from grapevine.serving.settings import Settings
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"serving needs a package that is not there: {error.name}",
            hint='pip install "grapevine-rec[serve]"',
        ) from error
    if log_json:
        log_as_json()
    listen(Settings(run=run, **settings), data=data)


keys = typer.Typer(no_args_is_help=True, help="API keys of a service.")


@keys.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Whom or what it is for.")],
    scope: Annotated[list[str], typer.Option(help="read, write or admin; may be repeated.")],
    store: Store = STORE,
) -> None:
    """Make an API key; it is printed once, and kept as a hash alone.

    Example: `grapevine keys add shop-front --scope read --scope write`
    """
    from grapevine.serving.store import check_scopes

    check_scopes(scope)  # before a store is made for nothing
    body = json.dumps({"name": name, "scopes": scope})
    with _to_write(store, f"POST /v1/keys {body}") as opened:
        typer.echo(opened.add_key(name, scope))
    say("keep it: it cannot be shown again")


@keys.command("list")
def listed(store: Store = STORE, as_json: Json = False) -> None:
    """Show the keys, by their names and scopes; beside a running service too."""
    import polars as pl

    from grapevine.serving.store import open_store

    with open_store(store, read_only=True) as opened:
        found = [
            {
                "key_id": one.key_id,
                "name": one.name,
                "scopes": ", ".join(sorted(one.scopes)),
                "good": one.revoked_at is None,
            }
            for one in opened.all_keys()
        ]
    if as_json:
        print_json({"keys": found})
    elif found:
        print_table(as_table(pl.DataFrame(found)))
    else:
        say("no keys yet: `grapevine keys add NAME --scope read` makes one")


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `grapevine keys list` shows it.")],
    store: Store = STORE,
) -> None:
    """Let a key be good no more, within seconds."""
    with _to_write(store, f"DELETE /v1/keys/{key_id}", there=True) as opened:
        if not opened.revoke(key_id):
            raise ConfigError(f"no key is called `{key_id}`", hint="see `grapevine keys list`")
    say(f"revoked: {key_id}")


@contextmanager
def _to_write(store: str, asked: str, *, there: bool = False) -> "Iterator[Opened]":
    """The store, to change its keys.

    Args:
        store: its address.
        asked: what does the same over HTTP.
        there: whether it must be there already: none is made to find nothing in.

    Raises:
        StoreInUse: a service has the file, with how to ask that service.
    """
    from grapevine.serving.store import is_there, open_store

    try:
        opened = open_store(store, read_only=there and not is_there(store))
    except StoreInUse as error:
        raise StoreInUse(
            error.args[0],
            hint=f"ask that service, with a key of scope admin if it has keys: {asked}",
        ) from error
    with opened:
        yield opened
