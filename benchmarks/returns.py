"""Is it worth telling a Transformer what is still to come? Decision Transformer beside SASRec.

    python benchmarks/returns.py --mirror DIR --folder RUNS [--seeds 3] [--only LOG ...]

The same network three times: told the returns-to-go of its places, told somebody else's (which
tells nothing, and has the same shape), and told none, which is SASRec. In a made shop of 1,000
users the reward is how far an event goes towards a purchase; of MovieLens it is the rating. If what
is told helps, the first row stands above the second. A run that is in `--folder` is taken from
there. The result goes to results/returns.md.
"""

from pathlib import Path
from typing import Any

import grapevine as gv
from resumable import Budget, Row, Rows, about, asked, cell, heading, prepared

RESULTS = Path(__file__).parent / "results"
METRICS = ("ndcg@10", "hr@10")
SAME: dict[str, dict[str, Any]] = {
    "shop-1000": {
        "length": 100, "batch": 64, "learning_rate": 0.003, "epochs": 40, "patience": 5,
        "behaviours": "all", "behaviour_input": True, "answers": "target",
    },
    "ml-1m-5core": {
        "length": 50, "batch": 64, "learning_rate": 0.003, "average": 0.998, "epochs": 15,
        "patience": 0,
    },
}  # fmt: skip
"""Of all rows of a log."""
REWARDS = {"shop-1000": "behaviours", "ml-1m-5core": "values"}


def rows_of(data: str) -> tuple[Row, ...]:
    """The rows of a log; they differ in what places are told alone."""
    same, told = SAME[data], {"rewards": REWARDS[data]}
    return (
        Row("told its returns", "decision-transformer", same | told | {"returns": "given"}),
        Row("told another's", "decision-transformer", same | told | {"returns": "shuffled"}),
        Row("told none (sasrec)", "decision-transformer", same | told | {"returns": "none"}),
    )


def section(data: str, seeds: int, folder: Path, budget: Budget) -> list[str]:
    """The table of a log."""
    print(data, flush=True)
    shop, _, users = data.partition("-")
    parts = prepared(data, gv.shop(users=int(users)) if shop == "shop" else None)
    configs = [("popularity", Row("popularity", "popularity", {}).config)]
    configs += [(row.label, row.config) for row in rows_of(data)]
    rows = Rows.of(configs, parts, seeds, folder / data, budget)
    report = gv.evaluate(rows.runs, parts.test, train=parts.train)
    lines = [f"| places are | {' | '.join(METRICS)} | epochs | minutes |", "|---" * 5 + "|"]
    for one in report.results:
        label = rows.labels[str(one.run)]
        figures = " | ".join(cell(one.metrics[metric]) for metric in METRICS)
        minutes = one.train_seconds / 60
        lines.append(f"| {label} | {figures} | {rows.epochs[label]} | {minutes:.1f} |")
    return [*about(data, parts), *lines, *rows.note, ""]


def main() -> None:
    """Train what is not there, ask all of it, and write the page."""
    options = asked(__doc__ or "", list(SAME), RESULTS / "returns.md")
    budget = Budget.of(options.minutes)
    lines = heading("Told what is to come", "returns.py", options.seeds)
    for data in options.only:
        lines += section(data, options.seeds, options.folder, budget)
    options.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
