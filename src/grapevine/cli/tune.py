"""`grapevine tune`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import grapevine as gv
from grapevine.cli import complete
from grapevine.cli.output import Json, as_table, print_json, print_table, say
from grapevine.cli.places import Force
from grapevine.cli.runs import By, Data
from grapevine.errors import ConfigError, Interrupted

if TYPE_CHECKING:
    from grapevine.search import Found

TRIALS = 20
"""Where neither their number nor the time is said."""


def tune(
    model: Annotated[
        str,
        typer.Argument(
            help="A name of the one table (`grapevine models`), a recipe or a CONFIG.toml.",
            autocompletion=complete.trainable,
        ),
    ],
    data: Data,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="How many in all, those of earlier sessions counted."),
    ] = None,
    time_limit: Annotated[str | None, typer.Option(help="90s, 10m or 2h, of this session.")] = None,
    searched: Annotated[
        list[str] | None,
        typer.Option(
            "--search",
            help="What to try, in place of what is usual for the model: model.width=32,64,128 or "
            "model.learning_rate=1e-4..1e-2; may be repeated.",
        ),
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option(help="The same from a file: [model], and below it width = [32, 64]."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="An option that every trial has.")
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            help="Of ranks, such as ndcg@10, recall@50 or mrr.", autocompletion=complete.metrics
        ),
    ] = "ndcg@10",
    out: Annotated[
        Path | None,
        typer.Option(help="The folder of the search; if not given, runs/tune-MODEL."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draws, and of every training.")] = 0,
    split_by: By = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in the folder.")
    ] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Search the options of a model by what it is worth on the validation questions.

    The test questions are never asked. What to try next is proposed by Optuna; a trial that is
    worse than half of those before it after as many epochs is given up. The search may be stopped
    at any time and gone on with by `--resume`. Without `--trials` and `--time-limit` there are 20
    trials.

    Example: `grapevine tune ease --data ml-1m --trials 30 --search model.regularization=50..5000`
    """
    given = gv.pipeline.search.read(space) if space else {}
    given |= gv.pipeline.search.settings_of(searched or ())
    if clash := set(given) & set(gv.pipeline.search.settings_of(settings or ())):
        raise ConfigError(
            f"model.{min(clash)} is both set and searched", hint="leave out one of the two"
        )
    dataset = gv.load(data)
    split_by = gv.recipes.split_for(model, dataset, split_by)
    split = gv.pipeline.prepare(dataset, split_by)
    try:
        found = gv.pipeline.tune(
            model,
            split.train,
            out=out,
            trials=trials or (None if time_limit else TRIALS),
            time_limit=time_limit,
            space=given or None,
            settings=settings or (),
            metric=metric,
            seed=seed,
            resume=resume,
            force=force,
        )
    except Interrupted as error:
        options = {
            "--trials": trials,
            "--time-limit": time_limit,
            "--search": searched,
            "--space": space,
            "--set": settings,
            "--metric": None if metric == "ndcg@10" else metric,
            "--out": out,
            "--seed": seed or None,
            "--split-by": None if split_by == "auto" else split_by,
        }
        error.hint = f"go on with: {_again(model, data, options)}"
        raise
    if json:
        print_json(found.to_json())
        return
    print_table(as_table(_rows(found), title=f"{found.search.name}: {found.search.metric}"))
    if found.stopped_by == "space":
        say("there is nothing else to try: every set of options has been")
    say(f"best: trial {found.best.number} -> {found.folder.best}")
    run = Path("runs") / found.search.name
    say(f"next: grapevine train {found.folder.best} --data {data} --out {run}")


def _rows(found: "Found") -> list[dict[str, Any]]:
    """A line a trial, as people read it."""
    return [
        {
            "trial": one.number,
            **one.options,
            found.search.metric: "" if one.value is None else f"{one.value:.4f}",
            "epochs": len(one.curve) or "",
            "seconds": f"{one.seconds:.1f}",
            "": "best" if one is found.best else one.reason or one.state,
        }
        for one in found.trials
    ]


def _again(model: str, data: str, options: dict[str, Any]) -> str:
    """The command that goes on with this search."""
    words = ["grapevine", "tune", model, "--data", data]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value] if value is not None else []:
            words += [name, str(one)]
    return shlex.join([*words, "--resume"])
