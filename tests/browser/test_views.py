"""Every view, light and dark, on a desk and on a phone: no fault of accessibility that matters, no
sideways scrolling, nothing refused by the policy, nothing asked of anybody else."""

import pytest

from driver import DESK, PHONE

MAIN = {
    "try": "#/try?user={user}",
    "item": "#/item/{item}",
    "attention": "#/attention?user={user}",
    "map": "#/map",
    "report": "#/report",
    "experiments": "#/experiments",
    "live": "#/live",
}
STATES = {
    "try, nobody yet": "#/try",
    "try, all set": "#/try?user={user}&k=12&category=tee,dress&least=10&most=90&in_stock=true"
    "&diversity=0.3&calibration=0.2",
    "try, own history": "#/try?items={item}~buy",
    "try, a stranger": "#/try?user=nobody-yet",
    "try, nothing passes": "#/try?user={user}&least=9000",
    "items": "#/item",
    "no such item": "#/item/nothing",
    "attention, a stranger": "#/attention?user=nobody-yet",
    "map, an item": "#/map?item={item}",
    "report, a metric": "#/report?metric=auc&run=markov",
    "no such experiment": "#/experiments/nothing",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "size", "views"),
    [
        pytest.param("light", DESK, MAIN | STATES, id="light, desk"),
        pytest.param("dark", PHONE, MAIN | STATES, id="dark, phone"),
        pytest.param("dark", DESK, MAIN, id="dark, desk"),
        pytest.param("light", PHONE, MAIN, id="light, phone"),
    ],
)
def test_every_view(look, ask, users, scheme, size, views):
    item = ask("/v1/items?k=1")["items"][0]["item_id"]
    watched = look(scheme=scheme, size=size, refused=True)
    for name, view in views.items():
        page = watched.go(view.format(user=users[0], item=item))
        assert page.locator("h1").count() == 1, name
        assert watched.too_wide() <= 0, name
        assert watched.wrong() == [], name
        assert watched.faults() == [], name


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("view", "button"),
    [("#/experiments", "New experiment"), ("#/try", "Forget this user"), ("#/try", "Key")],
)
def test_dialogs_have_no_fault_either(look, scheme, view, button):
    watched = look(view, scheme=scheme, size=PHONE)
    watched.page.get_by_role("button", name=button).click()
    watched.page.get_by_role("dialog").wait_for()
    assert watched.faults() == []
    watched.page.keyboard.press("Escape")
    assert watched.page.get_by_role("dialog").count() == 0


@pytest.mark.slow
def test_the_switch_goes_over_the_systems_colours_and_is_kept(look):
    watched = look("#/report", scheme="light")
    page = watched.page
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="colours; change to light").click()
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="colours; change to dark").click()
    page.wait_for_function(f"light => {ground} !== light", arg=light)
    dark = page.evaluate(ground)
    page.reload()
    watched.settled()
    assert page.evaluate(ground) == dark


@pytest.mark.slow
def test_the_reference_of_the_api_has_no_fault(look):
    for scheme in ("light", "dark"):
        watched = look(scheme=scheme)
        watched.page.goto(f"{watched.address}/docs")
        assert watched.page.locator("article").count() > 15
        assert watched.too_wide() <= 0
        assert watched.faults() == []
