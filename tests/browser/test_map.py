"""The map: the vectors of the model as points, a hundred thousand of them smooth, with and without
a graphics card."""

import io

import numpy as np
import pytest
from PIL import Image

import driver
from frames import many_points, measured

pytestmark = pytest.mark.slow
SCRIPTS = {"WebGL": (driver.SLOW_GL,), "canvas": (driver.NO_GL,)}
OWN_MS = 30
"""Of our code in a frame, at the median: 100,000 points at 30 frames a second on a slow machine."""


@pytest.fixture(scope="module")
def browser(chromium):
    opened = driver.launch(chromium, gl=True)
    yield opened
    opened.close()


def coloured(page):
    """The share of the picture of the map that has a colour."""
    picture = Image.open(io.BytesIO(page.locator(".map").screenshot())).convert("RGB")
    pixels = np.asarray(picture, np.int16)
    return float((pixels.max(2) - pixels.min(2) > 40).mean())


def many(look, painter, view="#/map"):
    watched = look("#/live", scripts=SCRIPTS[painter])
    many_points(watched.page)
    watched.go(view)
    assert watched.page.locator(".made").text_content() == f"100,000 points · {painter}"
    return watched


@pytest.mark.parametrize("painter", SCRIPTS)
def test_a_hundred_thousand_points_are_drawn_and_told_apart(look, painter):
    watched = many(look, painter)
    page = watched.page
    everything = coloured(page)
    assert everything > 0.08
    page.get_by_role("button", name="category 3").click()
    page.wait_for_timeout(400)
    assert 0 < coloured(page) < 0.4 * everything


@pytest.mark.parametrize("painter", SCRIPTS)
def test_a_hundred_thousand_points_move_smoothly(look, painter):
    page = many(look, painter).page
    measured(page, 20)
    found = measured(page, 60)
    print(f"{painter}: {found.a_second:.0f} frames a second, own {np.median(found.own):.1f} ms")
    assert len(found.own) >= 40
    assert np.median(found.own) < OWN_MS


def test_points_stand_where_the_service_puts_them_and_are_chosen_by_a_click(look, ask):
    watched = look("#/map", scripts=SCRIPTS["WebGL"])
    page = watched.page
    count = ask("/v1/map")["count"]
    assert page.locator(".made").text_content() == f"{count} points · WebGL"
    item = ask("/v1/items?k=1")["items"][0]["item_id"]
    watched.go(f"#/map?item={item}")
    near = [one["title"] for one in ask(f"/v1/items/{item}/related?k=10")["items"]]
    # They are asked for when the map is there, and nothing says that they are on their way.
    page.locator(".near button").nth(len(near) - 1).wait_for()
    assert [one.strip() for one in page.locator(".near button").all_text_contents()] == near
    chosen = page.locator(".chosen b").text_content()
    box = page.locator(".map").bounding_box()
    # The chosen one stands in the middle now; click around it, until another is met.
    for n in range(60):
        angle, reach = 0.7 * n, 20 + 4 * n
        page.mouse.click(
            box["x"] + box["width"] / 2 + reach * np.cos(angle),
            box["y"] + box["height"] / 2 + reach * np.sin(angle),
        )
        page.wait_for_timeout(80)
        if page.locator(".chosen b").text_content() != chosen:
            break
    watched.settled()
    assert page.locator(".chosen b").text_content() != chosen


def test_webgl_that_is_lost_gives_way_to_the_canvas(look):
    page = many(look, "WebGL").page
    page.evaluate("""document.querySelector(".map canvas").getContext("webgl")
      .getExtension("WEBGL_lose_context").loseContext()""")
    page.wait_for_function("() => document.querySelector('.map').dataset.painter === 'canvas'")
    page.wait_for_timeout(400)
    assert coloured(page) > 0.08


def test_where_the_processor_plays_the_graphics_card_pixels_are_written_instead(look):
    page = look("#/map").page
    assert page.locator(".map").get_attribute("data-painter") == "canvas"


def test_a_map_that_came_short_is_refused_with_what_to_do(look):
    watched = look("#/report")
    watched.page.route("**/v1/map/points", lambda route: route.fulfill(body=bytes(999)))
    watched.go("#/map")
    watched.page.get_by_text("came as 999 bytes").wait_for()
