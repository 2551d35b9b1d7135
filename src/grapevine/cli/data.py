"""`grapevine data ...`: what there is, fetching, making, importing, describing, splitting."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import grapevine as gv
from grapevine.cli import complete
from grapevine.cli.output import Json, as_table, print_facts, print_json, print_table, say
from grapevine.errors import ConfigError

if TYPE_CHECKING:
    from grapevine.data.importer import ImportReport

app = typer.Typer(
    help="Datasets: public ones, the built-in shop, and your own event logs.",
    no_args_is_help=True,
)
BAD_ROWS_SHOWN = 5
"""Bad rows that are printed; all of them are in the folder."""

Out = Annotated[Path, typer.Option(help="The dataset folder to write.")]


@app.command("list")
def list_(json: Json = False) -> None:
    """Built-in and public datasets: size, licence, what they serve."""
    from grapevine.data.sources import SOURCES

    shop = {
        "name": "shop",
        "title": "the built-in shop, with known truth",
        "size": "any",
        "licence": "Apache-2.0",
        "serves": "every task",
    }
    rows = [shop] + [
        {
            "name": name,
            "title": source.title,
            "size": " / ".join(f"{count:,} {what}" for what, count in source.expected.items()),
            "licence": source.licence,
            "serves": source.serves,
        }
        for name, source in SOURCES.items()
    ]
    if json:
        print_json(rows)
    else:
        print_table(as_table(rows, title="grapevine data fetch NAME"))


@app.command()
def fetch(
    name: Annotated[
        str, typer.Argument(help="A public dataset.", autocompletion=complete.datasets)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where to; if not given, where `--data NAME` finds it.")
    ] = None,
    mirror: Annotated[
        Path | None,
        typer.Option(envvar="GRAPEVINE_MIRROR", help="A folder to look in before the network."),
    ] = None,
) -> None:
    """Download a public dataset (or copy it from a mirror), verify it, convert it.

    Example: `grapevine data fetch ml-1m --out datasets/ml-1m`
    """
    from grapevine.data.fetch import fetch as fetch_source

    say(f"{name} -> {fetch_source(name, out or gv.pipeline.kept(name), mirror)}")


@app.command("make-shop")
def make_shop(
    out: Out,
    users: Annotated[int, typer.Option(min=1)] = 2_000,
    items: Annotated[int | None, typer.Option(min=1)] = None,
    events: Annotated[int | None, typer.Option(min=1, help="About so many.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another shop.")] = 0,
) -> None:
    """Generate a shop whose truth is known: tastes, sessions, a funnel, reviews, pictures.

    Example: `grapevine data make-shop --users 10000 --out datasets/shop`
    """
    from grapevine.data import shop

    say(f"shop -> {shop.make(out, users=users, items=items, events=events, seed=seed)}")


@app.command("import")
def import_(
    events: Annotated[Path, typer.Argument(help="CSV, JSON lines, Parquet, or a folder of them.")],
    out: Out,
    items: Annotated[Path | None, typer.Option(help="The catalogue, one line an item.")] = None,
    users: Annotated[Path | None, typer.Option(help="What is known of users.")] = None,
    links: Annotated[Path | None, typer.Option(help="Relations between items.")] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", help="column=role, such as customer=user_id; may be repeated."),
    ] = None,
    time_unit: Annotated[
        str, typer.Option(help="auto, s, ms, us, ns, iso, or a format such as %d/%m/%Y.")
    ] = "auto",
    bad_rows: Annotated[
        str, typer.Option(help="fail: write nothing; quarantine: import the good rows.")
    ] = "fail",
    behaviours: Annotated[
        str | None, typer.Option(help="In cascade order: click,cart,buy.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The behaviour to predict.")] = None,
    columns: Annotated[
        str | None, typer.Option(help="Names of the columns, if CSV files have no header: a,b,c.")
    ] = None,
    decimal: Annotated[
        str, typer.Option(help="What stands before the fraction of numbers in text: . or ,")
    ] = ".",
    name: Annotated[str | None, typer.Option(help="What reports call it.")] = None,
    json: Json = False,
) -> None:
    """Import raw events (and a catalogue) into a dataset folder, every row checked.

    Example: `grapevine data import log.csv --items catalogue.csv --map customer=user_id
    --map sku=item_id --map when=timestamp --out datasets/mine`
    """
    from grapevine.data.importer import import_events

    report = import_events(
        events,
        out,
        items=items,
        users=users,
        links=links,
        mapping=_pairs(mapping or []),
        time_unit=time_unit,
        bad_rows=bad_rows,
        name=name,
        behaviours=behaviours.split(",") if behaviours else None,
        target=target,
        columns=columns.split(",") if columns else None,
        decimal=decimal,
    )
    facts = {**asdict(report), "rows_per_second": round(report.rows_per_second)}
    facts["bad_rows"] = [row._asdict() for row in report.bad_rows]
    if json:
        print_json(facts)
    else:
        _print_report(report, is_told=target is not None)
        say(f"next: grapevine data describe {out}")


@app.command()
def describe(
    data: Annotated[str, typer.Argument(help="A dataset folder or a public name.")],
    json: Json = False,
) -> None:
    """Counts, sparsity, times, behaviours, columns, and what looks wrong."""
    from grapevine.data.describe import describe as describe_dataset

    description = describe_dataset(gv.load(data))
    if json:
        print_json(description.to_json())
    else:
        print_table(description.table())


@app.command()
def split(
    data: Annotated[str, typer.Argument(help="A dataset folder or a public name.")],
    out: Out,
    by: Annotated[
        str,
        typer.Option(
            help="leave-last-out, leave-last-out-sampled (validation by some users), time, "
            "cold-items (whole items held out), published (the folder's own), none (learn from "
            "all), or auto (published, or else leave-last-out)."
        ),
    ] = "leave-last-out",
    at: Annotated[
        str | None, typer.Option(help="For time: when the test starts, such as 2024-05-01.")
    ] = None,
    validation_at: Annotated[str | None, typer.Option(help="When the validation starts.")] = None,
    share: Annotated[
        float | None, typer.Option(help="For cold-items: of the items, for the test.")
    ] = None,
    validation_users: Annotated[
        int | None,
        typer.Option(
            help="For published and leave-last-out: users who are drawn for the validation."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of what is drawn.")] = None,
    repeats: Annotated[
        str | None,
        typer.Option(
            help="drop: ask for nothing that the user has; keep: ask for it; unmet: ask for "
            "nothing that the user has met by any behaviour. As the folder says, or else drop."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Hold events out, check that nothing leaks, and write the split as a column.

    Example: `grapevine data split datasets/mine --by time --at 2024-05-01 --out datasets/may`
    """
    options = {
        "at": at,
        "validation_at": validation_at,
        "share": share,
        "validation_users": validation_users,
        "seed": seed,
        "repeats": repeats,
    }
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    parts = gv.pipeline.prepare(gv.load(data), by, **given)
    gv.split.write(parts, out)
    if json:
        print_json({"out": str(out), **gv.split.summary.facts(parts), "leaks": 0})
    else:
        print_facts({"out": out, **gv.split.summary.table(parts), "leaks": 0})
        for note in gv.split.summary.notes(parts):
            typer.echo(f"note: {note}")


@app.command("export-events")
def export_events(
    store: Annotated[
        str, typer.Option(help="sqlite:///PATH or postgresql+psycopg://user:password@host/db.")
    ],
    out: Out,
    items: Annotated[Path | None, typer.Option(help="The catalogue, one line an item.")] = None,
    behaviours: Annotated[
        str | None, typer.Option(help="In cascade order: click,cart,buy.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The behaviour to predict.")] = None,
    run: Annotated[
        Path | None, typer.Option(help="A run folder, whose target is predicted again.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What reports call it.")] = None,
    json: Json = False,
) -> None:
    """Write the events of a service as a dataset folder, while it runs; `event_id` is kept.

    Example: `grapevine data export-events --store sqlite:///grapevine.db --out datasets/live`
    """
    try:
        from grapevine.serving.store import open_store
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"`{error.name}` is not installed here", hint="pip install 'grapevine-rec[serve]'"
        ) from error
    if run is not None and target is None:
        target = gv.open_run(run).schema.target
    with open_store(store, read_only=True) as opened:
        report = opened.export(
            out,
            items=items,
            behaviours=behaviours.split(",") if behaviours else None,
            target=target,
            name=name,
        )
    facts = {
        "out": out,
        **{key: getattr(report, key) for key in ("good", "users", "items", "behaviours", "target")},
    }
    if json:
        print_json({**facts, "notes": report.notes})
    else:
        print_facts(facts)
        _print_notes(report, is_told=target is not None)


def _print_report(report: "ImportReport", *, is_told: bool) -> None:
    """What an import found: zeros left out, then what a reader must know, then the bad rows.

    Args:
        report: what it found.
        is_told: whether the user said which behaviour to predict.
    """
    from grapevine.data.readers.quarantine import describe as line_of

    # The rows of a second are for benchmarks: a first import also compiles.
    hidden, always = {"notes", "bad_rows"}, {"good", "bad"}
    facts = asdict(report).items()
    print_facts(
        {name: fact for name, fact in facts if name not in hidden and (fact or name in always)}
    )
    _print_notes(report, is_told=is_told)
    for row in report.bad_rows[:BAD_ROWS_SHOWN]:
        typer.echo(f"bad row: {line_of(row)}")
    if report.bad_rows:
        typer.echo(f"all bad rows, with their reasons: {report.out / 'bad_rows.parquet'}")


def _print_notes(report: "ImportReport", *, is_told: bool) -> None:
    """What a reader must know of a dataset that was made, as of `_print_report`."""
    for note in report.notes:
        typer.echo(f"note: {note}")
    if len(report.behaviours) > 1 and not is_told:
        names = ",".join(report.behaviours)
        typer.echo(
            f"note: `{report.target}` is predicted; to predict another: --target NAME; "
            f"if they come in another order than {names}: --behaviours FIRST,...,LAST"
        )


def _pairs(settings: list[str]) -> dict[str, str]:
    pairs = {}
    for setting in settings:
        column, equals, role = setting.rpartition("=")
        if not equals or not column or not role:
            raise ConfigError(
                f"`{setting}` is not column=role", hint="write --map customer=user_id"
            )
        pairs[column] = role
    return pairs
