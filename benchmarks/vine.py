"""What learning together is worth: Vine beside each of its parts trained alone.

    python benchmarks/vine.py --mirror DIR --folder RUNS [--data NAME ...] [--seeds 3] [--only ROW]

`shop-1000` is a made shop of 1,000 users, where the oracle knows what people want. Every item is a
candidate, what a user has taken is left out, and all rows answer the same questions: beside each
stands by how much Vine is better, with the interval of the pairs and the p of their test (Holm). A
run that is in `--folder` is taken from there, and one that was stopped goes on; `--minutes` ends
this part. What a run on a log answered stays in results/kept. The result goes to
results/vine.md, and for a shop docs/pictures/oracle-gap.svg shows what share of the way from
popularity to the oracle each model goes; other models of several behaviours stand there as well.
"""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import grapevine as gv
from grapevine.data.dataset import Dataset
from grapevine.data.split import Split
from grapevine.evaluation.report import Report
from resumable import Budget, Row, about, better, cell, heading, prepared
from rows import Rows

RESULTS = Path(__file__).parent / "results"
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "oracle-gap.svg"
DATA = ("shop-1000", "retailrocket", "taobao-mb", "ml-1m-5core")
METRICS = ("ndcg@10", "hr@10")
UNORDERED = ("markov", "sasrec, target alone", "sasrec, all behaviours")
"""Rows that need to know what came after what."""
QUICK: dict[str, Any] = {
    "length": 100, "batch": 64, "learning_rate": 0.003, "patience": 4, "epochs": 60,
}  # fmt: skip
ALONE: dict[str, Any] = {"auxiliary": 0.0, "chances": 0.0, "ratings": 0.0}
ALL: dict[str, Any] = {"behaviours": "all"}
LARGE: dict[str, Any] = {"length": 200, "average": 0.998, "patience": 20, "epochs": 100}
# What was met is not asked for there.
UNMET = {"sasrec": {"once": True}, "vine": {"once": True, "begun": False}}
OF_DATA: dict[str, dict[str, dict[str, Any]]] = {
    "retailrocket": UNMET,
    "tmall-mb": UNMET,
    # Nobody rates a film again; and there are so many events that few users need be held back.
    "ml-1m-5core": {
        "sasrec": LARGE | {"scaled": True},
        "vine": LARGE | {"begun": False, "reach": 50, "honest": 0.1},
    },
}  # fmt: skip
"""What is changed for a log, of all rows of a model."""

ROWS = (
    Row("popularity", "popularity", {}),
    Row("funnel", "funnel", {}),
    Row("markov", "markov", ALL),
    Row("item-knn", "item-knn", ALL),
    Row("ease", "ease", {}),
    Row("ease, all as one", "ease", ALL),
    Row("lightgcn, all as one", "lightgcn", ALL),
    Row("pinsage", "pinsage", {}),
    Row("sasrec, target alone", "sasrec", QUICK),
    Row(
        "sasrec, all behaviours", "sasrec",
        QUICK | {"behaviours": "all", "behaviour_input": True, "gap_input": True,
                 "answers": "target"},
    ),
    Row("vine, one task", "vine", QUICK | ALONE),
    Row("vine, not pointing", "vine", QUICK | {"begun": False, "passed": False}),
    Row("vine, not passing on", "vine", QUICK | {"passed": False}),
    Row("vine, ids alone", "vine", QUICK | {"item_vectors": "ids", "graph_layers": 0}),
    Row("vine", "vine", QUICK),
    Row("oracle", "oracle", {}),
)  # fmt: skip

QUICK_CASCADE: dict[str, Any] = {"learning_rate": 0.01}
OF_SHOPS = (
    Row("nmtr", "nmtr", QUICK_CASCADE),
    Row("ehcf", "ehcf", QUICK_CASCADE),
    Row("ghcf", "ghcf", QUICK_CASCADE),
    Row("mb-cgcn", "mb-cgcn", QUICK_CASCADE),
    Row("crgcn", "crgcn", {}),
    Row("rgcn", "rgcn", {}),
    Row("hgt", "hgt", {}),
    Row("dcn", "dcn", {}),
)
"""Beside them where the oracle is known; behaviours.py has them on logs."""


def loaded(name: str) -> Dataset:
    shop, _, users = name.partition("-")
    return gv.shop(users=int(users)) if shop == "shop" else gv.load(name)


def section(
    data: str, wanted: Sequence[Row], seeds: int, folder: Path, budget: Budget
) -> tuple[list[str], dict[str, float]]:
    """The table of one log, and each model's ndcg@10."""
    print(data, flush=True)
    parts = prepared(data, loaded(data))
    configs: dict[str, Any] = {}
    more = OF_SHOPS if data.startswith("shop-") else ()
    for row in (*wanted, *more):
        if row.model == "oracle" and not data.startswith("shop-"):
            continue
        if row.label in UNORDERED and parts.train.schema.clock == "none":
            continue
        config = replace(row.config, **OF_DATA.get(data, {}).get(row.model, {}))
        # What is changed for a log may leave nothing of what a row changes.
        if config not in configs.values():
            configs[row.label] = config
    # A shop is made anew by any version; a log stays what it is.
    kept = "" if data.startswith("shop-") else f"vine/{data}"
    rows = Rows.of(configs.items(), parts, seeds, folder / data, budget, kept=kept)
    lines, found = table(parts, rows)
    lines += rows.note
    return [*about(data, parts), *lines, ""], found


def table(parts: Split, rows: Rows) -> tuple[list[str], dict[str, float]]:
    """All runs on the same questions; seeds of a row are one line."""
    report = rows.report(parts, METRICS)
    lines = [
        f"| model | {' | '.join(METRICS)} | vine is better by | p | epochs | minutes |",
        "|---" * (len(METRICS) + 5) + "|",
    ]
    found = dict[str, float]()
    for one in report.results:
        found[one.model] = one.metrics["ndcg@10"].mean
        figures = " | ".join(cell(one.metrics[metric]) for metric in METRICS)
        ahead, epochs = better(report, "vine", one.model), rows.of_seeds(one.model)
        minutes = one.train_seconds / 60
        lines.append(f"| {one.model} | {figures} | {ahead} | {epochs} | {minutes:.1f} |")
    return [*lines, "", *apart(report)], found


def apart(report: Report) -> list[str]:
    """The same by how often an answer was bought, and by how much a user had done."""
    lists = report.slices
    if not lists:
        return []
    order = [str(one.run) for one in report.results]
    lines = [
        "ndcg@10 apart: " + "; ".join(
            f"{by}, {', '.join(f'{s.group} ({s.queries:,})' for s in lists if s.by == by)}"
            for by in dict.fromkeys(one.by for one in lists)
        ) + ".",
        "",
        f"| model | {' | '.join(f'{one.by}: {one.group}' for one in lists)} |",
        "|---" * (len(lists) + 1) + "|",
    ]  # fmt: skip
    for run in order:
        cells = " | ".join(f"{one.results[run]['ndcg@10'].mean:.4f}" for one in lists)
        lines.append(f"| {run} | {cells} |")
    return lines


def plot(found: dict[str, float]) -> str:
    """A bar a model: its share of the way from popularity to the oracle."""
    low, most = found["popularity"], found["oracle"]
    shares = {
        label: (value - low) / (most - low)
        for label, value in sorted(found.items(), key=lambda one: one[1])
        if label not in {"popularity", "oracle"}
    }
    high = 26 * len(shares) + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 {high}" '
        'font-family="sans-serif" font-size="13" fill="#2b1f28">',
        "<title>Share of the way from popularity to the oracle</title>",
        # A ground of its own, as the page that shows it may be dark.
        f'<rect width="560" height="{high}" rx="8" fill="#fbf7fa"/>',
    ]
    for place, (label, share) in enumerate(shares.items()):
        y = 26 * place + 10
        lines += [
            f'<text x="170" y="{y + 13}" text-anchor="end">{label}</text>',
            f'<rect x="180" y="{y}" width="{max(share, 0) * 320:.1f}" height="18" '
            f'fill="{"#6b2d5c" if label == "vine" else "#b9a3b4"}"/>',
            f'<text x="{186 + max(share, 0) * 320:.1f}" y="{y + 13}">{max(share, 0):.0%}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mirror", type=Path, help="where the public data is, if it is at hand")
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--seeds", type=int, default=3)
    names = [row.label for row in ROWS]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--folder", type=Path, required=True, help="runs are kept here")
    parser.add_argument("--minutes", type=float, default=1e6, help="of this part, at most")
    parser.add_argument("--out", type=Path, default=RESULTS / "vine.md")
    options = parser.parse_args()
    if options.mirror:
        os.environ["GRAPEVINE_MIRROR"] = str(options.mirror)
    budget = Budget.of(options.minutes)
    lines = heading("Vine and its parts", "vine.py", options.seeds)
    wanted = [row for row in ROWS if row.label in options.only]
    for data in options.data:
        more, found = section(data, wanted, options.seeds, options.folder, budget)
        lines += more
        if {"popularity", "oracle", "vine"} <= found.keys():
            PICTURE.write_text(plot(found), encoding="utf-8")
            lines += [f"![share of the way to the oracle](../../docs/pictures/{PICTURE.name})", ""]
        options.out.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
