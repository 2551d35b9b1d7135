"""The service over HTTP, as those who use it meet it."""

import struct
import threading
import time
from urllib.parse import quote

import numpy as np
import pytest

import grapevine as gv
from grapevine.errors import StoreError
from grapevine.serving import browse
from grapevine.serving.store import Event

NAMES = ("event_id", "user_id", "item_id", "behaviour")


def items_of(answer):
    assert answer.status_code == 200, answer.text
    return [one["item_id"] for one in answer.json()["items"]]


def somebody(client):
    return client.get("/v1/users").json()["users"][0]["user_id"]


def some_items(client, k=5):
    return [one["item_id"] for one in client.get(f"/v1/items?k={k}").json()["items"]]


def test_a_user_is_answered_as_offline(client, shop):
    run, user = gv.open_run(shop / "runs" / "markov"), somebody(client)
    wanted = run.recommend(users=[user], k=7)
    answer = client.get(f"/v1/users/{user}/recommendations?k=7")
    assert items_of(answer) == wanted["item_id"].to_list()
    told = answer.json()
    np.testing.assert_allclose([one["score"] for one in told["items"]], wanted["score"], rtol=1e-5)
    assert [one["rank"] for one in told["items"]] == list(range(1, 8))
    assert told["items"][0]["title"]
    assert told["model"]["name"] == "markov"
    assert told["user_id"] == user
    assert told["request_id"] == answer.headers["x-request-id"]


def test_the_last_click_counts_in_the_next_answer(client, send):
    first, second = some_items(client, 2)
    assert send(("e1", "new", first, "buy")).json() == {"new": 1, "repeated": 0}
    after_first = items_of(client.get("/v1/users/new/recommendations"))
    assert first not in after_first
    assert after_first == items_of(client.get(f"/v1/items/{first}/related"))
    send(("e2", "new", second, "buy"))
    assert items_of(client.get("/v1/users/new/recommendations")) != after_first
    history = client.get("/v1/users/new/history").json()["events"]
    assert [one["item_id"] for one in history] == [second, first]


def test_events_count_once(client, send):
    item = some_items(client, 1)[0]
    event = ("e1", "new", item, "click")
    answer = send(event)
    assert answer.status_code == 202
    assert send(event, ("e2", "new", item, "click"), event).json() == {
        "new": 1, "repeated": 2,
    }  # fmt: skip
    assert client.get(f"/v1/items/{item}").json()["events"] == {"click": 2}


def test_what_the_run_does_not_know_is_kept_and_told(client, send):
    item = some_items(client, 1)[0]
    known = ("e1", "new", item, "buy")
    assert "unknown" not in send(known).json()
    answer = send(
        known, ("e2", "new", item, "buyy"), ("e3", "new", "nope", "buy"), ("e4", "x", "no", "hmm")
    )
    assert answer.status_code == 202
    assert answer.json() == {
        "new": 3, "repeated": 1, "unknown": {"behaviours": ["buyy", "hmm"], "items": 2},
    }  # fmt: skip
    # An item that is put there is known from then on.
    fields = client.get(f"/v1/items/{item}").json()["fields"]
    assert client.put("/v1/items/nope", json={"fields": fields}).status_code == 200
    assert "unknown" not in send(("e5", "new", "nope", "buy")).json()


def test_a_stranger_is_answered_and_it_is_said_how(serve):
    with serve("ease") as client:
        told = client.post("/v1/recommendations", json={"k": 3}).json()
    assert told["fallback"] == "popular"
    assert len(told["items"]) == 3
    assert told["user_id"] is None


def test_filters_and_rules(client):
    user = somebody(client)
    every = client.post("/v1/recommendations", json={"user_id": user, "k": 50}).json()["items"]
    category = every[3]["category"]

    def ask(**more):
        return client.post("/v1/recommendations", json={"user_id": user, "k": 5, **more})

    found = ask(filters={"category": [category], "exclude": [every[3]["item_id"]]}).json()["items"]
    assert found
    assert {one["category"] for one in found} == {category}
    assert every[3]["item_id"] not in items_of(ask(filters={"exclude": [every[3]["item_id"]]}))
    cheap = ask(filters={"price": {"most": 30}}).json()["items"]
    assert all(one["price"] <= 30 for one in cheap)
    pinned = every[40]["item_id"]
    assert items_of(ask(rules={"pin": [{"item_id": pinned, "rank": 2}]}))[1] == pinned
    assert items_of(ask(filters={"only": [pinned]})) == [pinned]


def test_caps_are_of_what_was_shown(client, send):
    item = some_items(client, 1)[0]
    send(("e1", "new", item, "buy"))
    question = {"user_id": "new", "k": 3, "rules": {"cap": {"times": 1, "hours": 1}}}
    first = items_of(client.post("/v1/recommendations", json=question))
    wait_until_written(send, client)
    second = items_of(client.post("/v1/recommendations", json=question))
    assert not set(first) & set(second)


def wait_until_written(send, client):
    """What was shown is written in turn: an event that is acknowledged came after it."""
    wait_until_written.count = getattr(wait_until_written, "count", 0) + 1
    send((f"turn{wait_until_written.count}", "turn", some_items(client, 1)[0], "click"))


def test_many_questions_at_once(client):
    users = [one["user_id"] for one in client.get("/v1/users?k=3").json()["users"]]
    body = {"requests": [{"user_id": user, "k": 4} for user in users]}
    answers = client.post("/v1/recommendations/batch", json=body).json()["answers"]
    for user, answer in zip(users, answers):
        alone = client.get(f"/v1/users/{user}/recommendations?k=4")
        assert [one["item_id"] for one in answer["items"]] == items_of(alone)
    assert len({one["request_id"] for one in answers}) == 3


def test_reasons_are_told(client):
    told = client.get(f"/v1/users/{somebody(client)}/recommendations?why=true&k=3").json()
    for one in told["items"]:
        assert one["reasons"]
        assert one["reasons"][0]["text"]


def test_items_are_found_and_seen(client):
    found = client.get("/v1/items?k=1").json()["items"][0]
    whole = client.get(f"/v1/items/{found['item_id']}").json()
    assert whole["title"] == found["title"]
    assert whole["fields"]["price"] == found["price"]
    word = found["title"].split()[0]
    titles = [one["title"] for one in client.get(f"/v1/items?query={word}").json()["items"]]
    assert titles
    assert all(word.lower() in one.lower() for one in titles)
    picture = client.get(found["image"])
    assert picture.content.startswith(b"\x89PNG")
    assert picture.headers["content-type"] == "image/png"
    around = client.get(f"/v1/items/{found['item_id']}/graph").json()
    names = {one["id"] for one in around["nodes"]}
    assert found["item_id"] in names
    assert all({one["source"], one["target"]} <= names for one in around["edges"])


@pytest.mark.parametrize(
    "path", ["/v1/items/nope", "/v1/items/nope/related", "/v1/items/nope/graph",
             "/v1/items/nope/image", "/v1/experiments/nope/report", "/v1/nope"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]


def test_ids_may_hold_slashes(client, send):
    item = some_items(client, 1)[0]
    for n, user in enumerate(("a/b", "a%2Fb", "../c", "d?e#f", "/")):
        send((f"slash{n}", user, item, "buy"))
        address = f"/v1/users/{quote(user, safe='')}"
        answer = client.get(f"{address}/history")
        assert answer.status_code == 200, (user, answer.text)
        history = answer.json()
        assert history["user_id"] == user
        assert [one["item_id"] for one in history["events"]] == [item]
        assert client.get(f"{address}/recommendations").json()["user_id"] == user
        assert client.delete(address).json()["removed"]["events"] == 1
    assert client.get("/v1/items/a%2Fb/graph").json()["error"]["code"] == "no_item"
    assert client.get("/v1/items/a%1Fb/graph").status_code == 422
    assert client.get("/v1%2Fitems").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/events", {"events": []}, 422),
        ("/v1/events", {"events": [{"event_id": "a", "user_id": "b", "item_id": "c"}]}, 422),
        ("/v1/events", {"events": [dict.fromkeys(NAMES, "a\x00")]}, 422),
        ("/v1/recommendations", {"k": 0}, 422),
        ("/v1/recommendations", {"k": 501}, 422),
        ("/v1/recommendations", {"nope": 1}, 422),
        ("/v1/recommendations", {"behaviour": "nope"}, 422),
        ("/v1/recommendations", {"filters": {"where": ["nope=1"]}}, 422),
        ("/v1/model", {"run": "../../etc"}, 422),
        ("/v1/model", {"run": "nope"}, 409),
        ("/v1/attention", {"history": [{"item_id": "nope"}]}, 422),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(client, path, body, status):
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
    assert client.get("/readyz").status_code == 200


def test_what_is_no_json_is_refused(client):
    for body in (b"{", b"\xff\xfe", b"[1, NaN"):
        answer = client.post(
            "/v1/events", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code in {400, 422}
        assert answer.json()["error"]["code"]


def test_forgetting_leaves_nothing(client, send):
    user, item = somebody(client), some_items(client, 1)[0]
    before = items_of(client.get(f"/v1/users/{user}/recommendations"))
    send(("e1", user, item, "click"))
    proof = client.delete(f"/v1/users/{user}").json()
    assert proof["left"] == 0
    assert proof["removed"]["events"] == 1
    assert client.get(f"/v1/users/{user}/history").json()["events"] == []
    after = client.get(f"/v1/users/{user}/recommendations").json()
    assert after["user_id"] == user
    assert [one["item_id"] for one in after["items"]] != before


def test_models_are_swapped_and_bad_ones_refused(client, shop, tmp_path):
    before = client.get("/v1/model").json()
    done = client.post("/v1/model", json={"run": "ease"})
    assert done.status_code == 200, done.text
    assert client.get("/v1/model").json()["name"] == "ease"
    weights = shop / "runs" / "broken" / "model.safetensors"
    if not weights.parent.exists():
        import shutil

        shutil.copytree(shop / "runs" / "markov", weights.parent)
        whole = bytearray(weights.read_bytes())
        whole[-9] ^= 1
        weights.write_bytes(whole)
    refused = client.post("/v1/model", json={"run": "broken"})
    assert refused.status_code == 409
    said = refused.json()["error"]
    assert "model.safetensors" in said["message"]
    assert "hint" not in said["message"]
    assert said["hint"] == "copy the folder again, whole, or make it again"
    assert client.get("/v1/model").json()["name"] == "ease"
    ready = client.get("/readyz").json()
    assert ready["last_refusal"] == said["message"].replace(f"{shop / 'runs'}/", "")
    assert ready["last_refusal_hint"] == said["hint"]
    assert client.post("/v1/model", json={"run": "markov"}).status_code == 200
    assert client.get("/v1/model").json()["version"] == before["version"]


def test_experiments_are_told_by_what_their_users_do(client, send):
    body = {
        "arms": [
            {"name": "control", "share": 0.5},
            {"name": "other", "share": 0.5, "run": "popularity"},
        ],
        "metric": "buy",
    }
    answer = client.put("/v1/experiments/first", json=body)
    assert answer.status_code == 200, answer.text
    items, arms = some_items(client, 3), {}
    for n in range(60):
        told = client.get(f"/v1/users/p{n}/recommendations").json()
        arms[f"p{n}"] = told["experiments"]["first"]
        assert (told["model"]["name"] == "popularity") == (arms[f"p{n}"] == "other")
    assert {*arms.values()} == {"control", "other"}
    wait_until_written(send, client)
    bought = [
        (f"b{n}", user, items[0], "buy") for n, user in enumerate(arms) if arms[user] == "other"
    ]
    send(*bought)
    report = client.get("/v1/experiments/first/report").json()
    users = {one["name"]: one["users"] for one in report["arms"]}
    assert sum(users.values()) == 60
    assert report["contrasts"][0]["unadjusted"]["difference"] == 1.0
    # Nothing gets into another's way, and what runs is not changed.
    assert client.put("/v1/experiments/second", json=body).status_code == 422
    assert client.put("/v1/experiments/third", json=body | {"metric": "x"}).status_code == 422
    assert report["effects"][0]["difference"] == 1.0
    assert report["over_time"][-1]["users"] == 60
    body["arms"][0]["share"], body["arms"][1]["share"] = 0.1, 0.9
    assert client.put("/v1/experiments/first", json=body).status_code == 409
    listed = client.get("/v1/experiments").json()["experiments"]
    assert [one["name"] for one in listed] == ["first"]


def test_what_the_page_draws(serve):
    with serve("ease", "ease.db") as client:
        assert client.get("/v1/report").status_code == 404
        assert client.get("/v1/traffic?seconds=5").json()["seconds"]
    with serve() as client:
        assert client.get("/v1/report").json()["runs"]


def test_every_route_stands_in_the_document(client):
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in document["paths"]:
        assert path.replace("{", "{") in page.text
    assert "<script" not in page.text
    assert client.get("/docs.css").headers["content-type"].startswith("text/css")


SCOPES = {
    ("GET", "/v1/users/u/recommendations"): "read",
    ("POST", "/v1/recommendations"): "read",
    ("POST", "/v1/recommendations/batch"): "read",
    ("GET", "/v1/items/i/related"): "read",
    ("GET", "/v1/items/i"): "read",
    ("GET", "/v1/items/i/image"): "read",
    ("GET", "/v1/items/i/graph"): "read",
    ("GET", "/v1/items"): "read",
    ("POST", "/v1/items"): "admin",
    ("PUT", "/v1/items/i"): "admin",
    ("DELETE", "/v1/items/i"): "admin",
    ("GET", "/v1/users"): "read",
    ("GET", "/v1/users/u/history"): "read",
    ("POST", "/v1/events"): "write",
    ("DELETE", "/v1/users/u"): "admin",
    ("POST", "/v1/attention"): "read",
    ("GET", "/v1/map"): "read",
    ("GET", "/v1/map/points"): "read",
    ("GET", "/v1/map/items"): "read",
    ("GET", "/v1/model"): "read",
    ("POST", "/v1/model"): "admin",
    ("GET", "/v1/report"): "read",
    ("GET", "/v1/experiments"): "read",
    ("PUT", "/v1/experiments/x"): "admin",
    ("DELETE", "/v1/experiments/x"): "admin",
    ("GET", "/v1/experiments/x/report"): "read",
    ("GET", "/v1/keys"): "admin",
    ("POST", "/v1/keys"): "admin",
    ("DELETE", "/v1/keys/k"): "admin",
    ("GET", "/v1/traffic"): "read",
    ("GET", "/metrics"): "read",
    ("GET", "/healthz"): "",
    ("GET", "/readyz"): "",
}


def test_keys_open_what_they_are_for(client):
    store = client.app.state.service.store
    keys = {scope: store.add_key(scope, [scope]) for scope in ("read", "write", "admin")}
    client.app.state.keys._looked = -1e9
    for (method, path), needed in SCOPES.items():
        for name, plain in [("none", None), ("wrong", "gv_nope.nope"), *keys.items()]:
            headers = {"authorization": f"Bearer {plain}"} if plain else {}
            status = client.request(method, path, headers=headers).status_code
            if not needed or name == needed:
                assert status not in {401, 403}, (method, path, name)
            else:
                assert status == (401 if name in {"none", "wrong"} else 403), (method, path, name)
    # Every route is in the table.
    paths = client.get("/openapi.json").json()["paths"]
    assert sum(len(methods) for methods in paths.values()) == len(SCOPES)


def test_a_key_that_is_revoked_is_good_no_more(client):
    store = client.app.state.service.store
    plain = store.add_key("x", ["read"])
    store.add_key("y", ["admin"])
    keys = client.app.state.keys
    keys.clock = lambda: 0.0
    keys._looked = -1e9
    headers = {"authorization": f"Bearer {plain}"}
    assert client.get("/v1/model", headers=headers).status_code == 200
    store.revoke(store.all_keys()[0].key_id)
    keys.clock = lambda: 6.0
    assert client.get("/v1/model", headers=headers).status_code == 401


def test_points_of_the_map_are_packed(serve):
    with serve("als") as client:
        told = client.get("/v1/map").json()
        count = told["count"]
        assert count == len(client.app.state.service.host.current().catalogue)
        body = client.get("/v1/map/points").content
        assert len(body) == count * (8 + 2)
        assert np.isfinite(struct.unpack(f"<{2 * count}f", body[: 8 * count])).all()
        codes = struct.unpack(f"<{count}H", body[8 * count :])
        items = client.get(f"/v1/map/items?count={count}").json()["items"]
        assert [one["row"] for one in items] == [*range(count)]
        assert [one["category"] for one in items] == [told["categories"][code] for code in codes]
        named = client.get(f"/v1/map/items?item_id={items[3]['item_id']}").json()["items"]
        assert named == items[3:4]


def test_a_model_without_vectors_has_no_map(client):
    for path in ("/v1/map", "/v1/map/points"):
        refused = client.get(path)
        assert refused.status_code == 422
        assert refused.json()["error"]["hint"]


def test_an_experiment_is_ended_and_its_report_stays(client, send):
    body = {
        "arms": [
            {"name": "control", "share": 0.5},
            {"name": "other", "share": 0.5, "run": "popularity"},
        ],
        "metric": "buy",
    }
    assert client.put("/v1/experiments/first", json=body).status_code == 200
    item = some_items(client, 1)[0]
    for n in range(30):
        client.get(f"/v1/users/p{n}/recommendations")
    wait_until_written(send, client)
    send(*[(f"b{n}", f"p{n}", item, "buy") for n in range(30)])
    before = client.get("/v1/experiments/first/report").json()
    assert before["ended"] is None
    assert client.put("/v1/experiments/second", json=body).status_code == 422  # the layer is taken
    time.sleep(0.005)  # its end is told in milliseconds, and what has the same one is after it

    answer = client.delete("/v1/experiments/first")
    assert answer.status_code == 200, answer.text
    ended = answer.json()["ended"]
    assert ended > answer.json()["since"]
    assert client.delete("/v1/experiments/first").json() == answer.json()
    told = client.get("/v1/users/p0/recommendations").json()
    assert (told["experiments"], told["model"]["name"]) == ({}, "markov")
    send(*[(f"c{n}", f"p{n}", item, "buy") for n in range(0, 30, 2)])
    assert client.get("/v1/experiments/first/report").json() == before | {"ended": ended}
    (listed,) = client.get("/v1/experiments").json()["experiments"]
    assert (listed["name"], listed["ended"]) == ("first", ended)

    again = client.put("/v1/experiments/first", json=body)
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "ended"
    assert "another name" in again.json()["error"]["hint"]
    assert client.put("/v1/experiments/second", json=body).status_code == 200
    found = client.get("/v1/experiments").json()["experiments"]
    assert [(one["name"], one["ended"]) for one in found] == [("first", ended), ("second", None)]
    assert client.delete("/v1/experiments/nope").status_code == 404
    assert client.delete("/v1/experiments/No!").status_code == 422


def test_an_end_outlives_the_service(serve):
    body = {"arms": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5}], "metric": "buy"}
    with serve() as client:
        client.put("/v1/experiments/x", json=body)
        ended = client.delete("/v1/experiments/x").json()["ended"]
    with serve() as client:
        assert client.get("/v1/users/p1/recommendations").json()["experiments"] == {}
        assert client.get("/v1/experiments/x/report").json()["ended"] == ended
        assert "nobody was in it" in client.get("/v1/experiments/x/report").json()["verdict"]


def test_nothing_is_pinned_twice(client):
    item = some_items(client, 1)[0]
    pins = [{"item_id": item, "rank": 1}, {"item_id": item, "rank": 3}]
    answer = client.post("/v1/recommendations", json={"k": 5, "rules": {"pin": pins}})
    assert answer.status_code == 422
    assert "two ranks" in answer.json()["error"]["message"]


def test_a_body_that_goes_on_is_too_large(client):
    """Sent in pieces, without its length."""
    parts = (b" " * 100_000 for _ in range(20))
    answer = client.post("/v1/events", content=parts, headers={"content-type": "application/json"})
    assert answer.status_code == 413, answer.text
    assert answer.json()["error"]["code"] == "too_large"


def test_a_history_that_a_run_has_learnt_is_told_once(client):
    """As after a retraining: the store has it still, and now the run has it too."""
    service, user = client.app.state.service, somebody(client)
    with service.host.lease() as served:
        known = browse.history(served, user)
    events = [
        Event(f"e{n}", user, str(one.item_id), one.behaviour, one.timestamp)
        for n, one in enumerate(known)
    ]
    since = Event("since", user, events[0].item_id, "click", events[-1].timestamp + 1)
    service.store.append([*events, since]).result()
    told = client.get(f"/v1/users/{user}/history?k=500").json()["events"]
    assert [one["timestamp"] for one in reversed(told)] == [
        one.timestamp for one in (*known, since)
    ]


def test_strangers_are_not_told_where_the_server_keeps_things(client, shop):
    refused = client.post("/v1/model", json={"run": "nope"}).json()["error"]["message"]
    assert str(shop) in refused
    said = client.get("/readyz")
    assert said.json()["last_refusal"].startswith("`nope` is not put into service: `nope` is not")
    assert str(shop) not in said.text


@pytest.mark.parametrize("run", ["a\0b", "a" * 300, "a" * 300 + "/b"])
def test_a_run_that_cannot_be_called_so_is_refused(client, run):
    assert client.post("/v1/model", json={"run": run}).status_code == 422
    arms = [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5, "run": run[:200]}]
    put = client.put("/v1/experiments/x", json={"arms": arms, "metric": "buy"})
    assert put.status_code in {409, 422}


BOTH = {"arms": [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5}], "metric": "buy"}


def test_users_keep_their_arms_while_an_experiment_runs(client):
    assert client.put("/v1/experiments/x", json=BOTH).status_code == 200
    for more in ({"salt": "other"}, {"layer": "other"}, {"window_days": 1}):
        refused = client.put("/v1/experiments/x", json=BOTH | more)
        assert refused.status_code == 409, more
        assert refused.json()["error"]["code"] == "running"
    assert client.put("/v1/experiments/x", json=BOTH | {"salt": "x"}).status_code == 200
    assert client.put("/v1/experiments/x", json=BOTH).status_code == 200


def test_experiments_of_two_servers_that_do_not_go_together_stop_none(serve, caplog):
    with serve() as client:
        assert client.put("/v1/experiments/x", json=BOTH).status_code == 200
        store = client.app.state.service.store
        store.clock = lambda: 1 << 42  # put down later, by another server
        store.put_experiment("a", {**store.experiments()["x"].definition, "name": "a"})
        store.put_experiment("b", {"of": "a later version"})
    with serve() as client:
        told = client.get("/v1/users/u/recommendations").json()
        assert [*told["experiments"]] == ["x"]
        assert "the experiment `a` does not run" in caplog.text
        assert "the experiment `b` does not run" in caplog.text
        assert client.delete("/v1/experiments/x").status_code == 200
        told = client.get("/v1/users/u/recommendations").json()
        assert [*told["experiments"]] == ["a"]


def test_what_was_read_before_an_experiment_does_not_undo_it(client, monkeypatch):
    service, read, go_on = client.app.state.service, threading.Event(), threading.Event()
    experiments = service.store.experiments

    def slow():
        found = experiments()
        if threading.current_thread() is looking:
            read.set()
            go_on.wait(10)
        return found

    looking = threading.Thread(target=service.look)
    monkeypatch.setattr(service.store, "experiments", slow)
    looking.start()
    read.wait(10)
    putting = threading.Thread(
        target=client.put, args=("/v1/experiments/x",), kwargs={"json": BOTH}
    )
    putting.start()
    putting.join(0.3)
    go_on.set()
    looking.join()
    putting.join()
    assert [one.name for one in service.plan.experiments] == ["x"]


def test_trouble_of_the_store_is_told_without_its_place(client):
    store = client.app.state.service.store
    fault = StoreError("/srv/secret/store.db: disk is full", hint="make room on the disk")
    store._written_by._fault = fault
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["store"]["trouble"] == "make room on the disk"
    assert "secret" not in answer.text
    assert "secret" in store.health().trouble
    store._written_by._fault = None
    assert client.get("/readyz").json()["store"]["trouble"] is None
