"""`grapevine recommend`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import grapevine as gv
from grapevine.cli.output import Json, as_table, print_json, print_table, say
from grapevine.cli.places import new_file
from grapevine.errors import ConfigError
from grapevine.log import logger

if TYPE_CHECKING:
    import polars as pl

    from grapevine.models.run import Run


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
    chances: Annotated[
        bool, typer.Option("--chances", help="Tell how likely each behaviour is, and the rating.")
    ] = False,
    all_users: Annotated[
        Path | None, typer.Option("--all-users", help="Lists for every user, to a Parquet file.")
    ] = None,
    json: Json = False,
) -> None:
    """The best items for a user, for somebody new, beside an item, or for everybody.

    Examples: `grapevine recommend runs/ease --user 42 --why`, `... --history 260,1196 -k 5`,
    `... --item 260`, `... --all-users lists.parquet`, `grapevine recommend runs/vine --user 42
    --chances`
    """
    opened = gv.open_run(run)
    if behaviour is not None:
        opened = opened.answering(behaviour)
    asked: dict[str, Any] = {
        "users": user,
        "items": [item] if item is not None else None,
        "histories": [_ids(history.split(","))] if history is not None else None,
    }
    given = [name for name, value in asked.items() if value is not None]
    if len(given) + (all_users is not None) != 1:
        raise ConfigError(
            "give --user, --item, --history or --all-users: exactly one of them",
            hint=f"grapevine recommend {run} --user {_somebody(opened)}",
        )
    limits: dict[str, Any] = {
        "k": k,
        "exclude_seen": exclude_seen,
        "candidates": _ids(candidates.read_text(encoding="utf-8-sig").splitlines())
        if candidates
        else None,
        "where": where or (),
    }
    unmet = _say_what_is_met_by_nothing(opened, where or ())
    if all_users is not None and (why or chances):
        raise ConfigError("--all-users writes lists alone: leave out --why and --chances")
    if all_users is not None:
        count = opened.recommend_all(new_file(all_users, example="lists.parquet"), **limits)
        say(f"{count:,} users -> {all_users}")
        return
    told = {"why": why, "chances": chances}
    table = opened.recommend(**{given[0]: asked[given[0]]}, **told, **limits)
    if not unmet:
        _say_who_gets_nothing(table, user or [])
    if json:
        print_json({"run": str(run), "recommendations": table.to_dicts()})
    elif len(table):
        print_table(as_table(table.drop("evidence", strict=False)))


def _ids(parts: list[str]) -> list[str]:
    """IDs as typed or listed, without the blanks around them and the empty ones."""
    return [part.strip() for part in parts if part.strip()]


def _somebody(run: "Run") -> Any:
    return run.users.ids[0] if len(run.users) else "ID"


def _say_what_is_met_by_nothing(run: "Run", where: Sequence[str]) -> bool:
    """Name each condition that no item meets, with the nearest value that one has."""
    from grapevine.models.conditions import items_where, nearest_value

    for condition in where:
        met = items_where(run.item_table, condition)
        if met is not None and not met.any():
            near = nearest_value(run.item_table, condition)
            hint = f"\nhint: did you mean `{near}`?" if near else ""
            logger.warning("no item meets `%s`%s", condition, hint)
    every = items_where(run.item_table, where)
    unmet = every is not None and not every.any()
    if unmet and len(where) > 1:
        logger.warning("no item meets all of: %s", ", ".join(where))
    return unmet


def _say_who_gets_nothing(table: "pl.DataFrame", users: Sequence[str]) -> None:
    """Name those without a list; an empty answer without a word looks like a fault."""
    served = set(table["user_id"].cast(str)) if "user_id" in table.columns else set[str]()
    unserved = [one for one in users if one not in served]
    if unserved:
        logger.warning("nothing to recommend to %s", ", ".join(unserved))
    elif not len(table):
        logger.warning("nothing to recommend")
    if unserved or not len(table):
        logger.warning(
            "hint: every item that is allowed is in the history already, or may not be shown: "
            "try --include-seen, or fewer of --where and --candidates"
        )
