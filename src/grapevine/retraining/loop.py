"""From the events of a service to a run that may take over; each step can be gone on with."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from grapevine import manifest, pipeline
from grapevine.config import check_bounds, override
from grapevine.data import split
from grapevine.data.dataset import Dataset
from grapevine.data.folder import open_dataset
from grapevine.data.split import Split
from grapevine.errors import BundleError, CheckFailed, ConfigError, Interrupted
from grapevine.evaluation import metrics
from grapevine.log import logger
from grapevine.models import traces
from grapevine.models.base import Trained
from grapevine.models.run import Run, open_run, refuse_to_replace
from grapevine.retraining import gate
from grapevine.retraining.base import base_of
from grapevine.retraining.gather import Gathered, gather, gathered_at
from grapevine.retraining.verdict import FILE, Verdict, read

if TYPE_CHECKING:
    from grapevine.serving.store import Store

VALIDATED = 2_000
"""Users who are held out for early stopping, at most; and at most one of ten."""
How = Literal["auto", "warm", "cold"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked of a retraining."""

    run: Path
    """The run in service."""
    out: Path
    """Where the new run goes, if it may take over."""
    data: str | None = None
    """What the run in service was trained on, if it is not where that run found it."""
    dataset: Path | None = None
    """Where the joined dataset goes; beside `out` if not given."""
    how: How = "auto"
    """Begin from the parameters of the run in service ("warm"), or anew ("cold")."""
    share: float = 0.2
    """Of the new target events, held out to measure both runs by."""
    least: int = gate.LEAST
    """Questions; with fewer nothing is trained."""
    tolerance: float = gate.TOLERANCE
    """By how much of what the run in service reaches the new one may be worse."""
    metric: str = pipeline.VALIDATION
    """What is measured."""
    settings: Sequence[str] = ()
    """`model.name=value` changes to the options of the run in service."""
    seed: int = 0
    """Of all that is drawn."""
    time_limit: str | None = None
    """Of the training."""

    def __post_init__(self) -> None:
        check_bounds(self, "retrain", "share", above=0)
        check_bounds(self, "retrain", "tolerance", least=0)
        check_bounds(self, "retrain", "least", least=1)
        if self.share >= 1:
            raise ConfigError(f"a share lies between 0 and 1: got {self.share:g}")
        metrics.named(self.metric)

    @property
    def candidate(self) -> Path:
        """Where the new run stands until it may take over; one that is refused stays there."""
        return self.out.with_name(f"{self.out.name}-candidate")

    @property
    def folder(self) -> Path:
        """Of the joined dataset."""
        return self.dataset or self.out.with_name(f"{self.out.name}-data")


def retrain(store: "Store", wanted: Wanted, *, force: bool = False) -> Verdict:
    """Make the next run, and say whether it may take over.

    `out` appears once it may, and not before; a run that is refused stays at `out`-candidate to be
    looked at. Asked again, it goes on where it was stopped, and says again what it has said.

    Args:
        store: the events of the service; it may be in use.
        wanted: what is asked.
        force: begin anew, whatever of an earlier retraining stands there.

    Raises:
        BundleError: a folder is damaged.
        CheckFailed: there is too little that is new to tell anything by; or somebody was forgotten
            meanwhile, and what was made is removed.
        ConfigError: an option, the data or a place does not fit.
        Interrupted: somebody stopped it, and it can be gone on with.
    """
    said = _standing(wanted, force=force)
    if said is not None:
        return said
    logger.info("1/5 the run in service, and what it was trained on")
    before = open_run(wanted.run)
    override(before.model.config, wanted.settings)  # what cannot be asked is said at once
    version = manifest.sha256(wanted.run / manifest.NAME)[:12]
    base = base_of(before, wanted.data)
    logger.info("2/5 new events of the service, joined with %s", base.path)
    gathered = _gathered(base, store, wanted)
    data = open_dataset(gathered.path)
    parts = _parts(data, before, wanted)
    gate.refuse_few(parts, wanted.least)
    how, why = _how(before, store, wanted)
    logger.info("3/5 training on %d events, %s", len(parts.train.interactions), why)
    run = _trained(before, parts, data, wanted, how)
    logger.info("4/5 both runs answer %d questions of the newest events", len(parts.test))
    judged = gate.compare(run, before, parts, metric=wanted.metric, seed=wanted.seed)
    verdict = Verdict(
        ready=True, reason="", run=wanted.candidate, before=wanted.run, version=version, begun=why,
        judged=judged, data=gathered.to_json(), train_seconds=run.record["train_seconds"],
    )  # fmt: skip
    logger.info("5/5 a service looks at it")
    try:
        gate.refuse_worse(judged, wanted.tolerance)
        verdict = replace(verdict, service=gate.look_as_a_service(wanted.candidate, wanted.run))
    except CheckFailed as error:
        verdict = replace(verdict, ready=False, reason=str(error))
    _refuse_forgotten(data, gathered, store, wanted)
    verdict.write()
    if verdict.ready:
        # In one step: a run at `out` is one that may take over.
        wanted.candidate.rename(wanted.out)
    return replace(verdict, run=wanted.out) if verdict.ready else verdict


def _standing(wanted: Wanted, *, force: bool) -> Verdict | None:
    """What an earlier call has said; with `force` all that it left is removed.

    Raises:
        ConfigError: something else stands there, or it was made from another run.
    """
    for place in (wanted.out, wanted.candidate):
        refuse_to_replace(place)
        if force:
            shutil.rmtree(place, ignore_errors=True)
    if force and wanted.folder.exists():
        gathered_at(wanted.folder)
        shutil.rmtree(wanted.folder)
    for place in (wanted.out, wanted.candidate):
        if (place / FILE).is_file():
            said = read(place)
            if said.before.resolve() != wanted.run.resolve():
                raise ConfigError(
                    f"`{place}` was made from {said.before}",
                    hint="choose another --out, or begin anew with --force",
                )
            return said
    if wanted.out.exists() and any(wanted.out.iterdir()):
        raise ConfigError(
            f"`{wanted.out}` holds a run that no retraining has made",
            hint="choose another --out, or replace it with --force",
        )
    if wanted.out.exists():
        wanted.out.rmdir()
    return None


def _gathered(base: Dataset, store: "Store", wanted: Wanted) -> Gathered:
    """The joined dataset; the one that stands there, if an earlier call has made it."""
    folder = wanted.folder
    if folder.is_dir() and any(folder.iterdir()):
        found = gathered_at(folder)
        if found.base != base.fingerprint:
            raise ConfigError(
                f"`{folder}` was joined with other data than {wanted.run} was trained on",
                hint="choose another --out, or begin anew with --force",
            )
        if not _gone(open_dataset(folder), found, store):
            logger.info("going on with the dataset that was made before: %s", folder)
            return found
        logger.info("somebody was forgotten since: the dataset is made anew")
        _remove(wanted)
    found = gather(base, store, folder, share=wanted.share)
    for reason, count in found.left_out.items():
        logger.info("note: %d events left out: %s", count, reason)
    if found.forgotten:
        logger.info("note: %d users asked to be forgotten, and are not in it", found.forgotten)
    return found


def _parts(data: Dataset, before: Run, wanted: Wanted) -> Split:
    """The newest held out by their labels, and of some users the last but those, to stop early."""
    repeats = dict(before.record.get("split") or {}).get("repeats", "drop")
    if isinstance(before.model.config, Trained):
        some = min(VALIDATED, len(data.users) // 10)
        try:
            if some:
                return pipeline.checked(
                    split.published(data, repeats=repeats, validation_users=some, seed=wanted.seed)
                )
        except ConfigError:
            logger.info("note: no user has two events to validate by: all epochs are trained")
    return pipeline.checked(split.published(data, repeats=repeats))


def _how(before: Run, store: "Store", wanted: Wanted) -> tuple[bool, str]:
    """Whether to begin from the run in service, and why so."""
    if not isinstance(before.model.config, Trained):
        return False, "fitted in closed form"
    if wanted.how == "cold":
        return False, "cold: from the beginning, as asked for"
    gone = len(store.forgotten(before.users.ids.cast(pl.String).to_list()))
    if wanted.how == "auto" and gone:
        return False, f"cold: {gone} of those it learnt from asked to be forgotten"
    try:
        pipeline.training.Start.of(before)
    except ConfigError as error:
        if wanted.how == "warm":
            raise
        return False, f"cold: {error.args[0]}"
    return True, f"warm: begun from {wanted.run}"


def _trained(before: Run, parts: Split, data: Dataset, wanted: Wanted, warm: bool) -> Run:
    """The new run; the one that stands there, if it is of this very training set."""
    place = wanted.candidate
    if (place / manifest.NAME).is_file():
        try:
            found = open_run(place)
            if found.record["fingerprint"] == parts.train.fingerprint:
                return found
        except BundleError as error:
            logger.info("note: what was trained before is damaged: %s", error.args[0])
        shutil.rmtree(place)
    steps = isinstance(before.model.config, Trained)
    try:
        return pipeline.fit(
            str(wanted.run / "config.toml"),
            parts.train,
            out=place,
            seed=wanted.seed,
            settings=wanted.settings,
            known=data,
            record={
                "data": str(wanted.folder.resolve()),
                "split": split.settings_of(parts),
                "target_events": len(parts.train.target_interactions),
                "retrained_from": str(wanted.run),
            },
            resume=steps and (place / traces.CHECKPOINTS).is_dir(),
            time_limit=wanted.time_limit if steps else None,
            begin=before if warm else None,
        )
    except Interrupted as error:
        error.hint = "go on with the same command"
        raise
    except ConfigError as error:
        if "another training" in error.args[0]:
            error.hint = "the options are others than before: begin anew with --force"
        raise


def _gone(data: Dataset, gathered: Gathered, store: "Store") -> bool:
    """Whether somebody of a dataset was forgotten after it was made."""
    marked = store.forgotten(data.users.ids.cast(pl.String).to_list())
    return any(gathered.returned.get(user) != at for user, at in marked.items())


def _refuse_forgotten(data: Dataset, gathered: Gathered, store: "Store", wanted: Wanted) -> None:
    if _gone(data, gathered, store):
        _remove(wanted)
        raise CheckFailed(
            "somebody was forgotten while it was trained: what was made is removed",
            hint="retrain again, with the same command",
        )


def _remove(wanted: Wanted) -> None:
    shutil.rmtree(wanted.folder)
    shutil.rmtree(wanted.candidate, ignore_errors=True)
