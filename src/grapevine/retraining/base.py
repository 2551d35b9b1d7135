"""What the run in service was trained on, found again."""

from grapevine import pipeline
from grapevine.data import split
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError, DataError
from grapevine.models.run import Run


def base_of(run: Run, given: str | None = None) -> Dataset:
    """The whole dataset of which a run learnt a part, as it was then.

    A run knows where its data were, by which split, and a fingerprint of the part that it learnt
    from; so a folder that has changed since, or another one, is told.

    Args:
        run: the one in service.
        given: a folder or a public name, if it is not where the run found it.

    Raises:
        ConfigError: nothing says where it is, it is not there, or it is another dataset.
        DataError: it has no true times, by which new events could be joined to it.
    """
    source = given or run.record.get("data")
    if source is None:
        raise ConfigError(
            f"{run.label} does not say what it was trained on", hint="name the dataset: --data DIR"
        )
    try:
        data = pipeline.load(source)
    except ConfigError as error:
        if given:
            raise
        raise ConfigError(
            f"{run.label} was trained on `{source}`, which is not there",
            hint="name where it is now: --data DIR",
        ) from error
    if not data.schema.timed:
        raise DataError(
            f"`{source}` has no times (its clock is `{data.schema.clock}`), so that nothing says "
            "what of it a service has heard again",
            hint="import it with its times, and train on that",
        )
    if not _learnt_of(run, data):
        raise ConfigError(
            f"`{source}` is not what {run.label} was trained on: its events or IDs are others",
            hint="name the dataset as it was then: --data DIR; or train anew: grapevine train",
        )
    return data


def _learnt_of(run: Run, data: Dataset) -> bool:
    """Whether the part that a run learnt from is of this very dataset."""
    wanted = run.record["fingerprint"]
    told = run.record.get("split")
    if told is None and data.fingerprint == wanted:
        return True
    try:
        parts = split.remake(data, told) if told else split.of(data)
    except (ConfigError, DataError):
        return False  # that split does not fit it at all
    return parts.train.fingerprint == wanted
