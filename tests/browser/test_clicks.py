"""What people do in each view, click by click, and that it is what the service says."""

import re

import numpy as np
import pytest

from driver import service
from grapevine.serving.store import open_store

pytestmark = pytest.mark.slow


def titles(page):
    return page.locator("[aria-label=Recommendations] h3").all_text_contents()


def test_a_user_is_chosen_and_the_list_is_theirs(look, ask, users):
    watched = look("#/try")
    page = watched.page
    page.get_by_role("searchbox", name="Which user").fill(users[7])
    page.get_by_role("button", name=re.compile(f"^{users[7]}")).click()
    page.wait_for_url(f"**user={users[7]}**")
    watched.settled()
    body = {"user_id": users[7], "k": 10, "why": True}
    answer = ask("/v1/recommendations", body)["items"]
    assert titles(page) == [one["title"] for one in answer]
    reasons = page.locator(".reasons .text").all_text_contents()
    assert reasons == [why["text"] for one in answer for why in one["reasons"]]
    page.reload()
    watched.settled()
    assert page.get_by_text(f"of {users[7]}").count() == 1


def test_a_click_is_stored_and_the_next_list_knows_it(look, ask, users):
    watched = look(f"#/try?user={users[1]}")
    page = watched.page
    before = titles(page)
    page.get_by_role("button", name=f"buy: {before[3]}", exact=True).click()
    page.get_by_text("The list knows it already").first.wait_for()
    watched.settled()
    newest = ask(f"/v1/users/{users[1]}/history?k=1")["events"][0]
    assert (newest["title"], newest["behaviour"]) == (before[3], "buy")
    first = page.locator("[aria-label=History] li").first.text_content()
    assert "buy" in first
    assert before[3] not in titles(page)


def test_an_event_that_meets_a_busy_service_is_sent_again_and_counts_once(look, ask, users, refuse):
    watched = look(f"#/try?user={users[2]}", refused=True)
    page = watched.page
    refuse(page, "/v1/events", 503, "The store is busy.", "Send them again.")
    bought = titles(page)[0]
    page.get_by_role("button", name=f"click: {bought}", exact=True).click()
    page.get_by_text("The list knows it already").first.wait_for()
    assert [one for one in watched.asked if one[1] == "/v1/events"] == [("POST", "/v1/events")] * 2
    (item,) = [one for one in ask("/v1/items?k=200")["items"] if one["title"] == bought][:1]
    assert ask(f"/v1/items/{item['item_id']}")["events"] == {"click": 1}


def test_how_many_filters_and_rules(look, users):
    watched = look(f"#/try?user={users[3]}")
    page = watched.page
    page.get_by_role("slider", name="How many").fill("20")
    page.wait_for_function("() => document.querySelectorAll('article').length === 20")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_text("coat", exact=True).first.click()
    page.get_by_label("Price from").fill("60")
    page.wait_for_url("**least=60**")
    watched.settled()
    facts = page.locator("article .facts").all_text_contents()
    assert facts
    assert all("coat" in one for one in facts)
    assert all(float(re.search(r"\d+\.\d\d", one)[0]) >= 60 for one in facts)
    before = titles(page)
    page.get_by_text("Rules", exact=True).click()
    page.get_by_role("slider", name="Diversity").fill("0.8")
    page.wait_for_url("**diversity=0.8**")
    watched.settled()
    assert sorted(titles(page)) == sorted(before) or titles(page) != before
    assert "k=20" in page.url


def test_a_list_that_nothing_passes_says_so_and_leads_back(look, users):
    page = look(f"#/try?user={users[3]}&least=9000").page
    page.get_by_role("button", name="Clear filters and rules").click()
    page.locator("article").first.wait_for()


def test_long_reasons_are_cut_until_one_asks(look, users):
    page = look(f"#/try?user={users[4]}&k=50").page
    cut = page.locator(".reasons .cut")
    assert page.locator(".reasons .text").count() >= 50
    tall = "all => all.map(one => one.getBoundingClientRect().height)"
    assert all(height < 50 for height in cut.evaluate_all(tall))
    more = page.get_by_role("button", name=re.compile("^More of reason"))
    assert more.count() == cut.count()
    if count := more.count():
        more.first.click()
        assert cut.count() == count - 1


def test_a_history_of_ones_own_is_clicked_together_and_taken_apart(look):
    watched = look("#/try")
    page = watched.page
    page.get_by_text("My own history").click()
    add = page.get_by_role("button", name=re.compile("^Add "))
    add.nth(2).click()
    add.nth(5).click()
    rows = "document.querySelectorAll('[aria-label=History] li').length"
    page.wait_for_function(f"() => {rows} === 2")
    watched.settled()
    assert not [one for one in watched.asked if one[1] == "/v1/events"], "nothing is stored"
    page.get_by_role("button", name=f"cart: {titles(page)[0]}", exact=True).click()
    page.wait_for_function(f"() => {rows} === 3")
    page.get_by_role("button", name=re.compile("^Take out ")).first.click()
    page.wait_for_function(f"() => {rows} === 2")
    watched.settled()
    page.reload()
    watched.settled()
    assert page.locator("[aria-label=History] li").count() == 2
    watched.go("#/attention")
    assert "2 events" in page.locator("[role=application]").get_attribute("aria-label")


def test_a_user_is_forgotten_with_the_proof(look, ask, users):
    page = look(f"#/try?user={users[5]}").page
    page.get_by_role("button", name="Forget this user").click()
    assert ask(f"/v1/users/{users[5]}/history")["events"], "not before it is confirmed"
    page.get_by_role("button", name="Forget for good").click()
    page.get_by_text("left, looked up again").wait_for()
    assert ask(f"/v1/users/{users[5]}/history")["events"] == []
    page.keyboard.press("Escape")
    page.get_by_text("This user has done nothing yet").wait_for()


def test_an_item_is_told_as_the_catalogue_has_it(look, ask):
    item = ask("/v1/items?query=coat&k=1")["items"][0]
    page = look(f"#/item/{item['item_id']}").page
    said = ask(f"/v1/items/{item['item_id']}")
    assert page.locator("h1").text_content() == said["title"]
    terms = page.locator("dl dt").all_text_contents()
    assert len(terms) == len(set(terms)), "nothing is said twice"
    shown = dict(zip(terms, page.locator("dl dd").all_text_contents()))
    assert shown.pop("ID") == item["item_id"]
    assert shown.pop("price") == f"{said['price']:.2f}"
    assert shown == {
        name: str(value) for name, value in said["fields"].items()
        if name not in {"title", "category", "price"}
    }  # fmt: skip


def test_walks_are_drawn_as_wide_as_they_weigh(look, ask):
    item = ask("/v1/items?k=3")["items"][2]["item_id"]
    watched = look(f"#/item/{item}")
    page = watched.page
    weights = np.array([one["weight"] for one in ask(f"/v1/items/{item}/graph")["edges"]])
    lines = page.locator("figure svg").first.locator("line")
    widths = lines.evaluate_all("all => all.map(one => +one.getAttribute('stroke-width'))")
    np.testing.assert_allclose(widths, 0.7 + 7.3 * weights / weights.max(), rtol=1e-6)
    page.locator(".lists a").first.focus()
    assert page.locator("svg line.lit").count() > 0
    title = page.locator("h1").text_content()
    page.locator("section[aria-labelledby=related] a").first.click()
    page.wait_for_function("title => document.querySelector('h1').textContent !== title", arg=title)
    watched.settled()
    page.get_by_role("link", name="Find it on the map").click()
    page.get_by_role("heading", name="Nearest to it").wait_for()


def test_the_heat_map_is_the_attention_of_the_model(look, ask, users):
    page = look(f"#/attention?user={users[8]}&layer=2&head=1").page
    done = [
        {name: one[name] for name in ("item_id", "behaviour", "timestamp")}
        for one in reversed(ask(f"/v1/users/{users[8]}/history?k=500")["events"])
    ]
    answer = ask("/v1/attention", {"history": done[-60:]})
    heard = np.array(answer["layers"][1][0][-1])
    shares = page.locator("aside ol .figures").all_text_contents()
    wanted = [f"{100 * share:.1f} %" for share in np.sort(heard[heard > 0])[::-1][:8]]
    assert shares == wanted
    says = page.locator(".heat p[aria-live]")
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowUp")
    last = np.array(answer["layers"][1][0][-2])
    assert re.search(rf" {100 * last[-2]:.1f} %", says.text_content()) or last[-1] == 0
    before = says.text_content()
    page.locator("[role=application]").hover(position={"x": 200, "y": 200})
    assert says.text_content() != before


def test_the_report_shows_the_figures_of_the_report(look, ask):
    page = look("#/report").page
    report = ask("/v1/report")
    best = max(report["runs"], key=lambda one: one["metrics"]["ndcg@10"]["mean"])
    said = page.locator(".findings").text_content()
    assert f"{best['run'].rsplit('/')[-1]} leads with ndcg@10" in said
    page.get_by_label("Metric").select_option("hr@10")
    table = page.get_by_role("table", name="hr@10 of every model").text_content()
    for one in report["runs"]:
        assert f"{one['metrics']['hr@10']['mean']:.4f}" in table
    page.get_by_role("combobox", name="Model").select_option("markov")
    pairs = page.get_by_role("table", name="markov minus the others, in hr@10")
    assert pairs.get_by_role("row").count() >= len(report["runs"]) - 1
    assert re.search("metric=hr%4010&run=markov", page.url)


def test_the_intervals_of_an_experiment_are_drawn_over_time(look, ask):
    page = look("#/experiments/vine-against-markov").page
    report = ask("/v1/experiments/vine-against-markov/report")
    # As many days as were made, and those of whom other tests have asked for since.
    assert len(report["over_time"]) >= 20
    page.get_by_text("Users fell as designed").wait_for()
    (effect,) = report["effects"]
    shown = page.locator("main").text_content()
    for value in (effect["difference"], effect["low"], effect["high"]):
        assert f"{'+' if value > 0 else '−'}{abs(value):.4f}" in shown
    for one in report["arms"]:
        assert f"{one['users']} users, 50 % by design" in shown
    # As many points as days, and a band from the first day that has an interval.
    line = page.locator("path.line").get_attribute("d")
    known = [day["effects"][0] for day in report["over_time"]]
    assert len(re.findall("[ML]", line)) == sum(one["difference"] is not None for one in known)
    band = page.locator("path.band").get_attribute("d")
    assert len(re.findall("[ML]", band)) == 2 * sum(one["low"] is not None for one in known)


def test_an_experiment_is_made_and_users_fall_into_it(look, ask):
    watched = look("#/experiments", refused=True)
    page = watched.page
    page.get_by_role("button", name="New experiment").click()
    page.get_by_label("Name", exact=True).fill("second")
    page.get_by_label("Layer", exact=True).fill("other")
    page.get_by_label("Days that count").fill("0")
    page.get_by_label("Share of arm 1").fill("70")
    page.get_by_text("add up to 120 %").wait_for()
    assert page.get_by_role("button", name="Start it").is_disabled()
    page.get_by_label("Share of arm 1").fill("50")
    page.get_by_label("Run of arm 2").fill("nowhere")
    page.get_by_role("button", name="Start it").click()
    page.get_by_role("dialog").get_by_text("nowhere").first.wait_for()
    page.get_by_label("Run of arm 2").fill("markov")
    page.get_by_role("button", name="Start it").click()
    page.wait_for_url("**/experiments/second**")
    page.get_by_text("Nobody has been in it yet").wait_for()
    arms = {}
    for number in range(60):
        answer = ask(f"/v1/users/visitor{number}/recommendations")
        arms[f"visitor{number}"] = answer["experiments"]["second"]
    item = ask("/v1/items?k=1")["items"][0]["item_id"]
    second = sorted(set(arms.values()))[1]
    events = [
        {"event_id": f"e{n}", "user_id": user, "item_id": item, "behaviour": "buy"}
        for n, user in enumerate(arms)
        if arms[user] == second or n % 3 == 0
    ]
    ask("/v1/events", {"events": events})
    page.reload()
    watched.settled()
    report = ask("/v1/experiments/second/report")
    assert sum(one["users"] for one in report["arms"]) == 60
    page.get_by_text("Users fell as designed").wait_for()
    shown = page.locator("main").text_content()
    for one in report["arms"]:
        assert str(one["users"]) in shown
    (effect,) = report["effects"]
    signs = {True: "+", False: "−"}
    assert f"{signs[effect['difference'] > 0]}{abs(effect['difference']):.4f}" in shown


def test_live_traffic_goes_on_pauses_and_a_bad_run_is_refused(look, ask, address):
    watched = look("#/live", refused=True)
    page = watched.page

    def polls():
        return sum(path.startswith("/v1/traffic") for _, path in watched.asked)

    before = polls()
    page.wait_for_timeout(3500)
    assert polls() > before
    page.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(300)
    paused = polls()
    page.wait_for_timeout(3500)
    assert polls() == paused
    name = ask("/v1/model")["name"]
    page.get_by_label("Put another run").fill("elsewhere")
    page.get_by_role("button", name="Swap").click()
    page.get_by_text("is not a run folder").first.wait_for()
    assert ask("/v1/model")["name"] == name
    page.get_by_label("Put another run").fill("popularity")
    page.get_by_role("button", name="Swap").click()
    page.get_by_text("answers now").first.wait_for()
    assert ask("/v1/model")["name"] == "popularity"
    # What this one cannot do is said in words, and is no fault.
    watched.go("#/attention?user=nobody")
    watched.go("#/map")
    page.get_by_text("has no vectors to make a map of").wait_for()
    watched.go("#/report")
    page.get_by_text("No report yet").wait_for()
    ask("/v1/model", {"run": "vine"})


def test_a_hidden_page_asks_nothing(look):
    watched = look("#/live")
    page = watched.page
    page.evaluate("""() => {
      Object.defineProperty(document, "hidden", { value: true, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    page.wait_for_timeout(500)
    before = len(watched.asked)
    page.wait_for_timeout(3000)
    assert len(watched.asked) == before
    page.evaluate("""() => {
      delete document.hidden;
      document.dispatchEvent(new Event("visibilitychange"));
    }""")
    page.wait_for_timeout(1000)
    assert len(watched.asked) > before


def test_a_fault_is_told_in_the_services_words_and_asking_again_mends_it(look, refuse, users):
    watched = look("#/report", refused=True)
    page = watched.page
    refuse(page, "/v1/recommendations", 503, "The model is being loaded.", "Wait a moment.")
    page.evaluate(f"() => {{ location.hash = '#/try?user={users[3]}'; }}")
    page.get_by_text("The model is being loaded.").wait_for()
    page.get_by_text("Wait a moment.").wait_for()
    page.get_by_role("button", name="Try again").click()
    page.locator("article").first.wait_for()


def test_a_service_that_is_gone(look, shop, tmp_path):
    with service(shop / "runs" / "popularity", tmp_path) as address:
        watched = look("#/report", address=address, refused=True)
    watched.page.evaluate("() => { location.hash = '#/experiments'; }")
    watched.page.get_by_text("Is `grapevine serve` still running?").first.wait_for()


def test_a_key_is_asked_for_used_for_pictures_kept_for_the_tab_and_forgotten(look, shop, tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        key = store.add_key("page", ["read"])
    options = ("--data", shop / "shop")
    with service(shop / "runs" / "vine", tmp_path, *options) as address:
        watched = look("#/try", address=address, refused=True)
        page = watched.page
        page.get_by_text("This service asks for a key.").wait_for()
        page.get_by_label("Key", exact=True).fill(key)
        page.get_by_role("button", name="Use this key").click()
        page.locator("article").first.wait_for()
        page.wait_for_function("""() => {
          const canvas = document.querySelector("article canvas");
          return canvas && canvas.width > 16 && canvas.toDataURL().length > 2000;
        }""")
        page.reload()
        page.locator("article").first.wait_for()
        kept = "[Object.keys(localStorage), Object.keys(sessionStorage)]"
        assert page.evaluate(kept) == [[], ["grapevine-key"]]
        page.get_by_role("button", name="Key set").click()
        page.get_by_role("button", name="Forget it").click()
        page.get_by_text("This service asks for a key.").wait_for()
        assert page.evaluate("sessionStorage.length") == 0
        assert watched.wrong() == []
