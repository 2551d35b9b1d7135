"""Keys looked after while the service runs: over HTTP, and beside it on the command line."""

import json

import pytest
from fastapi.testclient import TestClient

from grapevine.cli.app import run as grapevine
from grapevine.serving.run import opened
from grapevine.serving.settings import Settings
from grapevine.serving.store import open_store


@pytest.fixture
def here(client):
    """A client on the machine of the service itself."""
    return TestClient(client.app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50_000))


def bearer(plain):
    return {"authorization": f"Bearer {plain}"}


@pytest.fixture
def admin(here):
    """Headers of the first key, made over HTTP."""
    made = here.post("/v1/keys", json={"name": "operations", "scopes": ["admin"]})
    assert made.status_code == 201, made.text
    return bearer(made.json()["key"])


def test_a_key_is_made_told_once_and_revoked_at_once(here, admin):
    # From the first one on everybody needs one, at once.
    assert here.get("/v1/model").status_code == 401
    made = here.post("/v1/keys", json={"name": "shop", "scopes": ["write", "read"]}, headers=admin)
    assert made.headers["cache-control"] == "no-store"
    told = made.json()
    assert (told["name"], told["scopes"], told["revoked_at"]) == ("shop", ["read", "write"], None)
    shop = bearer(told["key"])
    assert here.get("/v1/model", headers=shop).status_code == 200
    listed = here.get("/v1/keys", headers=admin)
    assert [one["name"] for one in listed.json()["keys"]] == ["operations", "shop"]
    secret = told["key"].rpartition(told["key_id"])[2]
    assert secret
    assert secret not in listed.text

    revoked = here.delete(f"/v1/keys/{told['key_id']}", headers=admin)
    assert revoked.status_code == 200
    assert revoked.json()["revoked_at"] >= told["created_at"]
    # The service had just looked the key up, and remembers it for seconds otherwise.
    assert here.get("/v1/model", headers=shop).status_code == 401
    assert here.get("/v1/users/u/recommendations", headers=shop).status_code == 401
    again = here.delete(f"/v1/keys/{told['key_id']}", headers=admin)
    assert again.json() == revoked.json()
    assert here.delete("/v1/keys/nope", headers=admin).status_code == 404


def test_nobody_is_locked_out_and_the_service_stays_closed(here, admin):
    (mine,) = here.get("/v1/keys", headers=admin).json()["keys"]
    refused = here.delete(f"/v1/keys/{mine['key_id']}", headers=admin)
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "last_admin"
    assert here.get("/v1/keys", headers=admin).status_code == 200
    other = here.post("/v1/keys", json={"name": "b", "scopes": ["admin"]}, headers=admin).json()
    assert here.delete(f"/v1/keys/{mine['key_id']}", headers=admin).status_code == 200
    assert here.get("/v1/keys", headers=admin).status_code == 401
    assert here.get("/v1/keys", headers=bearer(other["key"])).status_code == 200


def test_the_first_key_opens_keys(here):
    refused = here.post("/v1/keys", json={"name": "shop", "scopes": ["read"]})
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "no_admin"
    assert here.get("/v1/keys").json() == {"keys": []}


@pytest.mark.parametrize(
    ("address", "caller", "headers"),
    [
        ("http://127.0.0.1:8000", "10.0.0.7", {}),
        ("http://recommend.example.com", "127.0.0.1", {}),
        ("http://127.0.0.1.example.com:8000", "127.0.0.1", {}),
        ("http://127.0.0.1:8000", "127.0.0.1", {"x-forwarded-for": "10.0.0.7"}),
        ("http://127.0.0.1:8000", "no address", {}),
    ],
)
def test_without_keys_only_this_machine_may(client, address, caller, headers):
    other = TestClient(client.app, base_url=address, client=(caller, 50_000), headers=headers)
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", "/k")):
        answer = other.request(method, f"/v1/keys{path}", json={"name": "x", "scopes": ["admin"]})
        assert answer.status_code == 403, (method, path)
        assert answer.json()["error"]["code"] == "not_from_here"
    assert client.app.state.service.store.all_keys() == []


@pytest.mark.parametrize("address", ["http://localhost", "http://[::1]:8000", "http://127.0.0.1"])
def test_this_machine_may_by_any_of_its_names(client, address):
    caller = "::1" if "[" in address else "127.0.0.1"
    mine = TestClient(client.app, base_url=address, client=(caller, 50_000))
    assert mine.get("/v1/keys").json() == {"keys": []}


def test_who_has_a_key_may_from_anywhere(client, admin):
    far = TestClient(client.app, base_url="https://r.example.com", client=("10.0.0.7", 1))
    assert far.get("/v1/keys", headers=admin).status_code == 200
    assert far.get("/v1/keys").status_code == 401


@pytest.mark.parametrize(
    "body",
    [{}, {"name": "x"}, {"name": "x", "scopes": []}, {"name": "x", "scopes": ["root"]},
     {"name": "", "scopes": ["admin"]}],
)  # fmt: skip
def test_a_key_that_cannot_be_is_refused(here, body):
    assert here.post("/v1/keys", json=body).status_code == 422


def test_keys_are_listed_beside_the_service(client, here, admin, capsys):
    store = client.app.state.service.settings.store
    assert grapevine(["keys", "list", "--store", store, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["keys"]
    assert (told["name"], told["scopes"], told["good"]) == ("operations", "admin", True)


def test_the_command_says_how_to_ask_the_service(client, monkeypatch, capsys):
    # Whatever this SQLite is: one whose file two processes may not share.
    store = client.app.state.service.settings.store
    lock = client.app.state.service.store.backend._lock
    lock.close()
    monkeypatch.setattr("grapevine.serving.store.sqlite.SAFE", (99,))
    with open_store(store):
        assert grapevine(["keys", "add", "web", "--scope", "read", "--store", store]) == 2
        said = capsys.readouterr().err
        assert "another process serves from this file" in said
        assert 'POST /v1/keys {"name": "web", "scopes": ["read"]}' in " ".join(said.split())
        assert grapevine(["keys", "revoke", "abc", "--store", store]) == 2
        assert "DELETE /v1/keys/abc" in " ".join(capsys.readouterr().err.split())


def test_where_all_keys_were_revoked_nobody_gets_in(serve):
    """On the command line, or by another server: over HTTP the last one stays."""
    with serve() as client:
        store, keys = client.app.state.service.store, client.app.state.keys
        plain = store.add_key("x", ["admin", "read"])
        keys.changed()
        assert client.get("/v1/model", headers=bearer(plain)).status_code == 200
        store.revoke(store.all_keys()[0].key_id)
        keys.clock = lambda: 1e9
        for path in ("/v1/model", "/v1/users/u/recommendations"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers=bearer(plain)).status_code == 401
        mine = TestClient(client.app, base_url="http://127.0.0.1", client=("127.0.0.1", 1))
        assert mine.post("/v1/keys", json={"name": "y", "scopes": ["admin"]}).status_code == 401
    # Started anew, it does not open either.
    with serve() as client:
        assert client.get("/v1/model").status_code == 401


def test_a_public_address_is_closed_whatever_the_store_says(shop, tmp_path):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with open_store(url) as store:
        store.add_key("x", ["admin"])
    settings = Settings(run=shop / "runs" / "markov", store=url, host="0.0.0.0")
    with opened(settings) as ready, TestClient(ready.app) as client:
        client.app.state.service.store.all_keys = list  # as if the table had been emptied
        client.app.state.keys.changed()
        assert client.get("/v1/model").status_code == 401
        assert client.get("/v1/users/u/recommendations").status_code == 401


def test_only_a_key_that_was_good_is_a_caller_of_its_own(client):
    keys = client.app.state.keys
    plain = client.app.state.service.store.add_key("x", ["read"])
    header = f"Bearer {plain}".encode()
    assert not keys.known(header)
    keys.scopes(plain)
    keys.scopes("gv_no.no")
    assert keys.known(header)
    for other in (b"Bearer gv_no.no", b"", plain.encode(), b"Bearer \xff"):
        assert not keys.known(other)
