"""The page as it is served: small, of this service alone, under a policy that lets nothing in."""

import gzip
import re
from importlib.resources import files
from pathlib import Path

import pytest

from grapevine.serving.files import ASK_FIRST, FOR_EVER, KINDS

BUILT = Path(str(files("grapevine.serving") / "page"))
FILES = sorted(path for path in BUILT.rglob("*") if path.is_file())
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "svelte-trusted-html",
}


def text(ending):
    found = [path.read_text(encoding="utf-8") for path in FILES if path.suffix == ending]
    assert found
    return found


def test_all_javascript_together_is_small():
    assert sum(len(gzip.compress(one.encode())) for one in text(".js")) < 150_000


def test_nothing_is_inline_and_nothing_from_elsewhere():
    (html,) = text(".html")
    assert not re.search(r'<script(?![^>]*\ssrc="\./assets/)|<style|\sstyle=|\son\w+=', html)
    assert not re.search(r'(src|href)="(?!\./)', html)
    for css in text(".css"):
        assert not re.search(r'url\((?!\./|"\./)|@import', css)
    for code in text(".js"):
        assert not re.search(r"\beval\(|new Function\(", code)
        # Names of namespaces, and where a message of the library leads a reader to: none is loaded.
        elsewhere = re.findall(r"https?://[^\s\"'`)]+", code)
        names = re.compile(r"https?://(www\.w3\.org/|svelte\.dev/e/)")
        assert [one for one in elsewhere if not names.match(one)] == []


@pytest.mark.parametrize("path", ["/", "/docs", "/docs.css", "/healthz", "/v1/model", "/v1/nope"])
def test_every_answer_carries_the_policy(client, path):
    headers = client.get(path).headers
    given = dict(one.strip().split(" ", 1) for one in headers["content-security-policy"].split(";"))
    assert given == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"


def test_files_say_what_they_are_and_how_long_they_hold(client):
    assert {path.suffix for path in FILES} <= {*KINDS}
    for path in FILES:
        answer = client.get("/" + path.relative_to(BUILT).as_posix())
        assert answer.content == path.read_bytes()
        assert answer.headers["content-type"] == KINDS[path.suffix]
        held = FOR_EVER if path.parent.name == "assets" else ASK_FIRST
        assert answer.headers["cache-control"] == held
    front = client.get("/")
    assert front.content == (BUILT / "index.html").read_bytes()
    assert front.headers["cache-control"] == ASK_FIRST
    again = client.get("/", headers={"if-none-match": front.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, ASK_FIRST)


def test_numbers_are_told_as_they_were_written(client):
    for item in client.get("/v1/items?k=50").json()["items"]:
        said = client.get(f"/v1/items/{item['item_id']}").json()
        assert said["price"] == round(said["price"], 2) == said["fields"]["price"] == item["price"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d.*", said["fields"]["listed_at"])


def test_an_experiment_that_nobody_is_in_yet_has_a_report(client):
    arms = [{"name": "a", "share": 0.5}, {"name": "b", "share": 0.5}]
    client.put("/v1/experiments/new", json={"arms": arms, "metric": "buy"})
    report = client.get("/v1/experiments/new/report").json()
    assert [(one["name"], one["users"]) for one in report["arms"]] == [("a", 0), ("b", 0)]
    assert report["effects"] == report["over_time"] == []
