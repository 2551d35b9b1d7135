"""`grapevine train` and `grapevine evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

import grapevine as gv
from grapevine.cli import complete
from grapevine.cli.output import Json, print_json, print_table, say
from grapevine.errors import ConfigError

Data = Annotated[
    str, typer.Option(help="A dataset folder, or the name of a public one (`grapevine data list`).")
]
By = Annotated[
    str,
    typer.Option(
        "--split-by",
        help="auto (the folder's own split, else leave-last-out), leave-last-out, time, published, "
        "or none: learn from everything, for production.",
    ),
]


def train(
    model: Annotated[
        str,
        typer.Argument(
            help="A name of the one table (`grapevine models`) or a CONFIG.toml.",
            autocompletion=complete.models,
        ),
    ],
    data: Data,
    out: Annotated[Path, typer.Option(help="The run folder to write.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change an option: model.neighbours=50")
    ] = None,
    seed: Annotated[int, typer.Option(help="For all that is random.")] = 0,
    split_by: By = "auto",
    json: Json = False,
) -> None:
    """Fit a model and write its run folder.

    Example: `grapevine train ease --data ml-1m --out runs/ease --set model.regularization=300`
    """
    dataset = gv.load(data)
    split = gv.pipeline.prepare(dataset, split_by)
    run = gv.fit(
        model,
        split.train,
        out=out,
        seed=seed,
        settings=settings or (),
        known=dataset,
        record={"data": data, "split": split.settings},
    )
    facts = {"run": str(out), "model": run.name, **run.record}
    if json:
        print_json(facts)
    else:
        say(
            f"{run.name} learnt from {facts['events']:,} events in {facts['train_seconds']:.1f} s"
            f" -> {out}\nnext: grapevine evaluate {out} --data {data}"
        )


def evaluate(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    data: Data,
    split: Annotated[str, typer.Option(help="Which questions: test or validation.")] = "test",
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="Length of the lists.")] = 10,
    candidates: Annotated[
        str, typer.Option(help="all, or a sampled protocol: popular-100, uniform-100.")
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
    opened = [gv.open_run(folder) for folder in runs]
    parts = gv.pipeline.split_of(opened[0], gv.load(data))
    known = {"test": parts.test, "validation": parts.validation}
    if split not in known:
        raise ConfigError(f"--split is test or validation, got `{split}`")
    beside = gv.pipeline.baselines(parts.train, seed=seed) if baselines else []
    names = {run.name for run in opened}
    report = gv.evaluate(
        [*opened, *(run for run in beside if run.name not in names)],
        known[split],
        train=parts.train,
        k=k,
        candidates=candidates,
        exclude_seen=exclude_seen,
        slices=by or (),
        users=users,
        seed=seed,
    )
    for folder in runs:
        gv.pipeline.attach(report, folder)
    if html:
        report.to_html(html)
        say(f"report: {html}")
    if json:
        print_json(report.to_json())
    else:
        print_table(report.table())
