"""A small shop in service, and a browser to look at it; without a Chromium these are skipped."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserType, Page, sync_playwright

import driver
import grapevine as gv

SMALL = ("model.epochs=3", "model.width=16", "model.length=40")
"""Of Vine: what it knows matters less here than that it has all there is to show."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[BrowserType]:
    """What starts browsers; each file has its own, as nothing else may run an event loop then."""
    if driver.CHROMIUM is None:
        pytest.skip(driver.MISSING)
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture(scope="module")
def browser(chromium: BrowserType) -> Iterator[Browser]:
    """A browser without a graphics card."""
    opened = driver.launch(chromium)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a shop, and below `runs` a Vine with its report, `markov` and `popularity`."""
    folder = tmp_path_factory.mktemp("page")
    parts = gv.pipeline.prepare(gv.pipeline.make_shop(120, out=folder / "shop"))
    places = {name: folder / "runs" / name for name in ("vine", "markov", "popularity")}
    settings = {"vine": SMALL}
    runs = [
        gv.fit(name, parts.train, out=place, settings=settings.get(name, ()))
        for name, place in places.items()
    ]
    gv.pipeline.attach(gv.evaluate(runs, parts.test, train=parts.train), places["vine"])
    return folder


@pytest.fixture(scope="module")
def address(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `grapevine serve` serves the Vine of the shop."""
    folder = tmp_path_factory.mktemp("service")
    driver.past_experiment(folder, "i000001")
    with driver.service(shop / "runs" / "vine", folder, "--data", shop / "shop") as found:
        yield found


@pytest.fixture(scope="module")
def ask(address: str) -> Callable[..., Any]:
    """Asks the service itself: `ask("/v1/users")`, or with a body."""
    return lambda path, body=None, method=None: driver.asked(address, path, body, method)


@pytest.fixture(scope="module")
def users(ask: Callable[..., Any]) -> list[str]:
    """Users of the shop, each for one test to change."""
    return [one["user_id"] for one in ask("/v1/users?k=40&query=u0")["users"]]


@pytest.fixture
def look(browser: Browser, address: str) -> Iterator[Callable[..., driver.Watched]]:
    """Opens the page at a view; at the end nothing may have gone wrong in it."""
    opened: list[driver.Watched] = []

    def at(view: str = "#/try", **options: Any) -> driver.Watched:
        watched = driver.Watched(browser, options.pop("address", address), **options)
        opened.append(watched)
        watched.open(view)
        return watched

    yield at
    for watched in opened:
        assert watched.wrong() == []
        watched.close()


@pytest.fixture
def refuse() -> Callable[..., None]:
    """Lets the service refuse the next requests to a path, as it does when it is busy."""

    def refused(
        page: Page, path: str, status: int, message: str, hint: str, times: int = 1
    ) -> None:
        body = {"error": {"code": "test", "message": message, "hint": hint, "where": None}}
        page.route(
            lambda url: path in url,
            lambda route: route.fulfill(status=status, json=body, headers={"retry-after": "1"}),
            times=times,
        )

    return refused
