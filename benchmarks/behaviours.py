"""What it is worth to know more than purchases: models of several behaviours on real logs.

    python benchmarks/behaviours.py --mirror DIR --folder RUNS [--seeds 3] [--only NAME ...]
        [--search 10] [--most 5]

With `--search`, every row that is trained is tuned for so many minutes on the validation questions
of each log, in the space that `grapevine tune` has for its model, by trials so short that some fit;
its seeds are then trained with what was best. A search that is done stays in results/kept as well,
and its rows say so. With `--most`, a training ends after so many minutes and keeps its best epoch,
and a + stands behind its epochs; but for merged LightGCN, Vine and the Transformer. Vine and the
Transformer beside it are not searched: they are those of vine.py, which has a table of its own of
the parts of Vine. "vine and lightgcn" adds up the scores of their runs, each scaled to a mean
square of 1; nothing of it is searched either.

Every item is a candidate, and what a user has bought already is left out; of a log whose test has
no pair that training has under any behaviour, whatever was met is. Beside it stands the protocol of
one answer against 99 items drawn. A run that is in `--folder` is taken from there, and one that was
stopped goes on; `--minutes` ends this part. What a run that is done answered stays in
results/kept. The result goes to results/behaviours.md.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import grapevine as gv
from grapevine.data.split import Split
from grapevine.models.base import Trained
from grapevine.models.run import Run
from resumable import Budget, Row, about, asked, better, cell, heading, prepared, trained
from rows import Learn, Rows
from searched import Found, searched
from vine import OF_DATA
from vine import ROWS as OF_VINE

RESULTS = Path(__file__).parent / "results"
DATA = ("taobao-mb", "retailrocket", "tmall-mb", "beibei-mb")
WAYS: dict[str, dict[str, Any]] = {"": {}, ", 1 of 100": {"candidates": "uniform-99"}}
METRICS = ("hr@10", "ndcg@10")
MERGED = "lightgcn, all as one"
"""What every other row is held to, pair by pair: with one graph of all that was done."""
JOINT = ("sasrec, all behaviours", "vine")
TOGETHER = "vine and lightgcn"
ORDERED = ("markov, all as one", "sasrec, all behaviours")
"""Rows that need to know what came after what."""


def rows() -> Sequence[Row]:
    plain = (
        "random", "popularity", "funnel", "item-knn", "ease", "nmtr", "esmm", "ehcf", "ghcf",
        "mb-cgcn", "crgcn", "rgcn", "hgt",
    )  # fmt: skip
    found = [Row(name, name, {}) for name in plain]
    found[3:3] = [
        Row("lightgcn, purchases", "lightgcn", {}),
        Row("lightgcn, all as one", "lightgcn", {"behaviours": "all"}),
        Row("markov, all as one", "markov", {"behaviours": "all"}),
        Row("item-knn, all as one", "item-knn", {"behaviours": "all"}),
        Row("ease, all as one", "ease", {"behaviours": "all"}),
    ]
    found += [row for row in OF_VINE if row.label in JOINT]
    return [*found, Row(TOGETHER, "blend", {"parts": ("vine", "lightgcn")})]


def changed(row: Row, data: str) -> Row:
    """The row as a log wants it."""
    more = OF_DATA.get(data, {}).get(row.model, {}) if row.label in JOINT else {}
    return replace(row, changes={**row.changes, **more})


def parts_of(data: str) -> list[Row]:
    """The rows whose runs are asked together."""
    return [changed(row, data) for row in rows() if row.label in {"vine", MERGED}][::-1]


def together(data: str) -> Row:
    """The row of them, with their options."""
    settings = tuple(
        f"{row.model}.{option}={json.dumps(value)}"
        for row in parts_of(data)
        for option, value in row.changes.items()
    )
    return Row(TOGETHER, "blend", {"parts": ("vine", "lightgcn"), "settings": settings})


def learnt(data: str, parts: Split, folder: Path, budget: Budget) -> Learn:
    """What trains a row of a log, and makes the one that is of others of their runs."""

    def learn(label: str, config: Any, seed: int) -> Run | None:
        if label != TOGETHER:
            mine = allowed(label, budget)
            return trained(config, parts.train, seed, folder / f"{label}-{seed}", mine)
        found = [learn(row.label, row.config, seed) for row in parts_of(data)]
        there = [run for run in found if run]
        return gv.blend(there) if len(there) == len(found) else None

    return learn


def allowed(label: str, budget: Budget) -> Budget:
    """What the trainings of a row may take: those that others are held to, as long as it takes."""
    free = (MERGED, *JOINT)
    return replace(budget, most=float("inf")) if label.startswith(free) else budget


def searches(row: Row) -> bool:
    """Whether its options are searched where rows are."""
    return isinstance(row.config, Trained) and row.label not in {*JOINT, TOGETHER}


def tuned(
    data: str, parts: Split, wanted: Sequence[Row], minutes: float, folder: Path, budget: Budget
) -> dict[str, Found]:
    """What the search found for each of these rows; those whose search is not done lack."""
    found = {}
    for row in wanted:
        kept = f"behaviours/{data}/search"
        mine = allowed(row.label, budget)
        one = searched(row.label, row.config, parts, minutes, folder / data, kept, mine)
        found |= {row.label: one} if one else {}
    return found


def section(
    data: str, wanted: Sequence[Row], seeds: int, minutes: float, folder: Path, budget: Budget
) -> list[str]:
    """The table of one log."""
    print(data, flush=True)
    parts = prepared(data)
    ordered = parts.train.schema.clock != "none"
    wanted = [
        together(data) if row.label == TOGETHER else changed(row, data)
        for row in wanted
        if ordered or row.label not in ORDERED
    ]
    plain = [row for row in wanted if not (minutes and searches(row))]
    tried = [row for row in wanted if row not in plain]
    found = tuned(data, parts, tried, minutes, folder, budget)
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
        learn=learnt(data, parts, folder / data, budget),
    )
    lines = [*about(data, parts), *table(parts, rows), *rows.note]
    if not minutes:
        return [*lines, ""]
    told = [f"- {label}: {one.told}" for label, one in found.items()]
    told += [f"- {row.label}: not searched yet" for row in tried if row.label not in found]
    return [*lines, "", "Tuned on the validation questions:", "", *told, ""]


def table(parts: Split, rows: Rows) -> list[str]:
    """All runs on the same questions; seeds of a row are one line."""
    found = [rows.report(parts, METRICS, **way) for way in WAYS.values()]
    heads = [f"{metric}{way}" for way in WAYS for metric in METRICS]
    merged = next((one.model for one in found[0].results if one.model.startswith(MERGED)), "")
    lines = [
        f"| model | {' | '.join(heads)} | ndcg@10 ahead of {MERGED} | p | epochs | minutes |",
        "|---" * (len(heads) + 5) + "|",
    ]
    for results in zip(*(report.results for report in found), strict=True):
        label = results[0].model
        cells = " | ".join(cell(one.metrics[metric]) for one in results for metric in METRICS)
        minutes = results[0].train_seconds / 60
        ahead, epochs = better(found[0], label, merged), rows.of_seeds(label)
        lines.append(f"| {label} | {cells} | {ahead} | {epochs} | {minutes:.1f} |")
    return lines


def main() -> None:
    options = asked(__doc__ or "", DATA, RESULTS / "behaviours.md", search=True)
    budget = Budget.of(options.minutes, options.most)
    wanted = [row for row in rows() if not options.rows or row.label in options.rows]
    capped = (
        f", and with a + behind epochs it was ended after {options.most:g}"
        if options.most < 1e6
        else ""
    )
    lines = heading("Models of several behaviours", "behaviours.py", options.seeds, capped)
    for data in options.only:
        lines += section(data, wanted, options.seeds, options.search, options.folder, budget)
        options.out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
