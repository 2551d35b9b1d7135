"""Whoever asks to be forgotten is used nowhere: not by the run, its arms, or its warm-up."""

import threading
import time

import numpy as np
import polars as pl
import pytest

from grapevine.serving.engine import Asked
from grapevine.serving.following import Following
from grapevine.serving.holders import Holder, holders
from grapevine.serving.store import open_store


def somebody(client):
    return client.get("/v1/users").json()["users"][0]["user_id"]


def items_of(answer):
    assert answer.status_code == 200, answer.text
    return [one["item_id"] for one in answer.json()["items"]]


def test_the_proof_names_the_runs_that_hold_the_user(client, shop):
    user = somebody(client)
    client.get(f"/v1/users/{user}/recommendations")
    unfinished = shop / "runs" / "unfinished" / "checkpoints"
    unfinished.mkdir(parents=True, exist_ok=True)
    proof = client.delete(f"/v1/users/{user}").json()
    runs = {one["run"]: one["sure"] for one in proof["runs"]}
    assert {"markov", "popularity", "ease"} <= {name for name, sure in runs.items() if sure}
    assert runs["unfinished"] is False
    assert proof["removed"]["questions"] >= 1
    nobody = client.delete("/v1/users/never-there").json()
    assert [one["run"] for one in nobody["runs"]] == ["unfinished"]
    unfinished.rmdir()
    unfinished.parent.rmdir()


def test_what_a_run_learnt_of_a_user_is_not_used(client):
    user, service = somebody(client), client.app.state.service
    stranger = items_of(client.get("/v1/users/nobody/recommendations"))
    assert items_of(client.get(f"/v1/users/{user}/recommendations")) != stranger
    client.delete(f"/v1/users/{user}")
    assert items_of(client.get(f"/v1/users/{user}/recommendations")) == stranger
    assert client.get(f"/v1/users/{user}/recommendations").json()["fallback"] == "popular"
    assert all(one.user_id != user for one in service.host._recorded if one.history)
    # A version that takes over does not bring them back, nor does a restart.
    assert client.post("/v1/model", json={"run": "ease"}).status_code == 200
    assert client.get(f"/v1/users/{user}/recommendations").json()["fallback"] == "popular"
    names = [one["user_id"] for one in client.get(f"/v1/users?query={user}").json()["users"]]
    assert user not in names


def test_the_next_dataset_does_not_hold_them(client, send, tmp_path):
    user, item = somebody(client), client.get("/v1/items?k=1").json()["items"][0]["item_id"]
    send(("e1", user, item, "buy"), ("e2", "other", item, "buy"))
    client.delete(f"/v1/users/{user}")
    client.app.state.service.store.export(tmp_path / "out")
    found = pl.read_parquet(tmp_path / "out" / "events.parquet")
    assert found["user_id"].to_list() == ["other"]


def test_arms_forget_too(client):
    service = client.app.state.service
    arms = [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5, "run": "ease"}]
    assert client.put("/v1/experiments/x", json={"arms": arms, "metric": "buy"}).status_code == 200
    users = [one["user_id"] for one in client.get("/v1/users?k=40").json()["users"]]
    told = {one: client.get(f"/v1/users/{one}/recommendations").json() for one in users}
    user = next(one for one in users if told[one]["experiments"]["x"] == "b")
    host = service.arms.hosts["ease"]
    assert any(one.user_id == user for one in host._recorded)
    client.delete(f"/v1/users/{user}")
    assert not any(one.user_id == user for one in host._recorded)
    assert client.get(f"/v1/users/{user}/recommendations").json()["fallback"] == "popular"


def test_another_servers_forgetting_is_followed(client):
    user, service = somebody(client), client.app.state.service
    service.store.forget(user)
    deadline = time.monotonic() + 20
    while client.get(f"/v1/users/{user}/recommendations").json()["fallback"] != "popular":
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_who_came_back_is_known_by_what_came_since(client):
    with client.app.state.service.host.lease() as served:
        user = str(served.run.users.ids[0])
        times = served.run.history.batch(np.array([0])).times
        assert served.histories.remembers(user, int(times.min()))
        assert served.histories.remembers(user, int(times.max()) + 1)
        assert not served.histories.remembers(user, int(times.min()) - 1)
        assert not served.histories.remembers("nobody", 1 << 60)


def test_asking_who_is_forgotten_costs_the_same_whoever_asks(tmp_path):
    """One hash, and no question to the store."""
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        store.forget("gone")
        following = Following(store, lambda _: None, lambda: None)
        following.marks()
        asked = []
        store.forgotten = asked.append
        reads = store._read
        store._read = lambda ask: asked.append(ask)
        assert following.forgotten_at("gone") is not None
        assert all(following.forgotten_at(f"u{n}") is None for n in range(1000))
        assert asked == []
        store._read = reads
        store.forget("u7")
        following.marks()
        assert following.forgotten_at("u7") is not None


def test_runs_that_cannot_be_read_may_hold_anybody(tmp_path):
    (tmp_path / "odd" / "vocab").mkdir(parents=True)
    (tmp_path / "odd" / "vocab" / "users.parquet").write_bytes(b"no parquet")
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").write_text("")
    for name, ids in (("numbers", [1, 42]), ("names", ["42", "x"]), ("others", ["420"])):
        (tmp_path / name / "vocab").mkdir(parents=True)
        pl.DataFrame({"user_id": ids}).write_parquet(tmp_path / name / "vocab" / "users.parquet")
    assert holders(tmp_path, "42") == [
        Holder("names", sure=True), Holder("numbers", sure=True), Holder("odd", sure=False),
    ]  # fmt: skip
    assert holders(tmp_path / "nowhere", "42") == []


def test_the_dataset_of_a_retraining_holds_its_users(tmp_path):
    """`grapevine retrain` lays it beside the run that it makes."""
    for name, file, ids in (
        ("vine-2-data", "events.parquet", ["u", "v"]),
        ("vine-3-data", "events.parquet", ["v"]),
        ("vine-4-data", "users.parquet", ["u"]),
    ):
        (tmp_path / name).mkdir()
        pl.DataFrame({"user_id": ids}).write_parquet(tmp_path / name / file)
    assert [one.run for one in holders(tmp_path, "u")] == ["vine-2-data", "vine-4-data"]


def test_questions_of_items_that_are_gone_warm_nothing_up(client):
    host = client.app.state.service.host
    item = client.get("/v1/items?k=1").json()["items"][0]["item_id"]
    client.put("/v1/items/n1", json={"fields": {}})
    host.answer(Asked(item_id="n1"))
    client.delete("/v1/items/n1")
    host.answer(Asked(item_id=item))
    assert client.post("/v1/model", json={"run": "ease"}).status_code == 200


def test_a_question_under_way_is_not_answered_by_what_was_forgotten(client, send):
    """Its history was read before, and its turn comes after."""
    service = client.app.state.service
    item = client.get("/v1/items?k=1").json()["items"][0]["item_id"]
    send(("e1", "late", item, "buy"))
    asked = Asked(user_id="late", history=service.history("late"))
    assert service.recommend(asked, "before")["fallback"] == ""
    client.delete("/v1/users/late")
    assert service.recommend(asked, "after")["fallback"] == "popular"
    assert not any(one.user_id == "late" for one in service.host._recorded)
    # What came since counts.
    send(("e2", "late", item, "buy"))
    again = Asked(user_id="late", history=service.history("late"))
    assert service.recommend(again, "since")["fallback"] == ""


def test_questions_may_come_while_somebody_is_forgotten(client):
    host, stop = client.app.state.service.host, threading.Event()

    def ask():
        while not stop.is_set():
            host.record(Asked(user_id="somebody"))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(20_000):
            host.forget("another")
    finally:
        stop.set()
        asking.join()


def test_questions_of_whom_another_server_forgot_are_dropped(client):
    user, service = somebody(client), client.app.state.service
    client.get(f"/v1/users/{user}/recommendations")
    assert any(one.user_id == user for one in service.host._recorded)
    service.store.forget(user)
    service.look_who_is_forgotten()
    assert not any(one.user_id == user for one in service.host._recorded)


class Slow:
    """A store whose marks are read just before another one is made."""

    def __init__(self):
        self.reading, self.go_on = threading.Event(), threading.Event()

    def marks_version(self):
        return 1

    def marks(self):
        self.reading.set()
        self.go_on.wait(1)
        return {"earlier": 1}

    def mark_of(self, user):
        return user


def test_marks_that_were_read_before_undo_none():
    store = Slow()
    following = Following(store, lambda _: None, lambda: None)
    looking = threading.Thread(target=following.marks)
    looking.start()
    store.reading.wait()
    forgetting = threading.Thread(target=following.forgot, args=("u", 7))
    forgetting.start()
    forgetting.join(0.1)
    store.go_on.set()
    looking.join()
    forgetting.join()
    assert following.forgotten_at("u") == 7
    assert following.forgotten_at("earlier") == 1


def test_new_items_are_not_placed_by_whom_another_server_forgot(client, send):
    service = client.app.state.service
    item = client.get("/v1/items?k=1").json()["items"][0]["item_id"]
    client.put("/v1/items/n1", json={"fields": {}})
    send(("e1", "u", "n1", "buy"), ("e2", "u", item, "buy"))
    service.following.lately()
    assert service.following.live.beside["n1"] == {item: 1.0}
    service.store.forget("u")
    service.look_who_is_forgotten()
    service.following.lately()
    assert service.following.live.beside["n1"] == {}


def test_what_could_not_be_looked_up_is_looked_up_again(client, send, monkeypatch):
    service = client.app.state.service
    item = client.get("/v1/items?k=1").json()["items"][0]["item_id"]
    send(("e1", "u", "n1", "buy"), ("e2", "u", item, "buy"))
    service.following.lately()
    client.put("/v1/items/n1", json={"fields": {}})
    with monkeypatch.context() as patch:
        patch.setattr(service.store, "takers", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            service.following.lately()
    service.following.lately()
    assert service.following.live.beside["n1"] == {item: 1.0}


def test_runs_lie_deeper_or_elsewhere(tmp_path, caplog, monkeypatch):
    for name in ("runs/team/vine", "runs/vine", "runs/vine/vocab/within", "elsewhere/one"):
        (tmp_path / name / "vocab").mkdir(parents=True)
        users = tmp_path / name / "vocab" / "users.parquet"
        pl.DataFrame({"user_id": ["u"]}).write_parquet(users)
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs")
    runs, also = tmp_path / "runs", [tmp_path / "elsewhere" / "one", tmp_path / "runs" / "vine"]
    found = holders(runs, "u", also)
    assert [one.run for one in found] == ["vine", "team/vine", "one"]
    assert all(one.sure for one in found)
    # Where there are more folders than are looked into, the proof says so.
    monkeypatch.setattr("grapevine.serving.holders.MOST", 2)
    assert holders(runs, "u")[-1] == Holder(".", sure=False)
    assert "not all were looked into" in caplog.text


def test_the_proof_names_the_run_in_service_wherever_it_lies(serve, tmp_path):
    (tmp_path / "runs").mkdir()
    with serve(runs=tmp_path / "runs") as client:
        proof = client.delete(f"/v1/users/{somebody(client)}").json()
    assert proof["runs"] == [{"run": "markov", "sure": True}]
