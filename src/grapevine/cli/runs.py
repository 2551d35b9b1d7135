"""`grapevine train` and `grapevine evaluate`."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import grapevine as gv
from grapevine.cli import complete
from grapevine.cli.output import Json, print_json, print_table, say
from grapevine.cli.places import Force, new_file, new_run
from grapevine.errors import ConfigError, Interrupted, unknown

Data = Annotated[
    str,
    typer.Option(
        help="A dataset folder, or the name of a public one (`grapevine data list`).",
        autocompletion=complete.data,
    ),
]
By = Annotated[
    str,
    typer.Option(
        "--split-by",
        help="auto (the folder's own split, else leave-last-out), leave-last-out, "
        "leave-last-out-sampled (validation by some users), time, cold-items (whole items held "
        "out), published, or none: learn from everything, for production.",
    ),
]

QUESTIONS = ("test", "validation")


def train(
    model: Annotated[
        str,
        typer.Argument(
            help="A name of the one table (`grapevine models`), a recipe (`grapevine recipes`) or "
            "a CONFIG.toml.",
            autocompletion=complete.trainable,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="A dataset folder, or the name of a public one (`grapevine data list`); only a "
            "recipe has one of its own.",
            autocompletion=complete.data,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change an option: model.neighbours=50")
    ] = None,
    seed: Annotated[int, typer.Option(help="For all that is random.")] = 0,
    split_by: By = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the run folder.")
    ] = False,
    time_limit: Annotated[
        str | None,
        typer.Option(help="90s, 10m or 2h, of this session: then the best so far is kept."),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(
            help="Pass each epoch on: tensorboard or mlflow; may be repeated.",
            autocompletion=complete.trackers,
        ),
    ] = None,
    profile: Annotated[
        bool,
        typer.Option(
            "--profile", help="Trace some steps into RUN/logs, and print what took longest."
        ),
    ] = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Fit a model and write its run folder.

    A model that is trained step by step may be stopped at any time, by Ctrl-C too, and gone on with
    by `--resume`: the weights are then those of a training that was not stopped. Models in closed
    form have no steps, and refuse `--resume`, `--time-limit`, `--log` and `--profile`.

    Example: `grapevine train ease --data ml-1m --out runs/ease --set model.regularization=300`
    """
    limit = gv.pipeline.training.seconds_of(time_limit) if time_limit else None
    recipe = gv.recipes.RECIPES.get(model)
    if data is None:
        if recipe is None:
            raise ConfigError("no data to learn from", hint="name a folder or a dataset: --data")
        data = recipe.data
    replaced = new_run(out, force=force, resume=resume)
    dataset = gv.load(data)
    split_by = gv.recipes.split_for(model, dataset, split_by)
    split = gv.pipeline.prepare(dataset, split_by)
    target_events = len(split.train.target_interactions)
    try:
        run = gv.fit(
            model,
            split.train,
            out=out,
            seed=seed,
            settings=settings or (),
            known=dataset,
            record={
                "data": data,
                "split": gv.split.settings_of(split),
                "target_events": target_events,
            },
            resume=resume,
            time_limit=limit,
            log=log or (),
            profile=profile,
        )
    except Interrupted as error:
        if error.anything:
            error.hint = f"go on with: {_again(model, data, out, settings, seed, split_by, log)}"
        raise
    except ConfigError as error:
        if settings and error.hint is None:
            named = model if model in gv.models.MODELS else "NAME"
            error.hint = f"`grapevine models {named}` lists the options and what each takes"
        raise
    if split_by == "auto" and dataset.labels is None:
        say("held out: last of each user (leave-last-out); for production: --split-by none")
    facts = {"run": str(out), "model": run.name, **run.record}
    if json:
        print_json(facts)
    else:
        say(
            f"{run.name} learnt from {_learnt_from(run)} in {run.record['train_seconds']:.1f} s"
            f"{_epochs(run.record)} -> {out}{' (replaced)' if replaced else ''}"
        )
        if run.record.get("epochs") == 0:
            say("note: the time was over within the first epoch: hardly anything is learnt yet")
        if run.record.get("stopped_by") == "time limit":
            say(f"go on with: {_again(model, data, out, settings, seed, split_by, log)}")
        users = run.users.ids
        say(
            f"next: grapevine recommend {out} --user {users[0] if len(users) else 'ID'} --why"
            if split.settings["by"] == "none"
            else f"next: grapevine evaluate {out} --data {data}"
        )


def blend(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, of different models.")],
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    weight: Annotated[
        list[float] | None,
        typer.Option(help="How much each says, in the order of the runs; 1 each if not given."),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Make one run of several that are trained: their scores, of like size, weighted and summed.

    Models that err in different ways are better together than the best of them. Nothing is learnt
    anew; the runs must be of the same data and split.

    Example: `grapevine blend runs/sasrec runs/hstu --weight 1 --weight 0.5 --out runs/both`
    """
    new_run(out, force=force)
    run = gv.blend(runs, weights=weight, out=out)
    facts = {"run": str(out), "model": run.name, **run.record}
    if json:
        print_json(facts)
    else:
        say(f"a blend of {', '.join(run.model.config.parts)} -> {out}")
        say(f"next: grapevine evaluate {out} --data {run.record.get('data', 'DIR')}")


def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    data: Data,
    split: Annotated[str, typer.Option(help="Which questions: test or validation.")] = "test",
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="Length of the lists.")] = 10,
    candidates: Annotated[
        str,
        typer.Option(
            help="all, cold (items without a training event), or a sampled protocol: popular-100, "
            "uniform-100, or published."
        ),
    ] = "all",
    exclude_seen: Annotated[
        bool, typer.Option("--exclude-seen/--include-seen", help="Leave out what users have.")
    ] = True,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Fit the baselines beside the runs.")
    ] = True,
    by: Annotated[
        list[str] | None, typer.Option("--by", help="Slice by a column of users or items.")
    ] = None,
    users: Annotated[
        int | None, typer.Option(min=1, help="Ask only so many users, drawn by the seed.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML page.")] = None,
    seed: Annotated[int, typer.Option(help="For bootstrap and sampled candidates.")] = 0,
    json: Json = False,
) -> None:
    """Measure runs on the questions that their split held out, beside the baselines.

    Every figure comes with its interval, and every pair with a test corrected for their number.

    Example: `grapevine evaluate runs/ease runs/als --data ml-1m --html report.html`
    """
    if html:
        new_file(html, example="report.html")
    if split not in QUESTIONS:
        raise unknown("set of questions", split, QUESTIONS)
    opened = [gv.open_run(folder) for folder in runs]
    parts = gv.pipeline.split_of(opened[0], gv.load(data))
    beside = gv.pipeline.baselines(parts.train, seed=seed) if baselines else []
    names = {run.name for run in opened}
    report = gv.evaluate(
        [*opened, *(run for run in beside if run.name not in names)],
        parts.test if split == "test" else parts.validation,
        train=parts.train,
        k=k,
        candidates=candidates,
        exclude_seen=exclude_seen,
        slices=by or (),
        users=users,
        seed=seed,
    )
    # Shown first: a disk that is full must not cost the figures.
    if json:
        print_json(report.to_json())
    else:
        print_table(report.table())
    for folder in runs:
        gv.pipeline.attach(report, folder)
    if html:
        # The pictures are of one model; of several, each run's own page has them.
        report.to_html(html, opened[0] if len(opened) == 1 else None)
        say(f"report: {html}")


def _again(
    model: str,
    data: str,
    out: Path,
    settings: list[str] | None,
    seed: int,
    split_by: str,
    log: list[str] | None,
) -> str:
    """The command that goes on with this training."""
    given = [part for setting in settings or () for part in ("--set", setting)]
    given += ["--seed", str(seed)] if seed else []
    given += ["--split-by", split_by] if split_by != "auto" else []
    given += [part for name in log or () for part in ("--log", name)]
    words = ["grapevine", "train", model, "--data", data, "--out", str(out), *given, "--resume"]
    return shlex.join(words)


def _epochs(record: Mapping[str, Any]) -> str:
    """How many epochs there were, and which was kept; nothing of a closed form."""
    if "epochs" not in record:
        return ""
    kept = f", epoch {record['best_epoch']} kept" if "best_epoch" in record else ""
    plural = "" if record["epochs"] == 1 else "s"
    return f", {record['epochs']:,} epoch{plural}{kept}"


def _learnt_from(run: Any) -> str:
    """How many events, of those that the model looks at."""
    events, of_target = run.record["events"], run.record["target_events"]
    models = getattr(run.model, "parts", (run.model,))  # of a blend
    looks = {getattr(model.config, "behaviours", "target") for model in models}
    if events == of_target or "all" in looks:
        return f"{events:,} events"
    return f"{of_target:,} `{run.schema.target}` events"
