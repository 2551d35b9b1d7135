"""The card of a run: what it is, what it learnt from and how, in a page to read."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from grapevine import config

if TYPE_CHECKING:
    from grapevine.models.run import Run

REASONS = {
    "epochs": "after its last epoch",
    "patience": "as validation got no better",
    "time limit": "at its time limit, before it was done",
}
"""Why a training stopped, by what its record says."""


def card(run: "Run") -> str:
    """`card.md`."""
    options = "\n".join(f"- `{k}`: {v}" for k, v in config.to_dict(run.model.config).items())
    split = run.record.get("split") or {}
    lines = [
        f"# {run.name} on {run.schema.name}",
        f"Trained by grapevine {run.record['version']} on {run.record['events']:,} events of "
        f"{len(run.users):,} users and {len(run.items):,} items, seed {run.record['seed']}, in "
        f"{run.record['train_seconds']:.1f} seconds.",
        *_training(run.record),
        f"Split: {split.get('by', 'none')}. Predicts: `{run.schema.target}`.",
        *_search(run.record.get("search")),
        f"## Options\n\n{options or 'none'}",
        "## Data\n\n"
        + "\n".join(
            f"- {note}"
            for note in (run.schema.source, run.schema.licence, *run.schema.notes)
            if note
        ),
        "## Measured\n\nSee `report.json`, written by `grapevine evaluate`.",
    ]
    return "\n\n".join(line.rstrip() for line in lines) + "\n"


def _training(record: dict[str, Any]) -> list[str]:
    """How many steps it took, and which were kept; nothing of a closed form."""
    if "epochs" not in record:
        return []
    stopped = REASONS[record["stopped_by"]]
    said = f"Epochs: {record['epochs']:,}, steps: {record['steps']:,}; stopped {stopped}."
    if "best_epoch" in record:
        worth = ", ".join(f"{name} {value:.4f}" for name, value in record["validation"].items())
        said += f" Kept: epoch {record['best_epoch']}, the best on validation ({worth})."
    return [said]


def _search(budget: dict[str, Any] | None) -> list[str]:
    """What the options have cost to find; nothing where they were not searched."""
    if not budget:
        return []
    space = "\n".join(f"- `{option}`: {values}" for option, values in budget["space"].items())
    return [f"Options found by {cost_of(budget)}, among:\n\n{space}"]


def cost_of(budget: Mapping[str, Any]) -> str:
    """The budget of a search in words."""
    return (
        f"{budget['trials']:,} trials ({budget['given_up']:,} given up, {budget['failed']:,} "
        f"failed) in {budget['seconds']:,.1f} seconds, by {budget['metric']} on validation"
    )
