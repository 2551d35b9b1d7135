"""The system on one page: events -> dataset -> split -> fitted runs -> report -> lists -> index.

Read this first. Every step takes values and gives values; files are touched at the two ends.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import grapevine
from grapevine import config, recipes, search, training
from grapevine.data import audit as audits
from grapevine.data import fetch, paths, shop, split
from grapevine.data.dataset import Dataset
from grapevine.data.folder import open_dataset
from grapevine.data.holdout import Holdout
from grapevine.data.shop import truth
from grapevine.data.sources import SOURCES, graphs, open_bandit
from grapevine.data.split import Split
from grapevine.errors import ConfigError, DataError
from grapevine.evaluation import Entry, Report, metrics
from grapevine.evaluation import evaluate as measure
from grapevine.evaluation import rank as ranking
from grapevine.index import build, vector_index
from grapevine.index import embed as embeddings
from grapevine.index import folder as indexes
from grapevine.log import logger, track
from grapevine.models import named, traces
from grapevine.models.base import Config, Model, Trained
from grapevine.models.blending import blend_of
from grapevine.models.run import Run, open_run, refuse_to_replace
from grapevine.random import stream

BASELINES = (
    "random",
    "popularity",
    "recent-popularity",
    "funnel",
    "markov",
    "item-knn",
    "ease",
    "als",
    "bpr",
    "taste-oracle",
    "oracle",
)
"""What stands beside every model in every report; oracles only where the truth is known."""

BOUNDS = {
    "taste-oracle": "for models that look at purchases alone",
    "oracle": "for any model",
}
"""What knows the truth, and for whom it is the best possible."""

VALIDATION = "ndcg@10"
"""What training asks of a model after each epoch."""

VALIDATED = 2_000
"""Questions asked after each epoch of a training, at most."""


def load(source: str | Path, *, mirror: Path | None = None) -> Dataset:
    """A dataset by folder, or a public one by name, fetched once and kept.

    Raises:
        ConfigError: it is neither a folder nor a known name.
    """
    folder = Path(source)
    if folder.is_dir():
        return open_dataset(folder)
    if str(source) not in SOURCES:
        raise paths.no_dataset(folder, SOURCES)
    folder = kept(str(source))
    if not folder.is_dir():
        fetch.fetch(str(source), folder, mirror)
    for meta, what, opener in (
        (graphs.META, "a graph", "graphs.load_graph"),
        (open_bandit.META, "what a bandit showed", "open_bandit.load_logs"),
    ):
        if (folder / meta).is_file():
            raise ConfigError(
                f"`{source}` is {what}, not a log of events",
                hint=f"grapevine.data.sources.{opener}({str(folder)!r}) opens it",
            )
    return open_dataset(folder)


def kept(name: str) -> Path:
    """Where a public dataset or a generated shop is kept between runs."""
    return fetch.home() / "datasets" / name


def make_shop(users: int = 2_000, *, seed: int = 0, out: Path | None = None) -> Dataset:
    """The built-in shop, made once for each size and seed and kept."""
    folder = out or kept(f"shop-{users}-{seed}-{grapevine.__version__}")
    if not (folder / "schema.toml").is_file():
        shop.make(folder, users=users, seed=seed)
    return open_dataset(folder)


def prepare(data: Dataset, by: str = "auto", **options: Any) -> Split:
    """Hold events out, and refuse to go on if any of them can still be seen.

    Raises:
        CheckFailed: the leakage audit found something.
    """
    return checked(split.of(data, by, **options))


def checked(parts: Split) -> Split:
    """The same split, if nothing of what it holds out can be seen.

    What models are given is looked through: training events, histories, popularity counts,
    degrees and vocabularies. Negatives are looked through where they are drawn.

    Raises:
        CheckFailed: the leakage audit found something.
    """
    train = parts.train.interactions
    audit = audits.audit(
        parts,
        popularity=parts.train.target_interactions.counts(),
        degrees=(np.diff(train.offsets), train.counts()),
        vocabulary=parts.train.items,
    )
    audit.raise_if_leaking()
    for finding in audit.warnings:
        logger.info("note: %s (%s): %d", audits.LEAKS[finding.leak], finding.where, finding.count)
    return parts


def fit(
    model: str | Config[Any],
    train: Dataset,
    *,
    out: str | Path | None = None,
    seed: int = 0,
    settings: Iterable[str] = (),
    known: Dataset | None = None,
    record: dict[str, Any] | None = None,
    resume: bool = False,
    time_limit: float | str | None = None,
    log: Sequence[str] = (),
    profile: bool = False,
    begin: Run | None = None,
) -> Run:
    """Fit a model by name or by its config, and write its run folder if `out` is given.

    Args:
        model: a name of the one table, a recipe, a `config.toml`, or a config such as
            `gv.models.EASE.Config()`.
        train: what to learn from: the training part of a split, or a whole dataset.
        out: the run folder.
        seed: for all that is random in this model.
        settings: `model.name=value` changes to the config.
        known: what is known of the users by now, for recommending; the training set if not given.
        record: more to write down about how the run came about.
        resume: go on from the last checkpoint in `out`, or begin where there is none.
        time_limit: seconds, or a text such as "10m", after which the best so far is kept.
        log: who is told of each epoch: "tensorboard", "mlflow".
        profile: write a trace of some steps into `out`, and log what took longest.
        begin: a run of the same model, to begin where its training ended: parameters are carried
            over by the IDs of users and items.

    Raises:
        CheckFailed: a loss is not finite; the last checkpoint is kept.
        ConfigError: a closed form was to be resumed, cut short, logged or profiled, or the
            checkpoint is of another training.
        Interrupted: somebody stopped the training, which can be resumed.
    """
    name, options = recipes.resolve(model)
    options = config.override(options, settings)
    place = Path(out) if out else None
    if place:
        refuse_to_replace(place)
    elif resume:
        raise ConfigError("nothing to resume: a training in memory leaves no checkpoint")
    if log or profile:
        _check_can_log(name, options, place)
    logs = place / traces.LOGS if place else Path()
    if place and not resume:
        traces.clear_logs(place)
    session = training.Session(
        folder=place / traces.CHECKPOINTS if place else None,
        resume=resume,
        time_limit=training.seconds_of(time_limit) if isinstance(time_limit, str) else time_limit,
        validate=_validation(train, seed),
        metric=VALIDATION,
        profile=logs / traces.TRACE if profile else None,
    )
    with training.following(log, logs, config.to_dict(options)) as told:
        session = replace(session, on_epoch=told)
        start = training.Start.of(begin) if begin else None
        outcome = training.train_with(options, train, seed=seed, session=session, start=start)
    facts = {
        "seed": seed,
        "train_seconds": round(outcome.seconds, 3),
        "events": len(train.interactions),
        "fingerprint": train.fingerprint,
        **outcome.record,
        **({"search": searched} if (searched := named.search_of(model)) else {}),
        **(record or {}),
    }
    run = replace(Run.of(name, outcome.model, train, facts, known), epochs=outcome.epochs)
    return run.save(place, resumable=bool(outcome.record)) if place else run


def blend(
    runs: Sequence[Run | str | Path],
    *,
    weights: Sequence[float] | None = None,
    out: str | Path | None = None,
) -> Run:
    """One run that asks several together, and write its folder if `out` is given.

    Args:
        runs: fitted runs of different models on the same training set, or folders of them.
        weights: what each one's scores are multiplied by, once their mean square is 1; 1 each if
            not given.
        out: the run folder.

    Raises:
        ConfigError: their training sets differ, a model is there twice, or weights do not fit.
    """
    if out:
        refuse_to_replace(Path(out))
    blended = blend_of([run if isinstance(run, Run) else open_run(run) for run in runs], weights)
    return blended.save(Path(out)) if out else blended


def tune(
    model: str | Config[Any],
    train: Dataset,
    *,
    out: str | Path | None = None,
    trials: int | None = None,
    time_limit: float | str | None = None,
    space: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    metric: str = VALIDATION,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> search.Found:
    """Search the options of a model by what it is worth on the validation questions.

    Args:
        model: what the trials start from, as in `fit`.
        train: the training part of a split, all that the search can see.
        out: the folder of the search; `runs/tune-NAME` if not given.
        trials: how many there are to be in all, over all sessions.
        time_limit: seconds of this session, or a text such as "10m".
        space: what is tried by option, as `"32,64"`, `"1e-4..1e-2"` or a list; what is usual for
            the model if not given.
        settings: `model.name=value` changes that every trial has.
        metric: of ranks, such as `ndcg@10` or `mrr`; more is better.
        seed: of the draws, and of every training.
        resume: go on with the search in `out`, or begin where there is none.
        force: begin anew where there is one.

    Raises:
        CheckFailed: no trial came to its end.
        ConfigError: the space, an option or the metric is impossible, or there is nothing to
            validate by.
        Interrupted: somebody stopped the search, which can be resumed.
    """
    name, options = recipes.resolve(model)
    changed = list(settings)
    options = config.override(options, changed)
    metrics.named(metric)
    given = search.default(name, search.settings_of(changed)) if space is None else space
    validate = _validation(train, seed, metric)
    if validate is None:
        raise ConfigError(
            "the split left no validation questions, and nothing else is searched by",
            hint="split by leave-last-out or time",
        )
    asked = search.Search(
        name=name,
        config=options,
        space=search.space_of(options, given),
        metric=metric,
        seed=seed,
        fingerprint=train.fingerprint,
    )
    return search.run(
        asked,
        train,
        Path(out) if out else Path("runs") / f"tune-{name}",
        validate=validate,
        trials=trials,
        time_limit=training.seconds_of(time_limit) if isinstance(time_limit, str) else time_limit,
        resume=resume,
        force=force,
    )


def baselines(train: Dataset, *, seed: int = 0) -> list[Run]:
    """Every baseline that can be fitted here; one that cannot says why in the log."""
    runs = []
    for name in track(BASELINES, "baselines"):
        if name in BOUNDS and not truth.is_known(train.path):
            continue
        if name == "funnel" and len(train.schema.behaviours) == 1:
            continue  # nothing leads to the target
        try:
            runs.append(fit(name, train, seed=seed))
        except (ConfigError, DataError) as error:
            logger.warning("baseline %s left out: %s", name, str(error).splitlines()[0])
    return runs


def evaluate(
    runs: Sequence[Run | str | Path],
    test: Holdout,
    *,
    train: Dataset | None = None,
    **protocol: Any,
) -> Report:
    """Measure runs on the same questions.

    Args:
        runs: fitted runs, or folders of them.
        test: the questions, from the same split that the runs were trained on.
        train: what they were trained on; may be left out for runs fitted in this process.
        protocol: k, candidates, exclude_seen, slices, seed, users: see `evaluation.evaluate`.

    Raises:
        ConfigError: a run was trained on other events, so its rows mean other things.
    """
    opened = [run if isinstance(run, Run) else open_run(Path(run)) for run in runs]
    train = train or next((run.train for run in opened if run.train), None)
    if train is None:
        raise ConfigError("runs opened from folders need `train`, the training set of the split")
    wanted = test.trained_on or train.fingerprint
    for run in opened:
        if run.record["fingerprint"] != wanted:
            raise ConfigError(
                f"{run.label} was trained on other events than these questions belong to, "
                "perhaps on the answers",
                hint="evaluate on the data and split it was trained on, or train it again",
            )
    return measure([_entry(run, opened) for run in opened], test, train=train, **protocol)


def split_of(run: Run, data: Dataset) -> Split:
    """The split that a run was trained on, made again from the whole data.

    Raises:
        ConfigError: the run learnt from everything, so nothing is left to ask.
    """
    settings = dict(run.record.get("split") or {"by": "none"})
    if settings["by"] == "none":
        raise ConfigError(
            f"{run.label} learnt from every event: there is nothing left to measure it on",
            hint="train it with --split-by leave-last-out or time",
        )
    return checked(split.remake(data, settings))


def choose(runs: Sequence[Run], split: Split, metric: str = "ndcg@10") -> Run:
    """The run that does best on the validation questions; bounds do not compete.

    Where a split has no validation questions nothing can be chosen by, and EASE (or else
    popularity) is taken.
    """
    able = {run.name: run for run in runs if run.name not in BOUNDS}
    if not len(split.validation):
        logger.info("note: no validation questions to choose by")
        return able.get("ease") or able["popularity"]
    counts = split.train.target_interactions.counts()
    return max(
        able.values(),
        key=lambda run: ranking.measure(run.model, split.validation, metric, popularity=counts),
    )


def keep(run: Run, out: Path, known: Dataset, record: dict[str, Any]) -> Run:
    """Write a run's folder, with all that is known of the users by now."""
    if run.train is None:
        raise ConfigError(f"{run.label} is not from this process: copy its folder instead")
    kept = Run.of(run.name, run.model, run.train, {**run.record, **record}, known)
    return replace(kept, epochs=run.epochs).save(out)


def attach(report: Report, folder: Path) -> None:
    """Write `report.json` and the page with its pictures into the run that was measured."""
    (folder / "report.json").write_text(
        json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    report.to_html(folder / "report.html", open_run(folder))


def embed(run: Run | str | Path, out: str | Path) -> dict[str, Any]:
    """Write every vector of a run to a folder: of its items, and of its users where it has them.

    Returns:
        How many items and users, the width, and what the model counted on the way.

    Raises:
        ConfigError: the model has no vectors, or `out` may not be replaced.
        CheckFailed: a vector is not finite.
    """
    return embeddings.embed(run if isinstance(run, Run) else open_run(Path(run)), Path(out))


def index(
    vectors: str | Path,
    out: str | Path,
    *,
    kind: str = "auto",
    metric: str = "inner-product",
    recall: float = 0.95,
    seed: int = 0,
) -> vector_index.VectorIndex:
    """Index what `embed` wrote, and write the folder of the index.

    How widely it has to be searched is measured on vectors of users, or of items where there are
    none of users.

    Args:
        vectors: the folder of vectors.
        out: the folder of the index.
        kind: flat, ivf, hnsw, pq, or auto: see `index.build.build`.
        metric: inner-product or cosine.
        recall: the share of the exact best 10 that is to be found.
        seed: for samples and centres.

    Raises:
        BundleError: `vectors` is something else, or is damaged.
        ConfigError: an option is not possible, or `out` may not be replaced.
    """
    indexes.refuse_to_replace(Path(out), "index")
    given = embeddings.open_embeddings(Path(vectors))
    built = build.build(
        given.vectors,
        given.ids,
        kind=kind,
        metric=metric,
        recall=recall,
        queries=given.user_vectors if len(given.user_vectors) else None,
        queries_from="users",
        seed=seed,
    )
    indexes.save(built, Path(out))
    return built


def _check_can_log(name: str, options: Any, place: Path | None) -> None:
    """Let only what has epochs and a folder be logged and profiled."""
    if not isinstance(options, Trained):
        raise ConfigError(
            f"`{name}` is fitted in closed form: it has no epochs to log and no steps to profile",
            hint="leave out --log and --profile",
        )
    if place is None:
        raise ConfigError("logs and profiles are written into the run folder: name one as `out`")


def _validation(
    train: Dataset, seed: int, metric: str = VALIDATION
) -> Callable[[Model], float] | None:
    """What early stopping asks of a model after each epoch, if the split left anything to ask."""
    questions = train.validation
    if questions is None or not len(questions):
        return None
    # As many as an epoch can wait for; the same ones every time.
    drawn = stream(seed, "validation").permutation(len(questions))[:VALIDATED]
    asked = questions.take(np.sort(drawn))
    counts = train.target_interactions.counts()
    return lambda model: ranking.measure(model, asked, metric, popularity=counts)


def _entry(run: Run, runs: Sequence[Run]) -> Entry:
    """The run as it takes part; two of one name in memory are told apart by their options."""
    name = run.label
    if not run.path and any(one.name == run.name and one is not run for one in runs):
        name += f" ({named.changes(run.name, run.model.config)})"
    return Entry(
        name=run.name,
        model=run.model,
        seed=run.record["seed"],
        train_seconds=run.record["train_seconds"],
        run=name,
        bound=BOUNDS.get(run.name, ""),
        search=run.record.get("search"),
    )
