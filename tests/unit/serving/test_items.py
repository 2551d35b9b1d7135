"""Items put and deleted over HTTP: at once, for good, and nothing that could not be."""

import json
import time

import pytest

import grapevine as gv
from grapevine.serving.engine import Filters
from grapevine.serving.store import open_store


def items_of(answer):
    assert answer.status_code == 200, answer.text
    return [one["item_id"] for one in answer.json()["items"]]


def some_items(client, k=5):
    return [one["item_id"] for one in client.get(f"/v1/items?k={k}").json()["items"]]


def twin_of(client, item):
    """Fields that equal those of an item."""
    told = client.get(f"/v1/items/{item}").json()["fields"]
    return {name: value for name, value in told.items() if value is not None}


@pytest.fixture
def put(client):
    """Puts a new item that equals another in all that is said of it."""

    def put_(name, like=None, **more):
        fields = twin_of(client, like or some_items(client, 1)[0]) | more
        return client.put(f"/v1/items/{name}", json={"fields": fields})

    return put_


def test_a_new_item_counts_from_the_next_answer_on(client, put):
    first = some_items(client, 1)[0]
    assert put("n1", title="Brand new").json() == {"put": 1, "deleted": 0, "unchanged": 0}
    assert put("n1", title="Brand new").json() == {"put": 0, "deleted": 0, "unchanged": 1}
    assert client.get("/v1/items/n1").json()["title"] == "Brand new"
    assert client.get("/v1/items?query=brand").json()["items"][0]["item_id"] == "n1"
    related = client.get("/v1/items/n1/related?k=3&why=true").json()
    assert related["fallback"] == "content"
    assert related["items"][0]["item_id"] == first
    history = [{"item_id": one} for one in some_items(client, 3)]
    body = {"history": history, "k": 500, "why": True, "filters": {"only": ["n1", first]}}
    told = client.post("/v1/recommendations", json=body).json()["items"]
    (shown,) = (one for one in told if one["item_id"] == "n1")
    assert shown["source"] == "content"
    assert (shown["reasons"][0]["kind"], shown["image"]) == ("new", None)
    assert "new since the model was trained" in shown["reasons"][0]["text"]
    assert client.get("/v1/items/n1/graph").json()["edges"]


def test_what_is_deleted_is_shown_no_more(client):
    user = client.get("/v1/users").json()["users"][0]["user_id"]
    first = items_of(client.get(f"/v1/users/{user}/recommendations?k=3"))[0]
    gone = {"put": 0, "deleted": 1, "unchanged": 0}
    assert client.delete(f"/v1/items/{first}").json() == gone
    assert client.delete(f"/v1/items/{first}").json() == {"put": 0, "deleted": 0, "unchanged": 1}
    assert first not in items_of(client.get(f"/v1/users/{user}/recommendations?k=500"))
    assert first not in some_items(client, 200)
    for path in ("", "/related", "/graph", "/image"):
        assert client.get(f"/v1/items/{first}{path}").status_code == 404
    assert client.put(f"/v1/items/{first}", json={"fields": {}}).json()["put"] == 1
    assert items_of(client.get(f"/v1/users/{user}/recommendations?k=3"))[0] == first
    assert client.delete("/v1/items/nobody-knows-it").status_code == 404


def test_price_and_stock_of_an_item_are_those_that_were_said_last(client):
    item = some_items(client, 1)[0]
    before = client.get(f"/v1/items/{item}").json()
    client.put(f"/v1/items/{item}", json={"fields": {"price": 7777.0}})
    assert client.get(f"/v1/items/{item}").json()["price"] == 7777.0
    assert client.get(f"/v1/items/{item}").json()["title"] == before["title"]
    dear = {"history": [{"item_id": one} for one in some_items(client, 3)[1:]], "k": 5}
    answer = client.post("/v1/recommendations", json={**dear, "filters": {"price": {"least": 7e3}}})
    assert items_of(answer) == [item]


def test_many_at_once_are_all_or_none(client):
    item = some_items(client, 1)[0]
    fields = twin_of(client, item)
    body = [{"item_id": f"n{n}", "fields": fields} for n in range(50)]
    body += [{"item_id": item, "deleted": True}]
    wrong = [*body, {"item_id": "n9", "fields": {"price": "dear"}}]
    refused = client.post("/v1/items", json={"items": wrong})
    assert refused.status_code == 422
    assert "`price` holds a number" in refused.json()["error"]["message"]
    assert client.get("/v1/items/n0").status_code == 404
    assert client.post("/v1/items", json={"items": body}).json() == {
        "put": 50, "deleted": 1, "unchanged": 0,
    }  # fmt: skip
    assert client.get("/v1/items/n49").status_code == 200
    assert client.get(f"/v1/items/{item}").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/items/" + "i" * 129, {"fields": {}}, 422),
        ("/v1/items/a%00b", {"fields": {}}, 422),
        ("/v1/items/a%0Ab", {"fields": {}}, 422),
        ("/v1/items/e%CC%81", {"fields": {}}, 422),  # not in normal form C
        ("/v1/items/a", {}, 422),
        ("/v1/items/a", {"fields": {"nope": 1}}, 422),
        ("/v1/items/a", {"fields": {"title": "\x00"}}, 422),
        ("/v1/items/a", {"fields": {"title": "x" * 10_001}}, 422),
        ("/v1/items/a", {"fields": {"title": {"a": 1}}}, 422),
        ("/v1/items/a", {"fields": {"title": [["a"]]}}, 422),
        ("/v1/items/a", {"fields": {"price": 1e39}}, 422),
        ("/v1/items/a", {"fields": {"item_id": "b"}}, 422),
        ("/v1/items/a", {"fields": {f"c{n}": 1 for n in range(101)}}, 422),
        ("/v1/items/a", {"fields": {}, "more": 1}, 422),
        ("/v1/items/a", {"fields": {"title": "x" * (1 << 20)}}, 413),
    ],
)
def test_what_cannot_be_is_refused(client, path, body, status):
    answer = client.put(path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
    assert client.app.state.service.store.shelf.since() == []


def test_payloads_are_kept_as_they_are_and_shown_as_text(client, put):
    for n, text in enumerate(("<script>alert(1)</script>", "'; DROP TABLE items; --", "{{7*7}}")):
        assert put(f"p{n}", title=text).status_code == 200
        told = client.get(f"/v1/items/p{n}")
        assert told.json()["title"] == text
        assert told.headers["content-type"] == "application/json"
    odd = "../../etc'\"<b>"
    assert client.put(f"/v1/items/{odd.replace('/', '%2F')}", json={"fields": {}}).status_code in {
        200, 404, 405,
    }  # fmt: skip


def test_they_outlive_a_restart_and_another_model(serve, tmp_path):
    with serve() as client:
        item, other = some_items(client, 2)
        fields = twin_of(client, item) | {"title": "Kept"}
        client.put("/v1/items/n1", json={"fields": fields})
        client.delete(f"/v1/items/{other}")
        # As after a kill: nothing is said to be done before it is durable.
        with open_store(f"sqlite:///{tmp_path / 'store.db'}", read_only=True) as beside:
            assert [one.item_id for one in beside.shelf.since()] == ["n1", other]
    with serve() as client:
        for run in ("", "ease", "markov"):
            if run:
                assert client.post("/v1/model", json={"run": run}).status_code == 200
            assert client.get("/v1/items/n1").json()["title"] == "Kept"
            assert client.get(f"/v1/items/{other}").status_code == 404
            question = {"history": [{"item_id": item}], "k": 500, "exclude_seen": False}
            found = items_of(client.post("/v1/recommendations", json=question))
            assert "n1" in found
            assert other not in found


def test_what_another_server_said_is_followed(client):
    service = client.app.state.service
    item, *others = some_items(client, 4)
    beside = {"item_id": "n1", "fields": twin_of(client, item)}
    from grapevine.serving.store import Item

    service.store.shelf.put([Item(beside["item_id"], beside["fields"]), Item(others[0], None)])
    deadline = time.monotonic() + 20
    while client.get("/v1/items/n1").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert client.get(f"/v1/items/{others[0]}").status_code == 404


def test_who_takes_a_new_item_tells_where_it_stands(client, send, put):
    service = client.app.state.service
    first, *others = some_items(client, 8)
    put("n1", like=first)
    far = others[-1]
    events = [(f"e{n}{one}", f"p{n}", one, "buy") for n in range(30) for one in ("n1", far)]
    assert send(*events).status_code == 202
    service.following.lately()
    assert service.following.live.beside["n1"] == {far: pytest.approx(30.0)}
    with service.host.lease() as served:
        placed = served.over.placed
        assert served.catalogue.ids[placed.kin[0, 0]] == far
        assert placed.how == ["content and events"]
    # Whoever is forgotten speaks for nothing any more.
    for n in range(30):
        client.delete(f"/v1/users/p{n}")
    service.following.lately()
    assert service.following.live.beside["n1"] == {}


def test_strangers_get_what_is_popular_now(serve):
    with serve("ease") as client:
        service = client.app.state.service
        trained = items_of(client.get("/v1/users/nobody/recommendations?k=300"))
        last = trained[-1]
        names = ("event_id", "user_id", "item_id", "behaviour")
        events = [dict(zip(names, (f"e{n}", f"p{n}", last, "buy"))) for n in range(200)]
        assert client.post("/v1/events", json={"events": events}).status_code == 202
        service.following.lately()
        answer = client.get("/v1/users/nobody/recommendations?k=300").json()
        assert answer["fallback"] == "popular"
        assert answer["items"][0]["item_id"] == last
        assert [one["item_id"] for one in answer["items"][1:3]] == trained[:2]


def test_no_more_items_are_new_than_are_looked_through(client, put, monkeypatch):
    monkeypatch.setattr("grapevine.serving.service.MOST_NEW", 2)
    assert put("n1").status_code == 200
    assert put("n2").status_code == 200
    refused = put("n3")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "full")
    assert put("n2", title="changed").status_code == 200


def test_where_ids_are_integers_new_ones_are_too(shop, tmp_path):
    from grapevine.serving.engine import Live, Served

    events = tmp_path / "events.csv"
    rows = [f"{user},{(user + step) % 7},{step}" for user in range(9) for step in range(3)]
    events.write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n")
    from grapevine.data.importer import import_events

    import_events(events, tmp_path / "data")
    gv.fit("als", gv.pipeline.load(tmp_path / "data"), out=tmp_path / "run")
    served = Served.open(tmp_path / "run").with_live(Live().said({"70": {}, "007": {}, "x": {}}))
    assert served.catalogue.ids[-1] == 70
    for wrong in ("007", "x", "1.0", "", "9" * 30):
        with pytest.raises(gv.errors.ConfigError, match="are integers"):
            served.catalogue.refuse_misfits(wrong, {})


@pytest.mark.parametrize(
    "fields",
    [
        {"price": 10**400},
        {"listed_at": "0001-01-01T00:00:00+23:59"},
        {"listed_at": "9999-12-31T23:59:59-10:00"},
    ],
)
def test_what_no_column_could_hold_is_refused_and_not_kept(client, fields):
    body = json.dumps({"fields": fields})
    answer = client.put("/v1/items/n1", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert client.get("/v1/items/n1").status_code == 404
    assert client.app.state.service.store.shelf.since() == []


def test_filters_are_kept_no_more_than_so_many(client):
    catalogue = client.app.state.service.host.current().catalogue
    for most in range(1100):
        catalogue.allowed(Filters(most=float(most)))
    assert len(catalogue._masks) == 1_000
