"""Questions that came at the same time are answered together, and none waits for ever."""

import asyncio

import pytest

from grapevine.errors import ConfigError
from grapevine.serving.engine import Asked
from grapevine.serving.faults import Refusal
from grapevine.serving.short import Short
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
    keys._any = (-1e9, False)
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
    client.app.state.keys._any = (-1e9, False)
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
    client.app.state.keys._any = (-1e9, False)
    assert client.get("/v1/users/u/recommendations").status_code == 503


@pytest.mark.parametrize("query", ["", "?exclude_seen=true"])
def test_an_encoded_path_is_counted_under_its_route(client, query):
    assert client.get(f"/v1/users/a%20b/recommendations{query}").status_code == 200
    route = "/v1/users/{user_id}/recommendations"
    assert f'requests_total{{route="{route}",status="200"}} 1.0' in client.get("/metrics").text
