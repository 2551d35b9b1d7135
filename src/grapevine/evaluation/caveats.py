"""What a reader must know before trusting the figures of an evaluation, and what it left out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64

from grapevine.evaluation.candidates import Candidates
from grapevine.evaluation.measures import BLOCK, World
from grapevine.evaluation.ranked import distinct
from grapevine.evaluation.report import Result
from grapevine.structs.jagged import Jagged


def skipped_of(world: World, exclude_seen: bool) -> dict[str, int]:
    """Counts of what could not be asked or found as it stands."""
    holdout = world.holdout
    targets = distinct(holdout.targets)
    seen = silent = 0
    for start in range(0, len(holdout), BLOCK):
        history, had = world.histories(start), world.had(start)
        silent += int((history.lengths == 0).sum())
        if exclude_seen:
            wanted_here = targets.slice(start, start + len(history))
            seen += int(np.isin(_keys(wanted_here), _keys(had)).sum())
    known = targets.values[targets.values >= 0]
    return {
        "users_unknown_to_training": int((holdout.users < 0).sum()),
        "queries_without_history": silent,
        "targets_unknown_to_training": int((targets.values < 0).sum()),
        "targets_without_training_event": int((world.counts[known] == 0).sum()),
        "targets_already_seen": seen,
        "targets_repeated": len(holdout.targets.values) - len(targets.values),
        "targets_left_out_as_repeats": holdout.left_out.get("repeats", 0),
    }


def _keys(lists: Jagged) -> Int64[np.ndarray, " values"]:
    """A number for each pair of query and item; unknown items have one of their own sign."""
    query = np.repeat(np.arange(len(lists)), lists.lengths)
    return np.where(lists.values >= 0, (query << 32) + lists.values, -1)


def warnings_of(
    facts: Mapping[str, Any],
    candidates: Candidates,
    results: Sequence[Result],
    models: Sequence[Sequence[str]],
    skipped: Mapping[str, int],
) -> tuple[str, ...]:
    """What a reader must know before trusting a figure.

    Args:
        facts: the protocol, as the report has it.
        candidates: the lists that were ranked.
        results: of each model.
        models: the runs of each model, one a seed.
        skipped: what `skipped_of` counted.
    """
    found = list(candidates.warnings)
    if facts["users"] < facts["queries_held_out"]:
        found.append(
            f"{facts['users']:,} of {facts['queries_held_out']:,} queries were asked, drawn with "
            f"seed {facts['seed']}"
        )
    once = [runs[0] for runs in models if len(runs) == 1]
    if len(once) == len(models):
        found.append(
            "one training run a model: intervals and tests speak of these very models, not of "
            "what another seed would have given"
        )
    elif once:
        found.append(
            f"one training run of {', '.join(once)}: their intervals and tests speak of these very "
            "models, not of what another seed would have given"
        )
    if facts["by"] == "leave-last-out":
        found.append(
            "leave-last-out: models may learn from what other users did after a question was "
            "asked (Ji et al., TOIS 2023); a split by time does not allow it"
        )
    if facts["by"] in {"time", "rolling"} and facts["clock"] == "approximate":
        found.append(
            "the times are only near the true ones: some events from after the cut may lie before "
            "it, so the split leaks a little"
        )
    if skipped["queries_without_history"]:
        found.append(
            f"{skipped['queries_without_history']:,} of {facts['users']:,} queries have no "
            f"`{facts['target']}` in their history: models that look at nothing else say nothing "
            "there"
        )
    if quiet := {one.label: one.silent for one in results if one.silent}:
        told = ", ".join(f"{label} {count:,.0f}" for label, count in quiet.items())
        found.append(
            "queries of which a model says nothing, all its scores alike, are answered by "
            f"popularity, as when it serves: {told}"
        )
    if skipped["targets_left_out_as_repeats"]:
        found.append(
            f"{skipped['targets_left_out_as_repeats']:,} targets were not asked for, since their "
            "users had them already; split with repeats kept if repeats matter"
        )
    if skipped["targets_unknown_to_training"]:
        found.append(
            f"{skipped['targets_unknown_to_training']:,} targets are items that training did not "
            "know: every model misses them"
        )
    if skipped["targets_already_seen"]:
        found.append(
            f"{skipped['targets_already_seen']:,} targets repeat what the query had already done, "
            "and count as missed since what was seen is left out; include it if repeats matter"
        )
    return tuple(found)
