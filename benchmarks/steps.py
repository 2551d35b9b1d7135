"""Steps measured at several sizes, each in a process of its own: a table and a curve.

Seconds and the peak of the resident memory are those that the operating system tells.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
MILLION = 1_000_000
COLOURS = ("#6d28d9", "#0f766e", "#b45309", "#be123c")

Step = Callable[[Path, int, int], dict[str, Any]]
"""Works in a folder, at a size, by a seed; what it returns is told beside what it took."""


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A benchmark of steps, each of which reads what the ones before it left in a folder.

    Attributes:
        file: the script that is run; its name is that of the results.
        title: of the page of results.
        what: what sizes count, such as "events"; the name of the option too.
        work: the steps by name, in order, four at most.
        note: what is to be said of the memory, if anything.
        first: makes what the first step reads, unmeasured.
    """

    file: str
    title: str
    what: str
    work: Mapping[str, Step]
    note: str = ""
    first: Callable[[Path, int, int], None] = lambda folder, size, seed: None

    @property
    def name(self) -> str:
        """Of the script and its results."""
        return Path(self.file).stem

    def main(self, description: str | None) -> None:
        """Run all steps at all sizes and write the results; or one step, if asked for that."""
        parser = argparse.ArgumentParser(
            description=description, formatter_class=argparse.RawTextHelpFormatter
        )
        parser.add_argument(
            f"--{self.what}", dest="sizes", type=float, nargs="+", default=[10, 30, 100],
            help="millions",
        )  # fmt: skip
        parser.add_argument(
            "--folder", type=Path, required=True, help="scratch, emptied afterwards"
        )
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--step", choices=self.work, help=argparse.SUPPRESS)
        options = parser.parse_args()
        sizes = [int(millions * MILLION) for millions in options.sizes]
        if options.step:
            seen = self.work[options.step](options.folder, sizes[0], options.seed)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(json.dumps({"gib": peak, **seen}))
            return
        rows: list[dict[str, Any]] = []
        for size in sizes:
            folder = options.folder / f"{size / MILLION:g}"
            folder.mkdir(parents=True)
            self.first(folder, size, options.seed)
            for name in self.work:
                rows.append(
                    {"n": size, "step": name, **self._run(name, folder, size, options.seed)}
                )
                print(rows[-1], flush=True)
            shutil.rmtree(folder)
        self.write(rows, " ".join([f"python benchmarks/{self.name}.py", *sys.argv[1:]]))

    def write(self, rows: list[dict[str, Any]], command: str) -> None:
        """The table and the curve."""
        RESULTS.mkdir(exist_ok=True)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
        lines = [
            f"# {self.title}",
            "",
            f"{date.today()}, `{command}`, one run, seed in the command; {os.cpu_count()} cores, "
            f"{memory} GiB, {platform.system()}, Python {platform.python_version()}. Each step is "
            "a process of its own, its start included; memory is the peak of its resident set"
            f"{self.note}.",
            "",
            f"| {self.what} | step | seconds | million {self.what}/s | peak GiB | what it saw |",
            "|---|---|---|---|---|---|",
            *map(_line, rows),
            "",
            f"![seconds by {self.what}]({self.name}.svg)",
        ]
        (RESULTS / f"{self.name}.md").write_text("\n".join(lines) + "\n")
        (RESULTS / f"{self.name}.svg").write_text(plot(rows, tuple(self.work), self.what))

    def _run(self, name: str, folder: Path, size: int, seed: int) -> dict[str, Any]:
        """One step in a process of its own, and what it took."""
        started = time.perf_counter()
        arguments = [sys.executable, self.file, "--step", name, "--folder", str(folder)]
        arguments += [f"--{self.what}", str(size / MILLION), "--seed", str(seed)]
        out = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
        return {"seconds": time.perf_counter() - started, **json.loads(out.splitlines()[-1])}


def _line(row: dict[str, Any]) -> str:
    seen = {k: v for k, v in row.items() if k not in {"n", "step", "seconds", "gib"}}
    rate = float(row["n"]) / MILLION / float(row["seconds"])
    return (
        f"| {int(row['n']) // MILLION} M | {row['step']} | {row['seconds']:.1f} | {rate:.2f} "
        f"| {row['gib']:.2f} | {', '.join(f'{k} {v}' for k, v in seen.items())} |"
    )


def plot(rows: list[dict[str, Any]], steps: tuple[str, ...], what: str) -> str:
    """Seconds by million, one line a step; a straight line is time linear in the size."""
    width, height, left, low = 640, 360, 60, 40
    most_n = max(float(row["n"]) for row in rows)
    most_s = max(float(row["seconds"]) for row in rows)
    colours = dict(zip(steps, COLOURS))

    def x(n: object) -> float:
        return left + float(n) / most_n * (width - left - 110)

    def y(seconds: object) -> float:
        return height - low - float(seconds) / most_s * (height - low - 30)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="18">seconds by million {what} (one process a step)</text>',
    ]
    parts += [
        f'<text x="{x(n):.0f}" y="{height - 18}" text-anchor="middle">{n // MILLION}</text>'
        for n in sorted({int(row["n"]) for row in rows})
    ]
    for tick in range(5):
        value = most_s * tick / 4
        parts.append(
            f'<line x1="{left}" x2="{width - 110}" y1="{y(value):.0f}" y2="{y(value):.0f}" '
            f'stroke="#ddd"/><text x="{left - 6}" y="{y(value) + 4:.0f}" '
            f'text-anchor="end">{value:.0f}</text>'
        )
    for name in steps:
        points = [(x(row["n"]), y(row["seconds"])) for row in rows if row["step"] == name]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in [(x(0), y(0)), *points])
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>'
        )
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colours[name]}"/>'
                  for a, b in points]  # fmt: skip
        a, b = points[-1]
        parts.append(f'<text x="{a + 8:.0f}" y="{b + 4:.0f}" fill="{colours[name]}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
