"""Everything that comes from data is an attack: 200 of them as titles, IDs, fields, categories,
reasons, users, warnings, faults. All are shown as they are, and none does anything."""

import json
import urllib.error
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import polars as pl
import pytest

import driver
import grapevine as gv
from driver import asked
from grapevine.serving.store.checks import id_fault
from grapevine.testing.worlds import world

pytestmark = pytest.mark.slow
PAYLOADS = json.loads(
    (Path(__file__).parents[2] / "page" / "test" / "payloads.json").read_text(encoding="utf-8")
)
IDS = [f"item {n}" if id_fault(one) else one for n, one in enumerate(PAYLOADS)]
USERS = [one for one in PAYLOADS if not id_fault(one)][:40]
MADE = (
    "#page script, iframe, object, embed, base, meta[http-equiv], marquee, math, template, "
    "form[action], a[href^='javascript'], [onerror], [onload], link[href*='example']"
)


def hostile(folder):
    """A run that learnt from nothing but attacks."""
    events = [
        (user, IDS[(7 * place + step) % len(IDS)], ("click", "buy")[step % 2], 1000 * step)
        for place, user in enumerate(USERS)
        for step in range(20)
    ]
    plain = world(events, items=IDS, behaviours=("click", "buy"))
    titles = dict(zip(IDS, PAYLOADS))
    table = plain.item_table.with_columns(
        title=pl.col("item_id").replace_strict(titles),
        brand=pl.col("item_id").replace_strict(titles),
        category=pl.Series([PAYLOADS[7 * (row % 12)] for row in range(len(IDS))]),
    )
    roles = {"title": "title", "brand": "category", "category": "category"}
    schema = gv.data.schema.Schema(
        name=PAYLOADS[1], behaviours=plain.schema.behaviours, items=roles
    )
    data = type(plain)(
        schema=schema, users=plain.users, items=plain.items, interactions=plain.interactions,
        item_table=table,
    )  # fmt: skip
    small = ("model.epochs=1", "model.width=8", "model.length=10")
    gv.fit("vine", data, out=folder / "vine", settings=small)
    return folder / "vine"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with driver.service(hostile(folder), folder) as found:
        yield found


@pytest.fixture
def harmless(look):
    """A page; at the end nothing may have come of what it was shown."""
    watched = look("#/item", refused=True)
    yield watched
    assert watched.wrong() == []
    assert watched.page.locator(MADE).count() == 0
    assert watched.page.title().endswith("Grapevine")


def test_titles_ids_and_fields_of_items(harmless):
    page = harmless.page
    empty = {"items": [], "nodes": [], "edges": []}
    page.route("**/related*", lambda route: route.fulfill(json=empty))
    page.route("**/graph", lambda route: route.fulfill(json=empty))
    shown = """([id, title]) => document.querySelector("dl dd")?.textContent === id
      && document.querySelector("h1").textContent === title"""
    for name, title in zip(IDS, PAYLOADS):
        page.evaluate("view => { location.hash = view; }", f"#/item/{quote(name, safe='')}")
        page.wait_for_function(shown, arg=[name, title])
    assert harmless.wrong() == []


def test_related_items_walks_and_the_map(harmless):
    page = harmless.page
    harmless.go(f"#/item/{quote(IDS[9], safe='')}")
    assert page.locator(".lists a").count() >= 5
    assert {*page.locator(".lists .clip").all_text_contents()} <= {*PAYLOADS}
    harmless.go(f"#/map?{urlencode({'item': IDS[3]})}")
    assert page.locator(".chosen b").text_content() == PAYLOADS[3]
    page.mouse.move(640, 400)
    legend = {one.strip() for one in page.locator(".legend .clip").all_text_contents()}
    assert legend == {PAYLOADS[7 * row] for row in range(12)}


def test_reasons_and_titles_of_recommendations(harmless):
    page, left = harmless.page, [*PAYLOADS]

    def told(route):
        answer = route.fetch()
        said = answer.json()
        for item in said["items"]:
            item["reasons"] = [{"kind": "history", "text": left.pop(), "items": []}] if left else []
        route.fulfill(response=answer, json=said)

    page.route("**/v1/recommendations", told)
    shown = set()
    for user in USERS[:8]:
        harmless.go(f"#/try?{urlencode({'user': user, 'k': 50})}")
        assert user in page.locator("[aria-label=History] h2").text_content()
        titles = page.locator("[aria-label=Recommendations] h3").all_text_contents()
        assert titles
        assert {*titles} <= {*PAYLOADS}
        shown |= {*page.locator(".reasons .text").all_text_contents()}
    assert {*PAYLOADS} <= shown | {*left}
    assert not left


def test_real_reasons_carry_titles(harmless, address):
    harmless.go(f"#/try?{urlencode({'user': USERS[5]})}")
    answer = asked(address, "/v1/recommendations", {"user_id": USERS[5], "k": 10, "why": True})
    texts = [why["text"] for one in answer["items"] for why in one["reasons"]]
    assert harmless.page.locator(".reasons .text").all_text_contents() == texts


def test_events_of_users_who_are_called_so(harmless, address):
    for number, name in enumerate(USERS):
        event = {"event_id": name, "user_id": f"new {name}"[:100], "item_id": IDS[number],
                 "behaviour": "buy"}  # fmt: skip
        assert asked(address, "/v1/events", {"events": [event]}) == {"new": 1, "repeated": 0}
    page = harmless.page
    harmless.go(f"#/try?{urlencode({'user': f'new {USERS[4]}'[:100]})}")
    assert PAYLOADS[4] in page.locator("[aria-label=History] li").first.text_content()
    # The store stands, with every event in it.
    assert len(asked(address, "/v1/users?k=40&query=new")["users"]) == len(USERS)


def test_attention_experiments_and_live_traffic(harmless, address):
    # Names of experiments, layers and arms are words; the service refuses others. The page must not
    # rely on that.
    arms = [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5}]
    body = {"arms": arms, "metric": "buy", "salt": USERS[4]}
    for name in PAYLOADS:
        with pytest.raises(urllib.error.HTTPError, match=r"4\d\d"):
            asked(address, f"/v1/experiments/{quote(name, safe='')}", body, "PUT")
    asked(address, "/v1/experiments/plain", body, "PUT")

    def renamed(route):
        answer = route.fetch()
        said = (
            answer.text().replace('"a"', json.dumps(USERS[2])).replace('"b"', json.dumps(USERS[3]))
        )
        route.fulfill(response=answer, body=said.replace('"plain"', json.dumps(USERS[7])))

    for number in range(20):
        asked(address, f"/v1/users/u{number}/recommendations")
    harmless.page.route("**/v1/experiments", renamed)
    harmless.page.route(
        "**/v1/experiments/*/report",
        lambda route: renamed(
            SimpleNamespace(
                fetch=lambda: route.fetch(url=f"{address}/v1/experiments/plain/report"),
                fulfill=route.fulfill,
            )
        ),
    )
    name = USERS[7]
    for view in (f"#/attention?{urlencode({'user': USERS[5]})}", "#/live", "#/experiments",
                 f"#/experiments/{quote(name, safe='')}"):  # fmt: skip
        harmless.go(view)
        harmless.page.mouse.move(640, 400)
        harmless.page.wait_for_timeout(200)
        assert harmless.wrong() == []
    assert harmless.page.locator(".list b").all_text_contents() == [name]
    text = harmless.page.locator("main").text_content()
    assert USERS[2] in text
    assert USERS[3] in text


def test_the_report_and_faults(harmless):
    page = harmless.page
    metrics = {"ndcg@10": {"mean": 0.5, "low": 0.4, "high": 0.6}}
    report = {
        "protocol": {PAYLOADS[8]: PAYLOADS[9]},
        "runs": [
            {"run": one, "model": one, "seeds": [0], "metrics": metrics, "train_seconds": 1,
             "evaluate_seconds": 1} for one in PAYLOADS[:20]
        ],
        "comparisons": [], "warnings": PAYLOADS,
    }  # fmt: skip
    page.route("**/v1/report", lambda route: route.fulfill(json=report))
    harmless.go("#/report")
    assert page.locator(".warnings li").all_text_contents() == PAYLOADS
    error = {"error": {"code": "x", "message": PAYLOADS[0], "hint": PAYLOADS[1], "where": None}}
    page.route("**/v1/experiments", lambda route: route.fulfill(status=500, json=error))
    harmless.go("#/experiments")
    assert page.locator(".what").first.text_content() == PAYLOADS[0]
