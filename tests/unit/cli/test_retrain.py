"""`grapevine retrain`: what it says, what it leaves, and with which code it ends."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import polars as pl
import pytest

import grapevine as gv
from grapevine import manifest
from grapevine.cli.app import run as grapevine
from grapevine.data.folder import write_dataset
from grapevine.data.schema import Schema
from grapevine.serving.store import Event, open_store

T0 = 1_700_000_000_000
SWAPPED = {"version": "new", "before": "old", "seconds": 0.1, "recall": 1.0, "agreement": 0.5}


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a dataset of forty users, a run on it, and the store of a service."""
    folder = tmp_path_factory.mktemp("retrain")
    lines = [(f"u{u:02d}", f"i{(u + step) % 20:02d}", T0 + u + step * 1000)
             for u in range(40) for step in range(4)]  # fmt: skip
    frame = pl.DataFrame(lines, schema=["user_id", "item_id", "timestamp"], orient="row")
    items = pl.DataFrame({"item_id": [f"i{row:02d}" for row in range(20)]})
    write_dataset(folder / "data", Schema(behaviours=("buy",)), frame, items)
    made = ["train", "markov", "--data", str(folder / "data"), "--out", str(folder / "markov")]
    assert grapevine([*made, "--split-by", "none"]) == 0
    with open_store(f"sqlite:///{folder / 'store.db'}") as store:
        for step in range(4, 8):
            # Everybody goes on as before.
            store.append([
                Event(f"{u}.{step}", f"u{u:02d}", f"i{(u + step) % 20:02d}", "buy",
                      T0 + 100_000 + 1000 * step + u)
                for u in range(40)
            ]).result()  # fmt: skip
    return folder


def retrain(here, out, *more):
    given = ["--from", str(here / "markov"), "--out", str(out)]
    store = f"sqlite:///{here / 'store.db'}"
    return grapevine(["retrain", "--store", store, *given, *map(str, more)])


@contextmanager
def service(status, told):
    """Something that answers as a service does; gives its address and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, json.loads(body), self.headers["Authorization"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_run_that_may_take_over_is_put_into_service(here, tmp_path, capsys):
    out = tmp_path / "next"
    with service(200, SWAPPED) as (url, asked):
        assert retrain(here, out, "--tolerance", 9, "--swap", url, "--key", "k", "--json") == 0
        said = capsys.readouterr()
        told = json.loads(said.out)
        assert told["ready"]
        assert told["run"] == str(out)
        assert told["version"] == manifest.version(out)
        assert told["version_before"] == manifest.version(here / "markov")
        assert told["swapped"] == SWAPPED
        assert told["judged"]["questions"] >= 30
        assert asked == [("/v1/model", {"run": str(out.resolve())}, "Bearer k")]
        # The same again trains nothing, and swaps.
        before = (out / "MANIFEST.json").stat().st_mtime_ns
        assert retrain(here, out, "--tolerance", 9, "--swap", url) == 0
        assert (out / "MANIFEST.json").stat().st_mtime_ns == before
    said = capsys.readouterr()
    assert "in service at http" in said.err
    assert "ndcg@10" in said.out
    assert gv.open_run(out).name == "markov"


def test_a_run_that_is_worse_is_refused_with_the_reason(here, tmp_path, capsys):
    # The one in service knows what follows what, and the new one is told to forget it.
    out = tmp_path / "next"
    more = ["--set", "model.backoff=1e9", "--tolerance", 0]
    with service(200, SWAPPED) as (url, asked):
        code = retrain(here, out, *more, "--swap", url, "--json")
        assert asked == []
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (code, told["ready"], told["swapped"]) == (1, False, None)
    assert "error: refused: worse by more than 0.0000: ndcg@10" in said.err
    assert "hint: the run in service stays" in said.err
    assert not out.exists()
    assert (tmp_path / "next-candidate" / "gate.json").is_file()


def test_a_service_that_refuses_or_is_not_there_is_said(here, tmp_path, capsys):
    out = tmp_path / "next"
    wrong = {"error": {"code": "refused", "message": "no such run", "hint": "name it"}}
    with service(409, wrong) as (url, _):
        assert retrain(here, out, "--tolerance", 9, "--swap", url) == 1
    said = capsys.readouterr().err
    assert "answers 409: no such run\nhint: name it" in said
    assert retrain(here, out, "--tolerance", 9, "--swap", url) == 2
    said = capsys.readouterr().err
    assert "is ready, but" in said
    assert "nothing is trained twice" in said


@pytest.mark.parametrize("status", [401, 403])
def test_a_service_that_wants_a_key_is_told_apart(here, tmp_path, capsys, status):
    wrong = {"error": {"code": "no_key", "message": "an API key is needed", "hint": "Bearer"}}
    with service(status, wrong) as (url, _):
        assert retrain(here, tmp_path / "next", "--tolerance", 9, "--swap", url) == 2
    said = capsys.readouterr().err
    assert f"answers {status}: an API key is needed\nhint: give a key of scope admin: --key" in said


def test_out_is_not_the_run_in_service(here, tmp_path, capsys):
    assert retrain(here, here / "markov", "--force") == 2
    assert "the run in service" in capsys.readouterr().err
    assert gv.open_run(here / "markov").name == "markov"


def test_too_little_that_is_new_is_a_no(here, tmp_path, capsys):
    assert retrain(here, tmp_path / "next", "--least", 1_000) == 1
    assert "by fewer than 1,000 questions nothing can be told" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--start", "hot"], "no way to start is called `hot`"),
        (["--swap", "localhost:8000"], "is no address of a service"),
        (["--metric", "ndgc@10"], "did you mean `ndcg`"),
        (["--holdout", "1.5"], "a share lies between 0 and 1"),
        (["--set", "model.depth=3"], "depth"),
        (["--time-limit", "soon"], "soon"),
    ],
)
def test_what_cannot_be_asked_is_refused(here, tmp_path, capsys, more, said):
    assert retrain(here, tmp_path / "next", *more) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "next").exists()


def test_a_store_that_is_not_there_is_refused(here, tmp_path, capsys):
    given = ["--from", str(here / "markov"), "--out", str(tmp_path / "next")]
    assert grapevine(["retrain", "--store", f"sqlite:///{tmp_path / 'none.db'}", *given]) == 2
    assert "none.db" in capsys.readouterr().err
