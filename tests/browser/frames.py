"""How long a frame of the map takes while it is dragged and zoomed."""

import struct
from dataclasses import dataclass

import numpy as np
from playwright.sync_api import Page

POINTS = 100_000
CATEGORIES = [f"category {code}" for code in range(12)]
MEASURE = """async ([num, moving]) => {
  const canvas = document.querySelector(".over");
  const box = canvas.getBoundingClientRect();
  const send = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind,
    { clientX: box.left + x, clientY: box.top + y, pointerId: 1, pointerType: "mouse",
      bubbles: true }));
  canvas.setPointerCapture = () => {};
  send("pointerdown", 300, 300);
  const [times, own] = [[], []];
  const ask = requestAnimationFrame;
  globalThis.requestAnimationFrame = (act) => ask((now) => {
    const started = performance.now();
    act(now);
    own.push(performance.now() - started);
  });
  for (let n = 0; n < num; n++) {
    if (moving) send("pointermove", 300 + 80 * Math.sin(n / 9), 300 + 60 * Math.cos(n / 7));
    if (moving && n % 3 === 0) {
      canvas.parentElement.dispatchEvent(new WheelEvent("wheel", { deltaY: n % 40 < 20 ? -30 : 30,
        clientX: box.left + 350, clientY: box.top + 320, cancelable: true }));
    }
    await new Promise((done) => ask(done));
    times.push(performance.now());
  }
  send("pointerup", 300, 300);
  globalThis.requestAnimationFrame = ask;
  return { gaps: times.slice(1).map((time, n) => time - times[n]), own };
}"""


@dataclass(frozen=True)
class Frames:
    """Milliseconds of each of some frames.

    Attributes:
        gaps: from one to the next, as whoever drags the map sees it.
        own: that our code took of it, which a busy machine lengthens less.
    """

    gaps: np.ndarray
    own: np.ndarray

    @property
    def a_second(self) -> float:
        """Frames a second, all in all."""
        return 1000 / float(self.gaps.mean())


def measured(page: Page, num: int = 120, *, moving: bool = True) -> Frames:
    """So many frames of the map; with `moving` false, what machine and browser cost alone."""
    found = page.evaluate(MEASURE, [num, moving])
    return Frames(np.array(found["gaps"]), np.array(found["own"]))


def many_points(page: Page, count: int = POINTS) -> None:
    """Let the map of the service have so many points, in clouds of twelve categories."""
    draw = np.random.default_rng(0)
    codes = draw.integers(0, len(CATEGORIES), count).astype("<u2")
    middles = draw.normal(size=(len(CATEGORIES), 2)) * 3
    places = (middles[codes] + draw.normal(size=(count, 2))).astype("<f4")
    head = {"count": count, "categories": CATEGORIES, "points": "/v1/map/points"}
    body = places.tobytes() + codes.tobytes()
    assert len(body) == count * struct.calcsize("<ffH")
    page.route("**/v1/map", lambda route: route.fulfill(json=head))
    page.route("**/v1/map/points", lambda route: route.fulfill(body=body))
