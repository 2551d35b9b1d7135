"""Frames of the page's map while it is dragged and zoomed, with 100,000 points.

A real run of 100,000 items is served by `grapevine serve`, so the points are those of its vectors.
Headless Chromium on the processor alone: WebGL as software plays it, and pixels that the page
writes itself, which is what it chooses there. A frame's own time is that of the page's code; the
gap is from one frame to the next, with what browser and machine cost by themselves: see "still".

    .venv/bin/python benchmarks/page_map.py
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))

import driver
import grapevine as gv
from frames import POINTS, Frames, measured
from grapevine.testing.worlds import world

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


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        run = large(Path(name) / "run")
        with driver.service(run, Path(name)) as address:
            browser = driver.launch(playwright.chromium, gl=True)
            print("| painter | own, ms | p95 | gap, ms | p95 | frames a second | still |")
            print("| --- | --- | --- | --- | --- | --- | --- |")
            for painter, scripts in {"canvas": (), "WebGL by software": (driver.SLOW_GL,)}.items():
                watched = driver.Watched(browser, address, scripts=scripts)
                page = watched.open("#/map")
                assert f"{POINTS:,} points" in page.locator(".made").text_content()
                measured(page, 30)
                print(line(painter, measured(page, 150), measured(page, 150, moving=False)))
                assert watched.wrong() == []
                watched.close()
            browser.close()


if __name__ == "__main__":
    main()
