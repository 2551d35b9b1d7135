"""What a second stage is worth: models that order the candidates of another, on real logs.

    python benchmarks/ranking.py --mirror DIR --folder RUNS [--seeds 3] [--only NAME ...]

Every item is a candidate, and what a user has bought already is left out. Beside each ranking model
stands its retriever alone. How long the second stage takes for one user is measured apart, on 200
candidates that the first has brought. A run that is in `--folder` is taken from there, and one that
was stopped goes on; `--minutes` ends this part. What a run on a log answered, and how soon, stays
in results/kept. The result goes to results/ranking.md.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import grapevine as gv
from grapevine.data.split import Split
from grapevine.models.ranking import Ranker
from grapevine.models.run import Run
from resumable import Budget, Row, about, asked, cell, heading, prepared
from rows import KEPT, Rows

RESULTS = Path(__file__).parent / "results"
DATA = ("shop", "taobao-mb", "retailrocket", "tmall-mb", "beibei-mb")
METRICS = ("hr@10", "ndcg@10", "recall@200")
ASKED = 200
"""Users who are asked for one at a time."""


def rows() -> Sequence[Row]:
    stages = [Row(name, name, {}) for name in ("wide-deep", "dien", "dcn")]
    of_funnel = {"retriever": "funnel"}
    return [
        Row("popularity", "popularity", {}),
        Row("funnel", "funnel", {}),
        Row("item-knn, all as one", "item-knn", {"behaviours": "all"}),
        Row("markov, all as one", "markov", {"behaviours": "all"}),
        *stages,
        Row("dcn, no crosses", "dcn", {"crosses": 0}),
        Row("dcn, yes or no", "dcn", {"loss": "log-loss"}),
        Row("dcn, purchases alone", "dcn", {"auxiliary": 0.0}),
        Row("dcn, logits passed on", "dcn", {"how": "logit"}),
        Row("dcn over funnel", "dcn", of_funnel),
        Row("dcn over markov", "dcn", {
            "retriever": "markov", "settings": ("markov.behaviours=all",),
        }),
    ]  # fmt: skip


def asked_for(config: Any, parts: Split) -> Any:
    """The options of a row where what was met is not asked for: it is no candidate."""
    if not (parts.test.unmet and isinstance(config, Ranker.Config)):
        return config
    return replace(config, once=True)


def milliseconds(run: Run, parts: Split) -> str:
    """The median over some users of the second stage alone, for one user."""
    model = run.model
    if not isinstance(model, Ranker):
        return "-"
    found = list[float]()
    for query in range(min(ASKED, len(parts.test))):
        batch = model.reduced(parts.test.questions(query, query + 1))
        listed = model.shortlist(np.array(model.retriever.score(batch)), batch)
        items, places = np.maximum(listed.items, 0), np.arange(listed.items.shape[1])[None]
        began = time.perf_counter()
        model.logits(batch, items, listed, places)
        found.append(1000 * (time.perf_counter() - began))
    return f"{np.median(found):.1f}"


def soon(rows: Rows, parts: Split, kept: str) -> dict[str, str]:
    """How long each row takes: measured where a run is at hand, else as it was."""
    path = KEPT / kept / "milliseconds.json"
    found = json.loads(path.read_text(encoding="utf-8")) if kept and path.is_file() else {}
    found |= {label: milliseconds(runs[-1], parts) for label, runs in rows.runs.items() if runs}
    if kept and found:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def section(
    data: str, wanted: Sequence[Row], seeds: int, folder: Path, budget: Budget
) -> list[str]:
    """The table of one log."""
    print(data, flush=True)
    if data == "shop":
        gv.pipeline.make_shop(1000, out=folder / "shop-data")
    parts = prepared(data, gv.load(folder / "shop-data") if data == "shop" else None)
    configs = ((row.label, asked_for(row.config, parts)) for row in wanted)
    # A shop is made anew by any version; a log stays what it is.
    kept = "" if data == "shop" else f"ranking/{data}"
    rows = Rows.of(configs, parts, seeds, folder / data, budget, kept=kept)
    lines = [*about(data, parts), *table(parts, rows, soon(rows, parts, kept)), *rows.note]
    return [*lines, ""]


def table(parts: Split, rows: Rows, spent: dict[str, str]) -> list[str]:
    """All runs on the same questions; seeds of a row are one line."""
    found = rows.report(parts, METRICS)
    lines = [
        f"| model | {' | '.join(METRICS)} | epochs | minutes | second stage, ms |",
        "|---" * (len(METRICS) + 4) + "|",
    ]
    for result in found.results:
        cells = " | ".join(cell(result.metrics[metric]) for metric in METRICS)
        minutes = (result.train_seconds or 0) / 60
        lines.append(
            f"| {result.model} | {cells} | {rows.of_seeds(result.model)} | "
            f"{minutes:.1f} | {spent.get(result.model, '-')} |"
        )
    return lines


def main() -> None:
    options = asked(__doc__ or "", DATA, RESULTS / "ranking.md")
    budget = Budget.of(options.minutes)
    wanted = [row for row in rows() if not options.rows or row.label in options.rows]
    lines = heading(
        "A second stage",
        "ranking.py",
        options.seeds,
        ", the retrievers of all parts included; milliseconds are of one user, the median",
    )
    for data in options.only:
        lines += section(data, wanted, options.seeds, options.folder, budget)
        options.out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
