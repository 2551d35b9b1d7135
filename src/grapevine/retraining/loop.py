"""From the events of a service to a run that may take over; each step can be gone on with."""

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from grapevine import manifest, pipeline
from grapevine.config import override
from grapevine.data import split
from grapevine.data.dataset import Dataset
from grapevine.data.folder import open_dataset
from grapevine.data.split import Split
from grapevine.errors import BundleError, CheckFailed, ConfigError, Interrupted
from grapevine.log import logger
from grapevine.models import traces
from grapevine.models.base import Trained
from grapevine.models.run import Run, open_run
from grapevine.retraining import gate, standing
from grapevine.retraining.base import base_of
from grapevine.retraining.gather import Gathered, gather, gathered_at
from grapevine.retraining.verdict import Judged, Verdict
from grapevine.retraining.wanted import Wanted

if TYPE_CHECKING:
    from grapevine.serving.store import Store

VALIDATED = 2_000
"""Users who are held out for early stopping, at most; and at most one of ten."""


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
        ConfigError: an option, the data or a place does not fit, or what stands there was made
            with other options; nothing is removed then.
        Interrupted: somebody stopped it, and it can be gone on with.
    """
    standing.refuse_overlap(wanted)
    said = None if force else standing.said(wanted)
    if said is not None:
        return _said_again(said, store, wanted)
    logger.info("1/5 the run in service, and what it was trained on")
    before = open_run(wanted.run)
    override(before.model.config, wanted.settings)  # what cannot be asked is said at once
    version = manifest.version(wanted.run)
    base = base_of(before, wanted.data)
    standing.refuse_base(wanted, base)
    how, why = _how(before, store, wanted)
    if force:
        # Nothing goes before all that was asked is known to be possible.
        standing.clear(wanted)
    logger.info("2/5 new events of the service, joined with %s", base.path)
    gathered = _gathered(base, store, wanted)
    data = open_dataset(gathered.path)
    parts = _parts(data, before, wanted)
    gate.refuse_few(len(parts.test), wanted.least)
    logger.info("3/5 training on %d events, %s", len(parts.train.interactions), why)
    run = _trained(before, parts, data, wanted, how)
    logger.info("4/5 both runs answer %d questions of the newest events", len(parts.test))
    judged = gate.compare(run, before, parts, metric=wanted.metric, seed=wanted.seed)
    verdict = Verdict(
        ready=True, reason="", run=wanted.candidate, before=wanted.run,
        version=manifest.version(wanted.candidate), version_before=version, begun=why,
        judged=judged, data=gathered.to_json(), train_seconds=run.record["train_seconds"],
        asked=wanted.options,
    )  # fmt: skip
    logger.info("5/5 a service looks at it")
    verdict = _decided(verdict, judged, wanted)
    _refuse_forgotten(data, gathered, store, wanted)
    return _kept(verdict, wanted)


def _decided(verdict: Verdict, judged: Judged, wanted: Wanted) -> Verdict:
    """The verdict by these figures and what is tolerated; a service looks at who may pass."""
    try:
        gate.refuse_worse(judged, wanted.tolerance)
        service = verdict.service or gate.look_as_a_service(verdict.run, wanted.run)
    except CheckFailed as error:
        return replace(verdict, ready=False, reason=str(error))
    return replace(verdict, ready=True, reason="", service=service)


def _kept(verdict: Verdict, wanted: Wanted) -> Verdict:
    """Write the verdict on a candidate down, and let it through if it may take over."""
    verdict.write()
    if not verdict.ready:
        return verdict
    # In one step: a run at `out` is one that may take over.
    wanted.candidate.rename(wanted.out)
    return replace(verdict, run=wanted.out)


def _said_again(said: Verdict, store: "Store", wanted: Wanted) -> Verdict:
    """What was said, or what the figures that were kept say by another tolerance.

    A run that stands at `out` stays there: it may be in service by now.
    """
    assert said.judged is not None
    gate.refuse_few(said.judged.questions, wanted.least)
    verdict = said
    if said.asked["tolerance"] != wanted.tolerance:
        logger.info("judged anew by what was measured before: nothing is trained")
        verdict = _decided(replace(said, asked=wanted.options), said.judged, wanted)
    # One that is ready, and still stands there, was stopped just before it was moved.
    if said.run == wanted.candidate and (verdict.ready or verdict is not said):
        if verdict.ready:
            # Months may have passed since it was trained.
            _refuse_forgotten(
                open_dataset(wanted.folder), gathered_at(wanted.folder), store, wanted
            )
        return _kept(verdict, wanted)
    if verdict.ready and verdict is not said:
        verdict.write()
    return verdict


def _gathered(base: Dataset, store: "Store", wanted: Wanted) -> Gathered:
    """The joined dataset; the one that stands there, if an earlier call has made it."""
    folder = wanted.folder
    if folder.is_dir() and any(folder.iterdir()):
        found = gathered_at(folder)
        if not standing.begun(wanted):
            # Its questions were too few, say: more has been heard by now.
            logger.info("nothing was trained on %s yet: it is made anew", folder)
            shutil.rmtree(folder)
            return _gathered(base, store, wanted)
        if found.base != base.fingerprint:
            raise ConfigError(
                f"`{folder}` was joined with other data than {wanted.run} was trained on",
                hint="choose another --out, or begin anew with --force",
            )
        standing.refuse_others(folder, {"share": found.share}, wanted)
        if not _gone(open_dataset(folder), found, store):
            logger.info("going on with the dataset that was made before: %s", folder)
            return found
        logger.info("somebody was forgotten since: the dataset is made anew")
        _remove(wanted)
    found = gather(base, store, folder, share=wanted.share)
    for reason, count in found.left_out.items():
        logger.info("note: left out of the new events, %s: %d", reason, count)
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
    standing.begin(wanted)
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
