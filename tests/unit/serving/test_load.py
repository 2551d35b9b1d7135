"""Far too much at once, models swapped meanwhile, a stop in the middle, and what the log then says.

Short forms of `benchmarks/serving_load.py`, without a clock that decides.
"""

import asyncio
import json
import logging
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from prometheus_client import generate_latest

from grapevine.serving.observe import Lines
from grapevine.serving.store import open_store


def asgi(app, path, headers=()):
    """One request to an app in this very loop: status, headers, body."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    path, _, query = path.partition("?")
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(),
        "query_string": query.encode(), "headers": list(headers), "client": ("10.0.0.1", 1),
        "server": ("here", 80), "scheme": "http", "http_version": "1.1", "root_path": "",
    }  # fmt: skip

    async def run():
        await app(scope, receive, send)
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]

    return run()


def test_far_too_much_is_refused_and_then_all_is_well(serve):
    with serve(waiting=8) as client:

        async def flood():
            paths = [f"/v1/users/u{n}/recommendations" for n in range(200)]
            return await asyncio.gather(*(asgi(client.app, path) for path in paths))

        found = asyncio.run(flood())
        counted = Counter(status for status, _, _ in found)
        assert counted == {200: 8, 503: 192}
        for status, headers, body in found:
            if status == 503:
                assert headers[b"retry-after"] == b"1"
                assert json.loads(body)["error"]["code"] == "busy"
            else:
                assert json.loads(body)["items"]
        assert client.get("/v1/users/u1/recommendations").status_code == 200
        assert client.get("/readyz").status_code == 200
        text = client.get("/metrics").text
        assert 'status="503"} 192.0' in text
        assert "grapevine_requests_under_way 1.0" in text  # this one


def test_no_answer_fails_or_mixes_versions_while_models_are_swapped(serve):
    users = [f"u{n}" for n in range(12)]
    with serve() as client:
        wanted, seen, wrong = {}, Counter(), []
        for run in ("ease", "markov"):
            assert client.post("/v1/model", json={"run": run}).status_code == 200
            for user in users:
                told = client.get(f"/v1/users/{user}/recommendations").json()
                wanted[told["model"]["name"], user] = told["model"], told["items"]
        ended = threading.Event()

        def ask(first):
            n = first
            while not ended.is_set():
                user = users[n % len(users)]
                answer = client.get(f"/v1/users/{user}/recommendations")
                said = answer.json()
                name = said["model"]["name"]
                seen[name] += 1
                if answer.status_code != 200 or wanted[name, user] != (
                    said["model"],
                    said["items"],
                ):
                    wrong.append(said)
                n += 1

        with ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(ask, n) for n in range(3)]
            for n in range(10):
                done = client.post("/v1/model", json={"run": ("ease", "markov")[n % 2]})
                assert done.status_code == 200
            ended.set()
            for one in asking:
                one.result()
        assert not wrong
        assert {*seen} == {"ease", "markov"}
        told = client.get("/metrics").text
        assert 'grapevine_swaps_total{outcome="done"} 12.0' in told


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_answers_what_is_under_way_and_loses_nothing(shop, tmp_path, number):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    command = [
        sys.executable, "-c", "from grapevine.cli import main; main()", "serve",
        str(shop / "runs" / "markov"), "--port", "0", "--store", url, "--log-json",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "startup complete" in line:
            break
    address = re.search(r"http://127.0.0.1:\d+", "".join(said))[0]
    while True:
        with suppress(ConnectionError, urllib.error.URLError):
            urllib.request.urlopen(f"{address}/healthz").close()
            break
    shown, kept, stopped = [], [], threading.Event()

    def stop():
        if not stopped.is_set():
            stopped.set()
            process.send_signal(number)

    def ask(user):
        for n in range(100):
            try:
                with urllib.request.urlopen(f"{address}/v1/users/u{user}/recommendations") as one:
                    shown.append(json.loads(one.read()))
                event = {
                    "event_id": f"{user}-{n}", "user_id": f"u{user}", "behaviour": "buy",
                    "item_id": "i",
                }  # fmt: skip
                request = urllib.request.Request(
                    f"{address}/v1/events", json.dumps({"events": [event]}).encode(),
                    {"content-type": "application/json"},
                )  # fmt: skip
                with urllib.request.urlopen(request) as one:
                    assert one.status == 202
                kept.append(event["event_id"])
            except (urllib.error.URLError, ConnectionResetError) as error:
                # Nobody listens any more, or nobody had taken this connection yet.
                if not isinstance(getattr(error, "reason", error), ConnectionError):
                    stop()
                    raise
                return
            except BaseException:
                stop()
                raise
            if len(kept) > 30:
                stop()

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, user) for user in range(4)]
        said += process.stderr.readlines()
        for one in asking:
            one.result()
    assert process.wait(30) == 0
    process.stderr.close()
    assert len(kept) > 30
    with open_store(url) as store:
        found = {event.event_id for n in range(4) for event in store.history(f"u{n}")}
        assert {*kept} <= found
        lists = {one.request_id for one in store.exposed("")}
        assert {one["request_id"] for one in shown} <= lists
    lines = [json.loads(line) for line in said if line.strip()]
    assert any("told to stop" in line["message"] for line in lines)


SECRETS = ("Mallory.Personal", "Item.Personal", "9f8e-Session.Personal", "Query.Personal")


def test_nothing_personal_is_logged_or_counted(serve, caplog, monkeypatch):
    user, item, session, query = SECRETS
    with serve(log_requests=True) as client:
        event = {
            "event_id": f"E-{user}", "user_id": user, "item_id": item, "behaviour": "buy",
            "session_id": session,
        }  # fmt: skip
        with caplog.at_level(logging.DEBUG, "grapevine"):
            client.post("/v1/events", json={"events": [event]})
            client.get(f"/v1/users/{user}/recommendations")
            client.get(f"/v1/users/{user}/recommendations?k=3&why=true&behaviour={query}")
            client.get(f"/v1/users/{user}/history")
            client.get(f"/v1/items/{item}/related")
            client.get(f"/v1/items?query={query}")
            client.get(f"/{user}/{item}")
            client.post("/v1/recommendations", json={"user_id": user, "nope": query})
            client.post("/v1/recommendations", json={"user_id": user, "k": 2})
            client.post("/v1/events", content=f"{{{user}".encode())

            def broken(*_):
                raise RuntimeError("broken")

            with monkeypatch.context() as patched:
                patched.setattr(client.app.state.service, "history", broken)
                for query_string in ("", "?exclude_seen=true"):
                    with suppress(RuntimeError):
                        client.get(f"/v1/users/{user}/recommendations{query_string}")
            client.delete(f"/v1/users/{user}")
            metrics = client.get("/metrics").text
    # The client of the test tells of its own requests.
    ours = [record for record in caplog.records if not record.name.startswith("http")]
    lines = [Lines().format(record) for record in ours]
    assert len(lines) > 10
    said = [json.loads(line) for line in lines]
    routes = {one["route"] for one in said if "route" in one}
    assert "/v1/users/{user_id}/recommendations" in routes
    assert all(one["request_id"] for one in said if "route" in one)
    for secret in SECRETS:
        assert secret not in metrics
        assert not [line for line in lines if secret in line]
    assert generate_latest(client.app.state.service.metrics.registry)


def test_requests_are_named_by_whoever_sends_them_or_by_us(client):
    name = "0af76519-16cd-43dd-8448-eb211c80319c"
    path = "/v1/users/u/recommendations"
    answer = client.get(path, headers={"x-request-id": name})
    assert answer.headers["x-request-id"] == name
    # Sent twice it is two lists, each under a name of its own that begins with the caller's.
    lists = {
        client.get(path, headers={"x-request-id": name}).json()["request_id"],
        answer.json()["request_id"],
    }
    assert len(lists) == 2
    assert all(re.fullmatch(f"{name}-[0-9a-f]{{16}}", one) for one in lists)
    for other in ("Mallory", "short", "a" * 65, "0af76519 16cd-43dd", "g" * 32, ""):
        answer = client.get(path, headers={"x-request-id": other})
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
