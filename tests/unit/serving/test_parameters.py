"""A parameter that is misspelt is told, on every route that takes a key."""

import pytest


@pytest.mark.parametrize(
    ("path", "name", "hint"),
    [
        ("/v1/users/u/recommendations?whyy=true", "whyy", "did you mean `why`?"),
        ("/v1/users/u/recommendations?k=3&exclude-seen=false", "exclude-seen", "`exclude_seen`"),
        ("/v1/items?q=shirt", "q", "there are: k, query"),
        ("/v1/model?k=3", "k", "it takes none"),
        ("/metrics?x", "x", "it takes none"),
    ],
)
def test_what_a_route_does_not_take_is_told(client, path, name, hint):
    answer = client.get(path)
    assert answer.status_code == 422, answer.text
    said = answer.json()["error"]
    assert (said["code"], said["where"]) == ("unknown_parameter", ["query", name])
    assert hint in said["hint"]


def test_what_it_takes_goes_on(client):
    for path in (
        "/v1/users/u/recommendations?k=3&why=true&exclude_seen=false&behaviour=buy",
        "/v1/items?query=a&k=2", "/v1/map/items?first=0&count=2&item_id=a&item_id=b",
        "/v1/traffic?seconds=3", "/healthz?probe=1", "/readyz?probe=1", "/v1/items?",
    ):  # fmt: skip
        assert client.get(path).status_code == 200, path


def test_strangers_are_told_nothing(client):
    client.app.state.service.store.add_key("x", ["read"])
    client.app.state.keys.changed()
    assert client.get("/v1/items?nope=1").status_code == 401


def test_bodies_may_not_hide_it(client):
    answer = client.post("/v1/recommendations?k=3", json={"k": 2})
    assert answer.status_code == 422
    assert answer.json()["error"]["where"] == ["query", "k"]


@pytest.mark.parametrize(
    ("path", "body", "where", "hint"),
    [
        ("/v1/recommendations", {"user": "u"}, ["user"], "did you mean `user_id`? there are: beh"),
        ("/v1/recommendations", {"filters": {"categories": ["a"]}}, ["filters", "categories"],
         "did you mean `category`?"),
        ("/v1/recommendations", {"rules": {"pin": [{"item": "a", "rank": 1}]}},
         ["rules", "pin", 0, "item"], "`item_id`? there are: item_id, rank; besides, 1"),
        ("/v1/events", {"events": [{"event_id": "e", "user": "u", "item_id": "i"}]},
         ["events", 0, "user"], "did you mean `user_id`?"),
    ],
)  # fmt: skip
def test_a_field_that_is_misspelt_is_told_with_the_nearest(client, path, body, where, hint):
    answer = client.post(path, json=body)
    assert answer.status_code == 422, answer.text
    said = answer.json()["error"]
    assert (said["code"], said["where"]) == ("invalid", ["body", *where])
    assert said["message"] == f"there is no field `{where[-1]}`"
    assert hint in said["hint"]


def test_json_that_is_not_called_so_is_told_what_it_lacks(client):
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post("/v1/recommendations", content=b'{"k": 2}', headers=form)
    assert answer.status_code == 422
    assert "`Content-Type: application/json`" in answer.json()["error"]["hint"]


def test_what_is_nowhere_and_what_is_not_taken_say_where_to_look(client):
    nowhere, not_taken = client.get("/v1/recommend"), client.patch("/v1/model")
    assert (nowhere.status_code, not_taken.status_code) == (404, 405)
    assert nowhere.json()["error"]["hint"] == "see /docs for what there is"
    assert not_taken.json()["error"]["hint"] == "see /docs for what it takes"
