"""Pictures of every view of the page for the documents, of a service of the demo's run.

    grapevine demo --no-serve
    .venv/bin/python docs/pictures.py           # or of another run: docs/pictures.py RUN DATA

Writes docs/pictures/page-*.png: light, dark, and on a phone.
"""

import sys
import tempfile
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "browser"))

import driver  # noqa: E402
import grapevine as gv  # noqa: E402

OUT = ROOT / "docs" / "pictures"
DESK = {"width": 1280, "height": 860}
VIEWS = {
    "try": "#/try?user={user}&diversity=0.3",
    "item": "#/item/{item}",
    "attention": "#/attention?user={user}",
    "map": "#/map",
    "report": "#/report",
    "experiments": "#/experiments",
    "live": "#/live",
}
BELOW = {
    "try": "[aria-label=History]",
    "item": "section[aria-labelledby=walks]",
    "attention": "section[aria-label='Heat map']",
    "report": "section[aria-labelledby=how-good]",
    "experiments": "section[aria-labelledby=effect]",
}
"""On a phone the frame stands still, and what matters is moved to the top of it."""


def shoot(watched: driver.Watched, name: str, view: str, below: str | None = None) -> None:
    """One view into one file, of few colours so that it stays small."""
    page = watched.open(view)
    if below:
        page.locator(below).first.evaluate(
            "one => scrollTo(0, one.getBoundingClientRect().top + scrollY - 12)"
        )
    page.wait_for_timeout(600)
    path = OUT / f"page-{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(path.relative_to(ROOT), path.stat().st_size // 1000, "kB")
    assert watched.wrong() == [], watched.wrong()
    watched.close()


def busy(address: str, users: list[str], stopped: threading.Event) -> None:
    """Some traffic for the live view."""
    while not stopped.is_set():
        for user in users:
            driver.asked(address, f"/v1/users/{user}/recommendations?k=10")
            if stopped.wait(0.05):
                return


def main() -> None:
    """All views."""
    given = [Path(one).resolve() for one in sys.argv[1:3]]
    run, data = given or (ROOT / "runs" / "demo", gv.shop().path)
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as plain, tempfile.TemporaryDirectory() as tried:
        driver.past_experiment(Path(tried), "i000001")
        with sync_playwright() as playwright:
            browser = driver.launch(playwright.chromium, gl=True)
            for folder in (plain, tried):
                with driver.service(run, Path(folder), "--data", data) as address:
                    views(browser, address, experiment=folder == tried)
            browser.close()


def views(browser: Browser, address: str, *, experiment: bool) -> None:
    """Every view of a service, or that of its experiment alone."""
    users = [one["user_id"] for one in driver.asked(address, "/v1/users?k=20")["users"]]
    item = driver.asked(address, "/v1/items?k=3")["items"][2]["item_id"]
    stopped = threading.Event()
    traffic = threading.Thread(target=busy, args=(address, users, stopped))
    traffic.start()
    for place, (name, view) in enumerate(VIEWS.items()):
        if (name == "experiments") != experiment:
            continue
        view = view.format(user=users[0], item=item)
        options = {"scripts": (driver.SLOW_GL,)}
        for scheme in ("light", "dark"):
            watched = driver.Watched(browser, address, scheme=scheme, size=DESK, **options)
            shoot(watched, f"{name}-{scheme}", view)
        scheme = ("light", "dark")[place % 2]
        watched = driver.Watched(browser, address, scheme=scheme, size=driver.PHONE, **options)
        shoot(watched, f"{name}-phone", view, BELOW.get(name))
        if name == "map":
            watched = driver.Watched(browser, address, scheme="dark", size=DESK, **options)
            shoot(watched, "map-chosen-dark", f"#/map?item={item}")
    stopped.set()
    traffic.join()


if __name__ == "__main__":
    main()
