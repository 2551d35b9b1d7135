"""`grapevine demo`: the whole way once, on the built-in shop or on any dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import grapevine as gv
from grapevine.cli import complete
from grapevine.cli.index import facts_of, say_embedded
from grapevine.cli.output import as_table, print_facts, print_table, say
from grapevine.cli.places import Force, new_run

if TYPE_CHECKING:
    from grapevine.models.run import Run


SHORT, MOST_SECONDS = ("model.epochs=8", "model.length=100"), 180.0
"""Of Vine, so that nobody waits long: what it has learnt by then tells enough."""


def demo(
    data: Annotated[
        str | None,
        typer.Option(
            help="A public dataset or a folder; the built-in shop if not given.",
            autocompletion=complete.data,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The run folder to write; if not given, runs/demo or runs/demo-NAME."),
    ] = None,
    users: Annotated[int, typer.Option(min=10, help="Size of the built-in shop.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Another seed, another shop.")] = 0,
    force: Force = False,
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="End with the page, or with the report.")
    ] = True,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0 any free.")] = 8000,
) -> None:
    """From events to recommendations: train, measure against baselines, explain, serve.

    Example: `grapevine demo --data ml-1m`
    """
    from grapevine.data.describe import describe
    from grapevine.models.base import Embeds, Factored

    # The demo's own places are its own to replace; others may hold somebody's work.
    place = out or Path("runs", f"demo-{Path(data).name}" if data else "demo")
    replaced = new_run(place, force=force or out is None)

    say("1. events" + ("" if data else ": a shop is being made, whose truth is known"))
    dataset = gv.load(data) if data else gv.shop(users=users, seed=seed)
    print_table(describe(dataset).table())

    say("2. split: the last of each user is held out, and nothing of it may leak")
    parts = gv.pipeline.prepare(dataset)

    say("3. models: Vine, PinSage and every baseline, learning from the training events alone")
    runs = [
        gv.fit("vine", parts.train, seed=seed, settings=SHORT, time_limit=MOST_SECONDS),
        gv.fit("pinsage", parts.train, seed=seed),
    ]
    runs += gv.pipeline.baselines(parts.train, seed=seed)

    say("4. measured on the held-out events, every item a candidate")
    report = gv.evaluate(runs, parts.test, train=parts.train, seed=seed)
    print_table(report.table())

    say("5. the best on the validation events is kept")
    chosen = gv.pipeline.choose(runs, parts)
    run = gv.pipeline.keep(
        chosen, place, dataset, {"data": data or "shop", "split": gv.split.settings_of(parts)}
    )
    gv.pipeline.attach(report, place)

    if isinstance(run.model, Embeds | Factored):
        say("6. index: every item's vector, computed once, and its nearest found again")
        _index(place)

    say(f"7. recommendations of {run.name}, and why")
    users_shown = some_users(run)
    for one in users_shown:
        lists = run.recommend(users=[one], k=5, why=True)
        shown = [name for name in ("rank", "title", "item_id", "why") if name in lists.columns]
        print_table(as_table(lists.select(shown), title=f"user {one}"))

    say(f"\nrun: {place}{' (replaced)' if replaced else ''}\nreport: {place / 'report.html'}")
    say(f"next: grapevine recommend {place} --user {users_shown[0]} --why")
    if serve:
        _serve(place, dataset.path, port)
    else:
        say(f"or:   grapevine serve {place}")


def _serve(place: Path, data: Path | None, port: int) -> None:
    """The page, until somebody stops it."""
    from grapevine.cli.serve import start

    say("\n8. the page: pick a user, or build a history by clicking; Ctrl-C ends it")
    store = f"sqlite:///{place.with_name(f'{place.name}-events.db')}"
    start(place, data=data, port=port, store=store)


def _index(place: Path) -> None:
    """Vectors and index beside the run; the demo's own places are its own to replace."""
    vectors, index = (place.with_name(f"{place.name}-{what}") for what in ("vectors", "index"))
    say_embedded(gv.pipeline.embed(place, vectors), vectors)
    print_facts(facts_of(gv.pipeline.index(vectors, index), index))


def some_users(run: "Run", most: int = 3) -> list[Any]:
    """A few users whose histories are neither the shortest nor the longest."""
    import numpy as np

    lengths = np.diff(run.history.offsets)
    middle = np.argsort(lengths, kind="stable")[len(lengths) // 2 :]
    step = max(len(middle) // (most + 1), 1)
    return run.users.take(middle[::step][:most]).to_list()
