"""Out of the store, into a dataset: every event with its ID, and nobody who was forgotten."""

import json
import re
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import grapevine as gv
from grapevine.cli.app import run as grapevine
from grapevine.errors import ConfigError, DataError
from grapevine.serving.store import Event, open_store, reads
from grapevine.serving.store.checks import END_MS, GREATEST_VALUE, SECONDS, id_fault

T0 = 1_700_000_000_000


def test_the_events_become_a_dataset(store, events, tmp_path):
    first = events(3, user="7", behaviour="buy", value=2.5, session_id="s")
    second = events(2, user="11", timestamp=T0 - 5)
    store.append([*first, *second]).result()
    report = store.export(tmp_path / "live", behaviours=["view", "buy"], name="live")
    assert (report.good, report.bad, report.duplicates, report.users) == (5, 0, 0, 2)
    data = gv.load(tmp_path / "live")
    assert data.schema.name == "live"
    assert data.schema.behaviours == ("view", "buy")
    # Written as integers by everyone, and so integers, as an import has them.
    assert data.users.ids.to_list() == [7, 11]
    kept = pl.read_parquet(tmp_path / "live" / "events.parquet")
    assert set(kept["event_id"]) == {one.event_id for one in [*first, *second]}
    buys = kept.filter(pl.col("user_id") == 7)
    assert buys["value"].to_list() == [2.5] * 3
    assert buys["session_id"].to_list() == ["s"] * 3
    assert buys["timestamp"].dt.epoch("ms").to_list() == [T0, T0 + 1, T0 + 2]


def test_who_was_forgotten_is_not_in_it(store, events, tmp_path):
    store.append([*events(3, user="gone"), *events(2, user="here")]).result()
    store.forget("gone")
    store.export(tmp_path / "live")
    assert gv.load(tmp_path / "live").users.ids.to_list() == ["here"]
    found = [file for file in (tmp_path / "live").rglob("*") if b"gone" in file.read_bytes()]
    assert not found


def test_who_is_forgotten_meanwhile_is_not_in_it(store, events, tmp_path, monkeypatch):
    store.append([*events(3, user="gone"), *events(2, user="here")]).result()
    read = reads.events

    def slowly(connection):
        yield from read(connection)
        if store.history("gone"):
            store.forget("gone")

    monkeypatch.setattr(reads, "events", slowly)
    store.export(tmp_path / "live")
    assert gv.load(tmp_path / "live").users.ids.to_list() == ["here"]


def test_events_of_the_same_time_keep_their_order(store, tmp_path, monkeypatch):
    monkeypatch.setattr("grapevine.serving.store.reads.PAGE", 7)
    sent = [Event(f"e{n}", "u", f"i{n}", "view", T0) for n in range(50)]
    store.append(sent).result()
    store.export(tmp_path / "live")
    kept = pl.read_parquet(tmp_path / "live" / "events.parquet")
    assert kept["event_id"].to_list() == [one.event_id for one in sent]


def test_an_empty_store_and_a_folder_in_use_are_told(store, events, tmp_path):
    with pytest.raises(DataError, match="no event"):
        store.export(tmp_path / "live")
    assert not (tmp_path / "live").exists()
    store.append(events(1)).result()
    store.export(tmp_path / "live")
    with pytest.raises(ConfigError, match="exists already"):
        store.export(tmp_path / "live")
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".live")]


LETTERS = st.characters(exclude_categories=["Cc", "Cs"])
IDS = (
    st.text(LETTERS, min_size=1, max_size=20)
    .map(lambda text: unicodedata.normalize("NFC", text))
    .filter(lambda text: not id_fault(text))
)
SENT = st.builds(
    Event,
    IDS,
    IDS,
    IDS,
    IDS,
    st.integers(0, END_MS - 1).filter(lambda time: time not in SECONDS),
    st.none() | st.floats(-GREATEST_VALUE, GREATEST_VALUE),
    st.none() | IDS,
    st.none() | IDS,
)


@pytest.mark.slow
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(SENT, min_size=1, max_size=20, unique_by=lambda event: event.event_id))
def test_whatever_the_store_takes_a_dataset_takes(sent, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    with open_store(f"sqlite:///{folder}/store.db") as store:
        store.append(sent).result()
        report = store.export(folder / "live")
    assert (report.good, report.bad) == (len(sent), 0)
    data = gv.load(folder / "live")
    assert {str(one) for one in data.users.ids} == {one.user_id for one in sent}
    kept = pl.read_parquet(folder / "live" / "events.parquet")
    rows = {row["event_id"]: row for row in kept.iter_rows(named=True)}
    for one in sent:
        row = rows[one.event_id]
        assert (str(row["user_id"]), str(row["item_id"]), row["behaviour"]) == (
            one.user_id,
            one.item_id,
            one.behaviour,
        )
        assert row.get("session_id") == one.session_id
        assert int(row["timestamp"].timestamp() * 1000 + 0.5) == one.timestamp


def test_the_command_exports_while_the_service_runs(store, url, events, tmp_path, capsys):
    store.append(events(4)).result()
    command = ["data", "export-events", "--store", url, "--out", str(tmp_path / "live")]
    assert grapevine([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["good"] == 4
    assert len(gv.load(tmp_path / "live").interactions.items) == 4
    assert grapevine(command) == 2
    assert "hint:" in capsys.readouterr().err


def test_the_command_says_when_it_guessed_what_is_predicted(
    store, url, tmp_path, monkeypatch, capsys
):
    given = [("a", "u1", "view"), ("b", "u1", "view"), ("c", "u2", "view"), ("d", "u2", "buy")]
    store.append([Event(one, user, "i1", what) for one, user, what in given]).result()
    command = ["data", "export-events", "--store", url, "--out"]
    assert grapevine([*command, str(tmp_path / "guessed")]) == 0
    assert "if they come in another order than view,buy" in capsys.readouterr().out
    assert gv.load(tmp_path / "guessed").schema.target == "buy"
    # A run says what it predicts, and nothing is guessed.
    run = SimpleNamespace(schema=SimpleNamespace(target="view"))
    monkeypatch.setattr(gv, "open_run", {Path("runs/x"): run}.__getitem__)
    assert grapevine([*command, str(tmp_path / "told"), "--run", "runs/x"]) == 0
    assert "to predict another" not in capsys.readouterr().out
    assert gv.load(tmp_path / "told").schema.target == "view"


def test_the_command_tells_a_store_that_is_not_there(tmp_path, capsys):
    command = ["data", "export-events", "--out", str(tmp_path / "live"), "--store"]
    assert grapevine([*command, f"sqlite:///{tmp_path}/none.db"]) == 2
    assert "there is no store" in capsys.readouterr().err
    assert grapevine([*command, "none.db"]) == 2
    assert not (tmp_path / "none.db").exists()


def test_the_example_of_the_page_prints_what_it_says(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[4] / "docs" / "events.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "events.md", "exec"), {})
    said = re.findall(r"# (.*?):", code)
    assert capsys.readouterr().out.splitlines() == said
