"""What an option is worth: the same model with one thing changed, on the same questions.

    python benchmarks/options.py --mirror DIR --folder RUNS [--seeds 3] [--only CASE ...]

`returns`: the same Transformer told the returns-to-go of its places (Decision Transformer), told
somebody else's (which tells nothing, and has the same shape), and told none, which is SASRec. In a
made shop of 1,000 users the reward is how far an event goes towards a purchase; of MovieLens it is
the rating. `precision`: products of matrices in bfloat16 and in float32. `refresh`: how often Vine
makes anew what items are told by beside their ids. Each row is compared with the first of its
table, by the users that both are asked about. A run that is in `--folder` is taken
from there. The result goes to results/options.md.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grapevine as gv
from grapevine.evaluation.report import Report
from resumable import Budget, Row, about, asked, better, cell, heading, prepared
from rows import Rows
from vine import OF_DATA, QUICK

RESULTS = Path(__file__).parent / "results"
METRICS = ("ndcg@10", "hr@10")
SHORT: dict[str, Any] = {
    "length": 50, "batch": 64, "learning_rate": 0.003, "average": 0.998, "epochs": 15,
    "patience": 0,
}  # fmt: skip
OF_SHOP: dict[str, Any] = {
    "length": 100, "batch": 64, "learning_rate": 0.003, "epochs": 40, "patience": 5,
    "behaviours": "all", "behaviour_input": True, "answers": "target",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A table: a log, and rows that differ in one option.

    Attributes:
        data: the log.
        model: of all rows.
        same: options of all rows.
        rows: by label, what is changed.
    """

    data: str
    model: str
    same: dict[str, Any]
    rows: dict[str, dict[str, Any]]


def told(rewards: str) -> dict[str, dict[str, Any]]:
    """Rows of what places are told is still to come."""
    ways = {"none (SASRec)": "none", "its own returns": "given", "another's returns": "shuffled"}
    return {label: {"returns": way, "rewards": rewards} for label, way in ways.items()}


CASES = {
    "returns, shop-1000": Case("shop-1000", "decision-transformer", OF_SHOP, told("behaviours")),
    "returns, ml-1m-5core": Case("ml-1m-5core", "decision-transformer", SHORT, told("values")),
    "precision, ml-1m-5core": Case(
        "ml-1m-5core", "sasrec", SHORT,
        {kind: {"precision": kind} for kind in ("float32", "bfloat16")},
    ),
    "refresh, retailrocket": Case(
        "retailrocket", "vine", QUICK | OF_DATA["retailrocket"]["vine"],
        {f"every {steps} steps": {"refresh": steps} for steps in (1, 10)},
    ),
}  # fmt: skip


def section(name: str, seeds: int, folder: Path, budget: Budget) -> list[str]:
    """The table of a case."""
    print(name, flush=True)
    case = CASES[name]
    shop, _, users = case.data.partition("-")
    parts = prepared(case.data, gv.shop(users=int(users)) if shop == "shop" else None)
    wanted = [
        (label, Row(label, case.model, case.same | changes).config)
        for label, changes in case.rows.items()
    ]
    # A shop is made anew by any version; a log stays what it is.
    kept = "" if shop == "shop" else f"options/{name.replace(', ', '-')}"
    rows = Rows.of(wanted, parts, seeds, folder / name, budget, kept=kept)
    lines = about(name, parts)
    if rows.entries:
        lines += table(rows.report(parts, METRICS), rows)
    return [*lines, *rows.note, ""]


def table(report: Report, rows: Rows) -> list[str]:
    """A line for each row; by how much it is better than the first."""
    lines = [
        f"| {' | '.join(('', *METRICS))} | better by | p (Holm) | epochs | minutes |",
        "|---" * (len(METRICS) + 5) + "|",
    ]
    first = report.results[0].run
    for one in report.results:
        figures = " | ".join(cell(one.metrics[metric]) for metric in METRICS)
        ahead = better(report, one.run, first, METRICS[0])
        minutes = one.train_seconds / 60
        epochs = rows.of_seeds(one.model)
        lines.append(f"| {one.model} | {figures} | {ahead} | {epochs} | {minutes:.1f} |")
    return lines


def main() -> None:
    """Train what is not there, ask all of it, and write the page."""
    options = asked(__doc__ or "", list(CASES), RESULTS / "options.md")
    budget = Budget.of(options.minutes)
    lines = heading("What an option is worth", "options.py", options.seeds)
    for name in options.only:
        lines += section(name, options.seeds, options.folder, budget)
    options.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
