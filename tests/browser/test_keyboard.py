"""The keyboard alone: everything can be reached and used, and one always sees where one is."""

import re

import pytest

from driver import DESK, PHONE

pytestmark = pytest.mark.slow
FOCUS = """() => {
  const one = document.activeElement;
  const ringed = [one, one.closest("label"), one.closest("fieldset label")].filter(Boolean);
  const box = one.getBoundingClientRect();
  return {
    tag: one.tagName,
    name: one.getAttribute("aria-label") ?? one.textContent.trim().replaceAll(/\\s+/g, " "),
    ring: ringed.some((element) => getComputedStyle(element).outlineStyle !== "none"),
    seen: box.bottom > 0 && box.top < innerHeight,
  };
}"""


def tab_to(page, name, most=150):
    """Press Tab until something of that name has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        now = page.evaluate(FOCUS)
        if re.search(name, now["name"]):
            return now
    raise AssertionError(f"Tab does not reach {name} in {most} steps")


def test_from_the_top_skip_link_a_user_an_event(look, ask):
    # Whom the page lists: those who did something of late come first.
    user = ask("/v1/users?k=5")["users"][-1]["user_id"]
    watched = look("#/try")
    page = watched.page
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS)["name"] == "Skip to the view"
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUS)["tag"] == "H1"
    tab_to(page, f"^{re.escape(user)}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**user={user}**")
    watched.settled()
    bought = tab_to(page, "^buy: ")["name"].removeprefix("buy: ")
    page.keyboard.press("Space")
    page.get_by_text("The list knows it already").first.wait_for()
    newest = ask(f"/v1/users/{user}/history?k=1")["events"][0]
    assert (newest["title"], newest["behaviour"]) == (bought, "buy")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_every_step_with_tab_is_seen_in_every_view(look, ask, users, size):
    item = ask("/v1/items?k=1")["items"][0]["item_id"]
    watched = look("#/live", size=size)
    page = watched.page
    views = [f"#/try?user={users[0]}", f"#/item/{item}", f"#/attention?user={users[0]}", "#/map",
             "#/report", "#/experiments", "#/live"]  # fmt: skip
    for view in views:
        watched.go(view)
        assert page.evaluate(FOCUS)["tag"] == "H1", view
        names = set()
        for _ in range(35):
            page.keyboard.press("Tab")
            now = page.evaluate(FOCUS)
            if now["tag"] == "BODY":
                break
            assert now["ring"], f"{view}: no ring around {now['tag']} {now['name']}"
            assert now["seen"], f"{view}: {now['name']} is out of sight"
            assert now["name"] or now["tag"] in {"INPUT", "SELECT"}, f"{view}: {now['tag']}"
            names.add(now["name"])
        assert len(names) > 1, view


def test_views_are_gone_to_with_enter_and_their_heading_is_read_out(look):
    watched = look("#/try")
    page = watched.page
    for name in ("Map", "Report", "Live traffic"):
        page.locator(".brand").focus()
        tab_to(page, f"^{name}")
        page.keyboard.press("Enter")
        watched.settled()
        now = page.evaluate(FOCUS)
        assert (now["tag"], now["name"]) == ("H1", name)


def test_the_map_moves_zooms_chooses_and_goes_to_a_neighbour(look):
    watched = look("#/map")
    page = watched.page
    tab_to(page, "^Map of 200 items")
    picture = "document.querySelector('.over').toDataURL()"
    before = page.evaluate(picture)
    for key in ("+", "+", "ArrowUp", "ArrowLeft", "0"):
        page.keyboard.press(key)
        page.wait_for_timeout(100)
        now = page.evaluate(picture)
        assert now != before or key == "0"
        before = now
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Nearest to it").wait_for()
    watched.settled()
    chosen = page.locator(".chosen b").text_content()
    tab_to(page, re.escape(page.locator(".near button").first.text_content().strip()))
    page.keyboard.press("Enter")
    page.wait_for_function(
        "chosen => document.querySelector('.chosen b')?.textContent !== chosen", arg=chosen
    )


def test_a_dialog_holds_the_focus_and_gives_it_back(look):
    page = look("#/experiments").page
    tab_to(page, "New experiment")
    page.keyboard.press("Enter")
    for _ in range(25):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || "
            "document.activeElement.closest('dialog') !== null"
        )
    page.keyboard.press("Escape")
    assert page.evaluate(FOCUS)["name"] == "New experiment"
