"""What it is worth to know more than purchases: models of several behaviours on real logs.

    python benchmarks/behaviours.py --mirror DIR --folder RUNS [--seeds 3] [--only NAME ...]
        [--search 10]

With `--search`, every row that is trained is tuned for so many minutes on the validation questions
of each log, in the space that `grapevine tune` has for its model; its seeds are then trained with
what was best. A search that is done stays in results/kept as well, and its rows say so.

Every item is a candidate, and what a user has bought already is left out; of a log whose test has
no pair that training has under any behaviour, whatever was met is. Beside it stands the protocol of
one answer against 99 items drawn. A run that is in `--folder` is taken from there, and one that was
stopped goes on; `--minutes` ends this part. What a run that is done answered stays in
results/kept. The result goes to results/behaviours.md.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grapevine.data.split import Split
from grapevine.models.base import Trained
from resumable import Budget, Row, about, asked, cell, heading, prepared
from rows import Rows
from searched import Found, searched

RESULTS = Path(__file__).parent / "results"
DATA = ("taobao-mb", "retailrocket", "tmall-mb", "beibei-mb")
WAYS: dict[str, dict[str, Any]] = {"": {}, ", 1 of 100": {"candidates": "uniform-99"}}
METRICS = ("hr@10", "ndcg@10")


def rows() -> Sequence[Row]:
    plain = (
        "random", "popularity", "funnel", "item-knn", "ease", "nmtr", "esmm", "ehcf", "ghcf",
        "mb-cgcn", "crgcn",
    )  # fmt: skip
    found = [Row(name, name, {}) for name in plain]
    found[3:3] = [
        Row("lightgcn, purchases", "lightgcn", {}),
        Row("lightgcn, all as one", "lightgcn", {"behaviours": "all"}),
        Row("markov, all as one", "markov", {"behaviours": "all"}),
        Row("item-knn, all as one", "item-knn", {"behaviours": "all"}),
        Row("ease, all as one", "ease", {"behaviours": "all"}),
    ]
    return found


def tuned(
    data: str, parts: Split, wanted: Sequence[Row], minutes: float, folder: Path, budget: Budget
) -> dict[str, Found]:
    """What the search found for each row that is trained; those whose search is not done lack."""
    found = {}
    for row in wanted:
        if isinstance(row.config, Trained):
            kept = f"behaviours/{data}/search"
            one = searched(row.label, row.config, parts, minutes, folder / data, kept, budget)
            found |= {row.label: one} if one else {}
    return found


def section(
    data: str, wanted: Sequence[Row], seeds: int, minutes: float, folder: Path, budget: Budget
) -> list[str]:
    """The table of one log."""
    print(data, flush=True)
    parts = prepared(data)
    ordered = parts.train.schema.clock != "none"
    wanted = [row for row in wanted if ordered or row.model != "markov"]
    found = tuned(data, parts, wanted, minutes, folder, budget) if minutes else {}
    plain = [row for row in wanted if not (minutes and isinstance(row.config, Trained))]
    configs = {row.label: row.config for row in plain}
    configs |= {f"{label}, tuned": one.config for label, one in found.items()}
    rows = Rows.of(
        configs.items(),
        parts,
        seeds,
        folder / data,
        budget,
        kept=f"behaviours/{data}",
        ways=list(WAYS.values()),
    )
    lines = [*about(data, parts), *table(parts, rows), *rows.note]
    if not minutes:
        return [*lines, ""]
    unsearched = [row.label for row in wanted if row not in plain and row.label not in found]
    told = [f"- {label}: {one.told}" for label, one in found.items()]
    told += [f"- {label}: not searched yet" for label in unsearched]
    return [*lines, "", "Tuned on the validation questions:", "", *told, ""]


def table(parts: Split, rows: Rows) -> list[str]:
    """All runs on the same questions; seeds of a row are one line."""
    found = [rows.report(parts, METRICS, **way) for way in WAYS.values()]
    heads = [f"{metric}{way}" for way in WAYS for metric in METRICS]
    lines = [
        f"| model | {' | '.join(heads)} | epochs | minutes |",
        "|---" * (len(heads) + 3) + "|",
    ]
    for results in zip(*(report.results for report in found), strict=True):
        label = results[0].model
        cells = " | ".join(cell(one.metrics[metric]) for one in results for metric in METRICS)
        minutes = results[0].train_seconds / 60
        lines.append(f"| {label} | {cells} | {rows.of_seeds(label)} | {minutes:.1f} |")
    return lines


def main() -> None:
    options = asked(__doc__ or "", DATA, RESULTS / "behaviours.md", search=True)
    budget = Budget.of(options.minutes)
    wanted = [row for row in rows() if not options.rows or row.label in options.rows]
    lines = heading("Models of several behaviours", "behaviours.py", options.seeds)
    for data in options.only:
        lines += section(data, wanted, options.seeds, options.search, options.folder, budget)
        options.out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
