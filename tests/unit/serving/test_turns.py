"""Questions that came at the same time are answered together, and none waits for ever."""

import asyncio
import time

import pytest

from grapevine.errors import ConfigError
from grapevine.serving.engine import Asked
from grapevine.serving.engine.histories import Histories
from grapevine.serving.faults import Refusal
from grapevine.serving.short import Short
from grapevine.serving.store import Event
from grapevine.serving.turns import Turns


class Answering:
    """Notes how many came together."""

    def __init__(self):
        self.turns = []

    def recommend_all(self, questions):
        self.turns.append([name for _, name in questions])
        if "broken" in self.turns[-1]:
            raise RuntimeError
        return [ConfigError("no") if name == "bad" else {"id": name} for _, name in questions]


def ask(names, **how):
    service = Answering()

    async def all_at_once():
        turns = Turns(service, **how)
        asked = [turns.ask(Asked(), name) for name in names]
        return await asyncio.gather(*asked, return_exceptions=True), len(turns)

    found, left = asyncio.run(all_at_once())
    assert left == 0
    return found, service.turns


def test_those_who_come_together_are_answered_together():
    found, turns = ask([str(n) for n in range(40)], most=16)
    assert found == [{"id": str(n)} for n in range(40)]
    assert [len(one) for one in turns] == [16, 16, 8]


def test_what_is_wrong_with_one_is_told_to_that_one():
    found, _ = ask(["1", "bad", "2"])
    assert found[0] == {"id": "1"}
    assert isinstance(found[1], ConfigError)
    assert found[2] == {"id": "2"}


def test_a_fault_ends_no_more_than_its_turn():
    found, turns = ask(["1", "broken", "2", "3"], most=2)
    assert [type(one) for one in found] == [RuntimeError, RuntimeError, dict, dict]
    assert len(turns) == 2


def test_who_waited_too_long_is_told_so():
    found, turns = ask(["1", "2"], patience_s=-1.0)
    assert all(isinstance(one, Refusal) and one.status == 503 for one in found)
    assert turns == []


def test_who_has_gone_is_not_answered():
    service = Answering()

    async def left():
        turns = Turns(service)
        gone = asyncio.ensure_future(turns.ask(Asked(), "gone"))
        there = asyncio.ensure_future(turns.ask(Asked(), "there"))
        await asyncio.sleep(0)
        gone.cancel()
        return await there

    assert asyncio.run(left()) == {"id": "there"}
    assert "there" in service.turns[-1]


# The short way says what the long one says.


def asgi(app, path):
    """Status, headers and body of one request to an app in this very loop."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [], "client": ("10.0.0.1", 1), "server": ("here", 80),
        "scheme": "http", "http_version": "1.1", "root_path": "",
    }  # fmt: skip

    async def run():
        await app(scope, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]

    return run()


def without_names(answer):
    said = answer.json()
    return {**said, "request_id": ""} if answer.status_code == 200 else said


@pytest.mark.parametrize("query", ["", "?k=3", "?k=500"])
@pytest.mark.parametrize("user", ["known", "stranger", "a%20b", "%C3%A9"])
def test_both_ways_say_the_same(client, query, user):
    user = client.get("/v1/users").json()["users"][0]["user_id"] if user == "known" else user
    path = f"/v1/users/{user}/recommendations"
    short = client.get(path + query)
    # What the short way does not know goes the long way.
    long = client.get(f"{path}{query}{'&' if query else '?'}exclude_seen=true")
    assert short.status_code == 200
    assert without_names(short) == without_names(long)
    assert short.headers["content-type"] == long.headers["content-type"]
    assert {*short.headers} == {*long.headers}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/users/u/recommendations?k=0", 422),
        ("/v1/users/u/recommendations?k=501", 422),
        ("/v1/users/u/recommendations?k=x", 422),
        ("/v1/users/u%00/recommendations", 422),
        ("/v1/users/" + "u" * 129 + "/recommendations", 422),
        ("/v1/users//recommendations", 404),
    ],
)
def test_what_is_not_plain_is_refused_as_ever(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]


def test_a_user_with_a_slash_goes_the_long_way(client):
    answer = client.get("/v1/users/a%2Fb/recommendations").json()
    assert answer["user_id"] == "a/b"
    assert answer["items"]


def test_the_short_way_asks_for_keys_too(client):
    store, keys = client.app.state.service.store, client.app.state.keys
    read, write = store.add_key("r", ["read"]), store.add_key("w", ["write"])
    keys._looked = -1e9
    for plain, status in ((None, 401), ("gv_no.no", 401), (write, 403), (read, 200)):
        headers = {"authorization": f"Bearer {plain}"} if plain else {}
        assert client.get("/v1/users/u/recommendations", headers=headers).status_code == status


def test_a_store_that_takes_no_more_refuses(client, monkeypatch):
    from grapevine.serving.store import StoreBusy

    def full(lists):
        raise StoreBusy("full")

    monkeypatch.setattr(client.app.state.service.store, "show", full)
    for method in ("short", "long"):
        query = "" if method == "short" else "?exclude_seen=true"
        answer = client.get(f"/v1/users/u/recommendations{query}")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["error"]["code"] == "busy"


def test_who_is_nobody_is_answered_though_no_list_can_be_logged(client, monkeypatch):
    from grapevine.serving.store import StoreBusy

    def full(lists):
        raise StoreBusy("full")

    service = client.app.state.service
    monkeypatch.setattr(service.store, "show", full)
    nobody, user = service.recommend_all([(Asked(), "r1"), (Asked(user_id="u"), "r2")])
    assert nobody["items"]
    assert isinstance(user, Refusal)
    assert user.status == 503


def test_a_key_of_odd_bytes_is_no_key(client):
    client.app.state.service.store.add_key("r", ["read"])
    client.app.state.keys._looked = -1e9
    short = Short(client.app, turns=client.app.state.turns, keys=client.app.state.keys)
    assert not short._may({"headers": [(b"authorization", b"Bearer \xff\xfe")]})


def test_a_store_that_cannot_be_asked_is_no_fault_of_who_asks(client, monkeypatch):
    from grapevine.errors import StoreBusy, StoreError

    store = client.app.state.service.store
    for error in (StoreBusy("every connection is in use"), StoreError("/srv/db: disk I/O error")):

        def broken(*_, error=error):
            raise error

        monkeypatch.setattr(store, "brief_history", broken)
        for query in ("", "?exclude_seen=true"):
            answer = client.get(f"/v1/users/u/recommendations{query}")
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert "srv" not in answer.text
    monkeypatch.setattr(store, "all_keys", broken)
    client.app.state.keys._looked = -1e9
    assert client.get("/v1/users/u/recommendations").status_code == 503


@pytest.mark.parametrize("query", ["", "?exclude_seen=true"])
def test_an_encoded_path_is_counted_under_its_route(client, query):
    assert client.get(f"/v1/users/a%20b/recommendations{query}").status_code == 200
    route = "/v1/users/{user_id}/recommendations"
    assert f'requests_total{{route="{route}",status="200"}} 1.0' in client.get("/metrics").text


def test_a_fault_of_one_question_is_told_to_that_one(client, monkeypatch):
    service, of = client.app.state.service, Histories.of

    def broken(self, asked, target):
        if asked.user_id == "bad":
            raise RuntimeError("nobody has foreseen this")
        return of(self, asked, target)

    monkeypatch.setattr(Histories, "of", broken)
    asked = [(Asked(user_id=name, k=3), name) for name in ("a", "bad", "b")]
    first, bad, last = service.recommend_all(asked)
    assert isinstance(bad, RuntimeError)
    assert (first["user_id"], last["user_id"]) == ("a", "b")
    assert {one.request_id for one in logged(service.store)} == {"a", "b"}
    # The same through the loop: all of one turn.
    paths = [f"/v1/users/{name}/recommendations" for name in ("a", "bad", "b")]

    async def at_once():
        return await asyncio.gather(*(asgi(client.app, path) for path in paths))

    assert [status for status, _, _ in asyncio.run(at_once())] == [200, 500, 200]


def test_a_list_that_cannot_be_logged_keeps_no_other_from_it(client, monkeypatch):
    service = client.app.state.service
    show = service.store.show

    def picky(lists):
        if any(one.user_id == "bad" for one in lists):
            raise RuntimeError("nobody has foreseen this")
        return show(lists)

    monkeypatch.setattr(service.store, "show", picky)
    first, bad, last = service.recommend_all(
        [(Asked(user_id=name, k=3), name) for name in ("a", "bad", "b")]
    )
    assert isinstance(bad, RuntimeError)
    assert first["items"]
    assert last["items"]
    assert {one.request_id for one in logged(service.store)} == {"a", "b"}
    assert "exposures_lost_total 1.0" in client.get("/metrics").text


def test_of_a_batch_that_is_not_answered_nothing_was_shown(client):
    store = client.app.state.service.store
    asked = [{"user_id": "a", "k": 3}, {"user_id": "b", "behaviour": "nope"}]
    refused = client.post("/v1/recommendations/batch", json={"requests": asked})
    assert refused.status_code == 422
    assert logged(store) == []
    done = client.post("/v1/recommendations/batch", json={"requests": asked[:1]})
    assert len(done.json()["answers"]) == 1
    assert len(logged(store)) == 3


def logged(store):
    """What was shown; an event that is acknowledged came after it."""
    store.append([Event(f"turn{time.time_ns()}", "turn", "i", "click")]).result()
    return list(store.exposed(""))


@pytest.mark.parametrize("query", ["", "?exclude_seen=true"])
def test_a_fault_has_the_headers_of_every_answer(client, monkeypatch, query):
    def broken(*_):
        raise RuntimeError("nobody has foreseen this")

    monkeypatch.setattr(client.app.state.service, "history", broken)
    answer = client.get(f"/v1/users/u/recommendations{query}")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "fault"
    assert "foreseen" not in answer.text
    assert len(answer.headers["x-request-id"]) == 16
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_is_no_text_is_no_user(client):
    for path in ("/v1/users/%ff/recommendations", "/v1/users/%ff/history"):
        assert client.get(path).status_code == 422
    assert client.get("/%ff").status_code == 404
