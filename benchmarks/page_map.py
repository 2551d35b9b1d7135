"""Frames of the page's map while it is dragged and zoomed, with 100,000 points.

A real run of 100,000 items is served by `grapevine serve`, so the points are those of its vectors.
Headless Chromium on the processor alone, in three ways: without a graphics card, where the page
writes pixels itself; where the browser plays a graphics card by software and the page writes pixels
all the same, which is what it chooses there; and WebGL forced upon that. A frame's own time is that
of the page's code; the gap is from one frame to the next, with what browser and machine cost by
themselves: see "still".
The result goes to results/page_map.md.

    .venv/bin/python benchmarks/page_map.py
"""

import os
import platform
import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))

import driver
import grapevine as gv
from frames import POINTS, Frames, measured
from grapevine.testing.worlds import world

OUT = Path(__file__).parent / "results" / "page_map.md"
PAINTERS: dict[str, tuple[bool, tuple[str, ...]]] = {
    "canvas, no graphics card": (False, ()),
    "canvas, graphics card played by software": (True, ()),
    "WebGL, played by software": (True, (driver.SLOW_GL,)),
}
SMALL = ("model.factors=16", "model.iterations=2")


def large(folder: Path) -> Path:
    """A run of 100,000 items, each met by three users of some 30 interests."""
    draw = np.random.default_rng(0)
    users = 20_000
    interests = draw.integers(0, 30, users)
    by_interest = [np.flatnonzero(interests == one) for one in range(30)]
    events = [
        (f"u{user}", f"i{item:06d}")
        for item in range(POINTS)
        for user in draw.choice(by_interest[item % 30], 3)
    ]
    gv.fit("als", world(events), out=folder, settings=SMALL)
    return folder


def line(name: str, moving: Frames, still: Frames) -> str:
    """A row of the table."""
    gaps = np.median(moving.gaps), np.quantile(moving.gaps, 0.95)
    return (
        f"| {name} | {np.median(moving.own):.1f} | {np.quantile(moving.own, 0.95):.1f} "
        f"| {gaps[0]:.1f} | {gaps[1]:.1f} | {moving.a_second:.0f} | {still.a_second:.0f} |"
    )


def table(run: Path, folder: Path) -> list[str]:
    """A row for each way to paint."""
    lines = [
        "| painter | own, ms | p95 | gap, ms | p95 | frames a second | still |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    with sync_playwright() as playwright, driver.service(run, folder) as address:
        for painter, (gl, scripts) in PAINTERS.items():
            browser = driver.launch(playwright.chromium, gl=gl)
            watched = driver.Watched(browser, address, scripts=scripts)
            page = watched.open("#/map")
            assert f"{POINTS:,} points" in page.locator(".made").text_content()
            measured(page, 30)
            lines.append(line(painter, measured(page, 150), measured(page, 150, moving=False)))
            assert watched.wrong() == []
            watched.close()
            browser.close()
    return lines


def main() -> None:
    """Measure, and write the page."""
    with tempfile.TemporaryDirectory() as name:
        lines = [
            "# Frames of the map",
            "",
            f"{date.today()}, `python benchmarks/page_map.py`, {os.cpu_count()} cores, "
            f"{platform.system()}, Python {platform.python_version()}; {POINTS:,} points, dragged "
            "and zoomed in headless Chromium. On such a machine the page paints on a canvas of its "
            "own accord. Gaps include what browser and service cost on the same cores; 60 "
            "frames a second is the most that the browser shows.",
            "",
            *table(large(Path(name) / "run"), Path(name)),
        ]
        lines += ["", f"Load of the machine at the end: {os.getloadavg()[0]:.1f}.", ""]
    OUT.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
