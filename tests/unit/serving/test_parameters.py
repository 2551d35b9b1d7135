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
