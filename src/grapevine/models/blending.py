"""One run of several that are there: their models asked together, and nothing learnt anew."""

import json
from collections.abc import Sequence
from typing import Any

from grapevine import config as configs
from grapevine.errors import ConfigError
from grapevine.models.blend import Blend
from grapevine.models.run import Run

CARRIED = ("seed", "data", "split", "events", "target_events", "fingerprint", "version")
"""What the record of a blend has from that of its first part."""


def blend_of(runs: Sequence[Run], weights: Sequence[float] | None = None) -> Run:
    """The blend of the models of these runs; the same as one trained with their options and seed.

    Args:
        runs: two or more, of different models and of the same training set.
        weights: what each one's scores are multiplied by, once their mean square is 1; 1 each if
            not given.

    Raises:
        ConfigError: there are fewer than two, two are of one model, one is a blend itself, their
            training sets differ, or the weights do not fit.
    """
    if len(runs) < 2:
        raise ConfigError(f"a blend is of two runs at least: got {len(runs)}")
    first = runs[0]
    for run in runs:
        if run.record["fingerprint"] != first.record["fingerprint"]:
            raise ConfigError(
                f"{run.label} was trained on other events than {first.label}, so its rows mean "
                "other things",
                hint="train both on the same data by the same split",
            )
        if isinstance(run.model, Blend):
            raise ConfigError(f"{run.label} is a blend itself", hint="name the runs it was made of")
    config = Blend.Config(
        parts=tuple(run.name for run in runs),
        weights=tuple(map(float, weights)) if weights is not None else (1.0,) * len(runs),
        settings=tuple(setting for run in runs for setting in _settings(run)),
    )
    for run, told in zip(runs, config.configs().values(), strict=True):
        if told != run.model.config:
            raise ConfigError(f"the options of {run.label} cannot be written as settings")
    record = {key: first.record[key] for key in CARRIED if key in first.record} | {
        "train_seconds": round(sum(run.record["train_seconds"] for run in runs), 3),
        "blend_of": [run.label for run in runs],
    }
    model: Any = Blend(config=config, parts=tuple(run.model for run in runs))
    return Run(
        name="blend",
        model=model,
        schema=first.schema,
        users=first.users,
        items=first.items,
        item_table=first.item_table,
        history=first.history,
        record=record,
        train=first.train,
    )


def _settings(run: Run) -> list[str]:
    """The options of a run that are not the usual ones, as a blend takes them."""
    usual = configs.to_dict(type(run.model.config)())
    given = configs.to_dict(run.model.config)
    return [
        f"{run.name}.{option}={json.dumps(value)}"
        for option, value in given.items()
        if value != usual.get(option)
    ]
