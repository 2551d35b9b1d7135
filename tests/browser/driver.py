"""A service as `grapevine serve` starts it, and a Chromium that is watched while it looks at it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserType, Page

from grapevine.evaluation.experiments import Arm, Experiment
from grapevine.serving.store import Event, Exposure, open_store

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
"""The browser: the one that is named, or Debian's."""
MISSING = "there is no Chromium: `apt-get install chromium`, or name one in CHROMIUM"
FLAGS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SOFTWARE_GL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
"""WebGL without a graphics card."""
DESK, PHONE = {"width": 1360, "height": 860}, {"width": 360, "height": 740}
BUSY = ".waiting, [aria-busy=true]"
START_SECONDS = 120.0
DAY_MS = 86_400_000

WATCH = """
globalThis.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  globalThis.violations.push(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""
SLOW_GL = """
// Lets WebGL be used although the processor does the work of the graphics card.
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return get.call(this, kind, options && { ...options, failIfMajorPerformanceCaveat: false });
};
const told = WebGLRenderingContext.prototype.getParameter;
WebGLRenderingContext.prototype.getParameter = function (name) {
  const value = told.call(this, name);
  return /swiftshader|llvmpipe/i.test(value) ? "A graphics card" : value;
};
"""
NO_GL = """
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return kind.startsWith("webgl") ? null : get.call(this, kind, options);
};
"""


@contextmanager
def service(run: Path, folder: Path, *options: object) -> Iterator[str]:
    """The address of a service of a run, in a process of its own.

    Args:
        run: its folder.
        folder: where the store and what the service says are kept.
        options: more of `grapevine serve`.
    """
    command = [Path(sys.executable).with_name("grapevine"), "serve", run, "--port", "0",
               "--store", f"sqlite:///{folder / 'store.db'}", *options]  # fmt: skip
    said = folder / "said.txt"
    with said.open("w") as out:
        process = subprocess.Popen([*map(str, command)], stdout=out, stderr=out, cwd=folder)
    try:
        until = time.monotonic() + START_SECONDS
        # A terminal's width may break the line before the address.
        while not (found := re.search(r"served\s+at\s+(http://[\d.:]+)", said.read_text())):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, f"not ready in time:\n{said.read_text()}"
            time.sleep(0.1)
        while not _answers(f"{found[1]}/healthz"):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, "no answer in time"
            time.sleep(0.1)
        yield found[1]
    finally:
        process.terminate()
        process.wait(timeout=30)


def asked(address: str, path: str, body: Any = None, method: str | None = None) -> Any:
    """The JSON that a service answers with."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(address + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


def launch(kind: BrowserType, *, gl: bool = False) -> Browser:
    """A headless Chromium; with `gl` it plays the graphics card itself."""
    flags = SOFTWARE_GL if gl else ["--disable-gpu"]
    return kind.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])


class Watched:
    """A page of the service, with a list of all that went wrong in it.

    Args:
        browser: that shows it.
        address: of the service.
        scheme: light or dark.
        size: of the window.
        key: an API key that the tab has already.
        scripts: that run before those of the page.
        refused: whether refusals of the service are meant to happen.
        context: more of Playwright's `new_context`.
    """

    def __init__(
        self,
        browser: Browser,
        address: str,
        *,
        scheme: Any = "light",
        size: Any = DESK,
        key: str = "",
        scripts: tuple[str, ...] = (),
        refused: bool = False,
        **context: Any,
    ) -> None:
        self.address = address
        self.seen: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.context = browser.new_context(
            viewport=size, color_scheme=scheme, reduced_motion="reduce", **context
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)

        def dialog(one: Any) -> None:
            self.seen.append(f"dialog: {one.message}")
            one.dismiss()

        def console(one: Any) -> None:
            meant = refused and one.text.startswith("Failed to load resource")
            if one.type in {"error", "warning"} and not meant:
                self.seen.append(f"console: {one.text}")

        def request(one: Any) -> None:
            self.asked.append((one.method, one.url.removeprefix(address)))
            if not one.url.startswith(f"{address}/"):
                self.seen.append(f"request: {one.url}")

        self.page.on("dialog", dialog)
        self.page.on("console", console)
        self.page.on("request", request)
        self.page.on("pageerror", lambda one: self.seen.append(f"error: {one}"))
        for script in (WATCH, *scripts):
            self.page.add_init_script(script)
        if key:
            self.page.add_init_script(f"sessionStorage.setItem('grapevine-key', {key!r})")

    def open(self, view: str = "#/try") -> Page:
        """Load the page at a view."""
        self.page.goto(f"{self.address}/{view}")
        self.settled()
        return self.page

    def go(self, view: str) -> Page:
        """Another view in the page that is loaded."""
        self.page.evaluate("(view) => { location.hash = view; }", view)
        self.page.wait_for_timeout(50)
        self.settled()
        return self.page

    def settled(self) -> None:
        """Wait until nothing is loading: no grey shapes, nothing busy."""
        quiet = f'() => document.querySelector("h1") && !document.querySelector("{BUSY}")'
        self.page.wait_for_function(quiet)
        self.page.wait_for_timeout(150)
        self.page.wait_for_function(quiet)

    def wrong(self) -> list[str]:
        """Errors, dialogs, breaches of the policy, requests to others: all so far."""
        return [*self.seen, *self.page.evaluate("globalThis.violations ?? []")]

    def faults(self) -> list[str]:
        """Serious and critical faults of accessibility, each in a line."""
        # By way of the debugger, as the policy of the page lets no script in.
        if not self.page.evaluate('"axe" in globalThis'):
            self.page.evaluate(AXE_SCRIPT)
        found = self.page.evaluate("() => globalThis.axe.run()")["violations"]
        return [
            f"{one['id']}: {node['html'][:160]} {node['failureSummary']}"
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]

    def too_wide(self) -> int:
        """Pixels that one would have to scroll sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth - innerWidth")

    def close(self) -> None:
        """End it, and all that it kept."""
        self.context.close()


def past_experiment(folder: Path, item_id: str, *, name: str = "vine-against-markov") -> None:
    """Put an experiment of three weeks into the store of a service that is yet to start.

    Of 900 users the second arm's buy more often by a third.
    """
    arms = (Arm("vine", 0.5), Arm("markov", 0.5))
    experiment = Experiment(name=name, arms=arms, metric="buy", salt="page")
    now = [round(1000 * time.time()) - 21 * DAY_MS]
    draw = np.random.default_rng(0)
    with open_store(f"sqlite:///{folder / 'store.db'}", clock=lambda: now[0]) as store:
        store.put_experiment(name, experiment.to_json() | {"window_days": 1})
        for day in range(20):
            for user in (f"visitor{day}-{n}" for n in range(45)):
                arm = experiment.arm_of(user)
                assert arm is not None
                shown = Exposure(user, user, item_id, 1, 1.0, arm.share, name, arm.name, "vine")
                store.expose([shown])
                bought = draw.random() < (0.45 if arm is arms[0] else 0.6)
                if bought:
                    store.append([Event(f"buy {user}", user, item_id, "buy")]).result()
            now[0] += DAY_MS
