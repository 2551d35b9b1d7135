"""The loop: epochs of steps, until there is nothing more to learn or no more time."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from grapevine import config as configs
from grapevine.data.dataset import Dataset
from grapevine.errors import CheckFailed, ConfigError, Interrupted
from grapevine.log import Bar, bar, logger
from grapevine.models import traces
from grapevine.models.base import Batches, Config, Data, Learner, Trained
from grapevine.models.named import name_of
from grapevine.training.ahead import ahead
from grapevine.training.checkpoints import Checkpoint, Checkpoints, Progress, State
from grapevine.training.profiling import profiled
from grapevine.training.reproducible import reproducible
from grapevine.training.session import Outcome, Session
from grapevine.training.stopping import listening
from grapevine.training.warm import Start, begin

WRITING = 1 / 20
"""Share of the time that may go into the checkpoints at the ends of epochs."""


def fit(
    config: Config[Any] | Trained[Any],
    train: Dataset | Data,
    *,
    seed: int = 0,
    session: Session | None = None,
) -> Any:
    """The fitted model: in closed form where the config has one, else step by step."""
    return train_with(config, train, seed=seed, session=session).model


def train_with(
    config: Config[Any] | Trained[Any],
    train: Dataset | Data,
    *,
    seed: int = 0,
    session: Session | None = None,
    start: Start | None = None,
) -> Outcome:
    """The same as `fit`, with how it came about.

    Args:
        config: the options.
        train: what is learnt from.
        seed: for all that is random.
        session: what may be done.
        start: where another training ended, for this one to begin there.

    Raises:
        CheckFailed: a loss is not finite; the last checkpoint is kept.
        ConfigError: a closed form was to be resumed or cut short, or the checkpoint to go on from
            is of another training.
        Interrupted: somebody stopped it; the last step, if there was any, is in a checkpoint.
    """
    session = session or Session()
    began = time.monotonic()
    if not isinstance(config, Trained):
        if session.resume or session.time_limit or start:
            raise ConfigError(
                f"`{name_of(config) or _class_of(config)}` is fitted in closed form: there are no "
                "steps to resume, to cut short or to begin from",
                hint="leave out --resume, --time-limit and what to begin from",
            )
        found = config.fit(cast(Dataset, train), seed=seed)
        return Outcome(model=found, seconds=time.monotonic() - began)
    with reproducible(seed):
        try:
            learner = config.learner(train, seed=seed)
            begun = begin(learner, cast(Dataset, train), start) if start else None
            identity = _identity(config, train, seed, learner) if session.folder else {}
            if begun and identity:
                identity["begun_from"] = begun.digest
        except KeyboardInterrupt as stop:
            if session.folder is None:
                raise
            raise _before_the_first_step(session) from stop
        outcome = Training(learner, session, identity=identity, began=began).run()
    if begun:
        outcome = replace(outcome, record=outcome.record | {"begun_from": begun.to_json()})
    return outcome


def _identity(
    config: Trained[Any], train: Dataset | Data, seed: int, learner: Learner[Any]
) -> dict[str, Any]:
    """All that decides what is learnt; a learner may tell of more, such as another run."""
    return {
        "model": _class_of(config),
        "options": configs.to_dict(config),
        "seed": seed,
        "data": train.fingerprint,
        "items": getattr(train, "catalogue_fingerprint", None),
        **getattr(learner, "identity", {}),
    }


def _class_of(config: object) -> str:
    return type(config).__qualname__.partition(".")[0]


def _before_the_first_step(session: Session) -> Interrupted:
    if session.resume:
        return Interrupted(
            "interrupted while it was set up: what was learnt before is kept",
            hint="go on with resume=True",
        )
    return Interrupted(
        "interrupted while it was set up: nothing is learnt yet",
        hint="start it again",
        anything=False,
    )


def run(learner: Learner[Any], session: Session) -> Any:
    """Train, and give the model."""
    with reproducible(0):
        return Training(learner, session).run().model


class Training:
    """One learner on its way through one session."""

    def __init__(
        self,
        learner: Learner[Any],
        session: Session,
        *,
        identity: Mapping[str, Any] | None = None,
        began: float | None = None,
    ) -> None:
        """Begin, or go on from the last checkpoint.

        Args:
            learner: as it is before the first step.
            session: what may be done.
            identity: what is trained; a checkpoint of anything else is refused.
            began: when, by `time.monotonic`, the time limit started to run.
        """
        self.learner = learner
        self.session = session
        self.began = self._looked = time.monotonic() if began is None else began
        self.kept = Checkpoints(session.folder, identity or {}) if session.folder else None
        self.at = Progress()
        self.best: State | None = None
        self._written, self._writing, self._as_of = time.monotonic(), 0.0, -1
        self._profile = session.profile
        if self.kept:
            self._open(self.kept)
        self._clock()

    def run(self) -> Outcome:
        """Go on until there is a reason to stop."""
        with (
            listening(self.kept is not None) as interrupted,
            bar("training", self.learner.epochs) as shown,
        ):
            shown.advance(self.at.epoch)
            stopped_by = self._over()
            try:
                while not stopped_by:
                    stopped_by = self._epoch(shown, interrupted)
                self._keep()
            except CheckFailed as error:
                raise self._with_what_is_kept(error) from error
            if stopped_by == "interrupt":
                raise Interrupted(
                    f"interrupted in epoch {self.at.epoch + 1}, after step {self.at.steps:,}: "
                    "all that was done is kept",
                    hint="go on with resume=True",
                )
            if self.best is not None:
                self.learner.load(self.best)
            return self._outcome(stopped_by)

    def _open(self, kept: Checkpoints) -> None:
        """Go on from the last checkpoint where that is asked for; else there is to be none."""
        if not self.session.resume:
            kept.clear()
        kept.tidy()
        checkpoint = kept.latest() if self.session.resume else None
        if checkpoint:
            self.at, self.best = checkpoint.progress, checkpoint.best
            self.at.elapsed = kept.elapsed(self.at)
            self.learner.load(checkpoint.state)
            self._as_of = self.at.steps + self.at.epoch
            logger.info("going on after %d epochs, %d steps", self.at.epoch, self.at.steps)
        elif self.session.resume:
            logger.info("note: there is no checkpoint yet: starting from the beginning")
        # Epochs after the checkpoint come again.
        traces.write(kept.log, self.at.lines)

    def _epoch(self, shown: Bar, interrupted: Callable[[], bool]) -> str:
        """What is left of an epoch; the reason to stop after it, or within it."""
        at, limit = self.at, self.session.time_limit
        batches = self.learner.batches(at.epoch)
        steps = len(batches)
        with ahead(batches, at.step) as ready:
            for batch in self._watched(ready, steps - at.step):
                self._step(batch, steps)
                shown.advance(1 / steps)
                shown.tell(f"epoch {at.epoch + 1}, loss {sum(at.losses.values()) / at.step:.4g}")
                if interrupted():
                    return "interrupt"
                if limit is not None and self._looked - self.began > limit:
                    return "time limit"
                if self._looked - self._written >= self.session.checkpoint_every:
                    self._keep()
        self._close(batches)
        return self._over() or ("interrupt" if interrupted() else "")

    def _watched(self, ready: Iterator[Any], steps: int) -> Iterator[Any]:
        """The same batches, some of them profiled, once, where that is asked for."""
        path, self._profile = self._profile, None
        return profiled(ready, steps, path) if path else ready

    def _step(self, batch: Any, steps: int) -> None:
        at = self.at
        at.rate = self.learner.rate(at.epoch, at.step, steps)
        for name, value in self.learner.step(batch, at.rate).items():
            if not math.isfinite(value):
                raise CheckFailed(
                    f"step {at.steps + 1}: the part `{name}` of the loss is {value} at learning "
                    f"rate {at.rate:g}",
                    hint="set the learning rate of the model lower",
                )
            at.losses[name] = at.losses.get(name, 0.0) + value
        at.step += 1
        at.steps += 1
        at.seconds += self._clock()

    def _close(self, batches: Batches) -> None:
        """Validate, write the line of the epoch, keep what is best, and turn to the next one."""
        at, session = self.at, self.session
        line: dict[str, Any] = {
            "epoch": at.epoch + 1,
            "step": at.steps,
            "seconds": round(at.seconds, 4),
            "loss": {name: total / max(at.step, 1) for name, total in at.losses.items()},
            "learning_rate": at.rate,
        }
        if examples := getattr(batches, "examples", None):
            line["examples_per_second"] = round(examples / max(at.seconds, 1e-9), 1)
        state = None
        if session.validate:
            worth = session.validate(self.learner.model())
            line["validation"] = {session.metric: worth} if math.isfinite(worth) else {}
            # Of equals the earlier is kept; NaN is greater than nothing.
            if worth > (-math.inf if at.best is None else at.best):
                at.best, at.best_epoch = worth, at.epoch
                self.best = state = self.learner.state()
        at.lines.append(line)
        at.epoch, at.step, at.seconds, at.losses = at.epoch + 1, 0, 0.0, {}
        self._clock()
        if self.kept:
            traces.append(self.kept.log, line)
        for tell in session.on_epoch:
            tell(line)
        self._clock()
        if self.kept:
            since = self._looked - self._written
            if self._writing <= WRITING * since or since >= session.checkpoint_every:
                self._keep(state)

    def _over(self) -> str:
        """Why nothing is left to do, where that is so."""
        at, patience = self.at, self.learner.patience
        if at.epoch >= self.learner.epochs:
            return "epochs"
        if patience and at.best_epoch is not None and at.epoch - at.best_epoch > patience:
            return "patience"
        return ""

    def _keep(self, state: State | None = None) -> None:
        """Write a checkpoint, unless this very step has one."""
        place = self.at.steps + self.at.epoch
        if self.kept is None or place == self._as_of:
            return
        began = time.monotonic()
        state = self.learner.state() if state is None else state
        self._clock()
        self.kept.write(Checkpoint(self.at, state, self.best))
        self._clock()
        self._written, self._writing = self._looked, self._looked - began
        self._as_of = place

    def _clock(self) -> float:
        """Seconds since it was last looked at; all of them are counted."""
        before, self._looked = self._looked, time.monotonic()
        self.at.elapsed += self._looked - before
        return self._looked - before

    def _with_what_is_kept(self, error: CheckFailed) -> CheckFailed:
        last = self.kept.newest() if self.kept else None
        if last:
            error.hint = f"{error.hint or 'look at the data'}; the last good state is in {last}"
        return error

    def _outcome(self, stopped_by: str) -> Outcome:
        at, model = self.at, self.learner.model()
        self._clock()
        if self.kept:
            self.kept.note_elapsed(at)
        record: dict[str, Any] = {
            "epochs": at.epoch,
            "steps": at.steps,
            "stopped_by": stopped_by,
        }
        if at.best_epoch is not None:
            record |= {
                "best_epoch": at.best_epoch + 1,
                "validation": {self.session.metric: at.best},
            }
        return Outcome(model=model, record=record, epochs=at.lines, seconds=at.elapsed)
