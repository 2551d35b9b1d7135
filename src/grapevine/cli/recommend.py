"""`grapevine recommend`."""

from pathlib import Path
from typing import Annotated, Any

import typer

import grapevine as gv
from grapevine.cli.output import Json, as_table, print_json, print_table, say
from grapevine.errors import ConfigError


def recommend(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    user: Annotated[list[str] | None, typer.Option(help="A user's ID; may be repeated.")] = None,
    item: Annotated[str | None, typer.Option(help="An item's ID: what goes with it?")] = None,
    history: Annotated[
        str | None, typer.Option(help="Item IDs A,B,C in time order, for somebody new.")
    ] = None,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="How many items each.")] = 10,
    behaviour: Annotated[
        str | None, typer.Option(help="What it is for, if the run predicts it: buy, say.")
    ] = None,
    exclude_seen: Annotated[
        bool, typer.Option("--exclude-seen/--include-seen", help="Leave out what users have.")
    ] = True,
    where: Annotated[
        list[str] | None,
        typer.Option(help='A condition on an item column: "price<20", "category=tops".'),
    ] = None,
    candidates: Annotated[
        Path | None, typer.Option(help="A file with the only item IDs allowed, one a line.")
    ] = None,
    why: Annotated[
        bool, typer.Option("--why", help="Tell what in the history spoke for it.")
    ] = False,
    all_users: Annotated[
        Path | None, typer.Option("--all-users", help="Lists for every user, to a Parquet file.")
    ] = None,
    json: Json = False,
) -> None:
    """The best items for a user, for somebody new, beside an item, or for everybody.

    Examples: `grapevine recommend runs/ease --user 42 --why`, `... --history 260,1196 -k 5`,
    `... --item 260`, `... --all-users lists.parquet`
    """
    opened = gv.open_run(run)
    if behaviour is not None and behaviour != opened.schema.target:
        raise ConfigError(
            f"{run} predicts `{opened.schema.target}`, not `{behaviour}`",
            hint="import or split the data with that target, and train on it",
        )
    allowed = (
        [line for line in candidates.read_text(encoding="utf-8").splitlines() if line]
        if candidates
        else None
    )
    asked: dict[str, Any] = {
        "users": user,
        "items": [item] if item is not None else None,
        "histories": [[part for part in history.split(",") if part]]
        if history is not None
        else None,
    }
    given = [name for name, value in asked.items() if value is not None]
    if len(given) + (all_users is not None) != 1:
        raise ConfigError("give --user, --item, --history or --all-users: exactly one of them")
    limits: dict[str, Any] = {
        "k": k,
        "exclude_seen": exclude_seen,
        "candidates": allowed,
        "where": where or (),
    }
    if all_users is not None:
        count = opened.recommend_all(all_users, **limits)
        say(f"{count:,} users -> {all_users}")
        return
    table = opened.recommend(**{given[0]: asked[given[0]]}, why=why, **limits)
    if json:
        print_json({"run": str(run), "recommendations": table.to_dicts()})
    else:
        print_table(as_table(table))
