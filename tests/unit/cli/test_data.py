"""What the data commands print for people, and what they answer to a slip."""

import json
from pathlib import Path

import pytest

from grapevine.cli.app import run as grapevine
from grapevine.cli.output import print_facts

T0 = 1_700_000_000_000


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a log of 40 users and a dataset made of it."""
    monkeypatch.chdir(tmp_path)
    lines = ["user,item,action,time"]
    for user in range(40):
        number = 2 if user < 10 else 6
        for step in range(number):
            time = T0 + 1000 * (step * 40 + user)
            lines.append(f"u{user},i{(user + step) % 12},view,{time}")
            lines.append(f"u{user},i{(user + step) % 12},buy,{time + 1}")
    lines += ["u1,i1,view,soon"] * 7
    (tmp_path / "log.csv").write_text("\n".join(lines) + "\n")
    imported = ["data", "import", "log.csv", "--out", "sets/mine", "--bad-rows", "quarantine"]
    assert grapevine([*imported, "--behaviours", "view,buy"]) == 0
    return tmp_path


def test_the_import_prints_what_matters(here: Path, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert grapevine(["data", "import", "log.csv", "--out", "b", "--bad-rows", "quarantine"]) == 0
    out = capsys.readouterr().out.splitlines()
    facts = dict(line.split(None, 1) for line in out if not line.startswith(("note", "bad row")))
    assert facts["behaviours"] == "buy 200, view 200"
    assert "rows" not in facts
    assert facts["bad"] == "7"
    assert any(
        line.startswith("note: `view` is predicted; to predict another: --target") for line in out
    )
    assert sum(line.startswith("bad row: log.csv:") for line in out) == 5
    assert out[-1].endswith("b/bad_rows.parquet")
    assert max(map(len, out)) < 250
    grapevine(["data", "import", "log.csv", "--out", "c", "--bad-rows", "quarantine", "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["rows_per_second"] > 0
    assert facts["bad_rows"][0]["reason"] == "is not a number"


def test_a_file_without_a_header_is_imported_by_names(here: Path):
    (here / "bare.csv").write_text(f"ann;x;{T0};1,5\n")
    arguments = ["--columns", "user_id,item_id,timestamp,value", "--decimal", ","]
    assert grapevine(["data", "import", "bare.csv", "--out", "bare", *arguments]) == 0


def test_the_split_says_when_and_who_is_not_asked(here: Path, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert grapevine(["data", "split", "sets/mine", "--out", "s"]) == 0
    out = capsys.readouterr().out
    assert "note: 10 users with fewer than 3 `buy` events are learnt from, not asked\n" in out
    assert "cold" not in out
    values = {line.split()[-1] for line in out.splitlines() if "users asked" in line}
    assert values == {"30"}
    time = ["--by", "time", "--at", "2023-11-14T22:15"]
    assert grapevine(["data", "split", "sets/mine", "--out", "t", *time, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["at"], facts["at_utc"]) == (1_700_000_100_000, "2023-11-14T22:15:00Z")
    never = ["--by", "time", "--at", "2030-01-01"]
    assert grapevine(["data", "split", "sets/mine", "--out", "n", *never]) == 2
    error = capsys.readouterr().err
    assert "asks nobody" in error
    assert "hint: start the test earlier: --at" in error
    assert not (here / "n").exists()


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("log.csv", "is a file", "grapevine data import log.csv --out datasets/log"),
        ("sets/mine/events.parquet", "is a file", "give the folder that it is in: sets/mine"),
        ("sets/mien", "no dataset folder `sets/mien`", "did you mean `sets/mine`?"),
        ("set", "no dataset folder `set`", "did you mean `sets`?"),
        ("nowhere/mine", "no dataset folder", "it holds: log.csv, sets"),
        ("ml1m", "no dataset folder or public dataset", "did you mean `ml-1m`?"),
    ],
)
def test_what_is_no_dataset_is_answered_by_what_it_looks_like(
    here: Path, source: str, message: str, hint: str, capsys: pytest.CaptureFixture[str]
):
    capsys.readouterr()
    assert grapevine(["data", "describe", source]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert message in first
    assert second.startswith("hint: ")
    assert hint in second


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["lgo.csv"], "did you mean `log.csv`?"),
        (["empty.csv"], "its first line must name the columns"),
        (["header.csv"], "each line after the first must hold an event"),
        (["log.csv", "--bad-rows", "skip"], "There are: fail, quarantine"),
        (
            ["log.csv", "--map", "user=user_id", "--map", "item=user_id"],
            "leave one of them out: --map item=ignore",
        ),
    ],
)
def test_every_refusal_of_an_import_has_a_hint(
    here: Path, arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
):
    (here / "empty.csv").touch()
    (here / "header.csv").write_text("user,item,time\n")
    capsys.readouterr()
    assert grapevine(["data", "import", *arguments, "--out", "no"]) == 2
    assert f"hint: {hint}" in capsys.readouterr().err
    assert not (here / "no").exists()


def test_long_names_do_not_run_into_their_values(capsys: pytest.CaptureFixture[str]):
    print_facts({"validation_cold_targets": 0, "a": "[b]", "counts": {"x": 1234}})
    assert capsys.readouterr().out.splitlines() == [
        "validation cold targets  0",
        "a                        [b]",
        "counts                   x 1,234",
    ]


def test_whole_items_are_held_out_learnt_around_and_measured(
    here: Path, capsys: pytest.CaptureFixture[str]
):
    titles = "".join(f"i{n},{'tea' if n % 2 else 'jam'} {n}\n" for n in range(12))
    (here / "items.csv").write_text("sku,title\n" + titles)
    imported = ["data", "import", "log.csv", "--out", "sets/sold", "--bad-rows", "quarantine"]
    assert grapevine([*imported, "--behaviours", "view,buy", "--items", "items.csv"]) == 0
    cold = ["data", "split", "sets/sold", "--by", "cold-items", "--share", "0.25", "--seed", "3"]
    capsys.readouterr()
    assert grapevine([*cold, "--out", "sets/cold"]) == 0
    out = capsys.readouterr().out
    assert "cold-items" in out
    assert "note: the test asks for items that training has no event of" in out
    fitted = ["train", "content-knn", "--data", "sets/cold", "--out", "runs/content"]
    assert grapevine([*fitted, "--split-by", "published"]) == 0
    asked = ["evaluate", "runs/content", "--data", "sets/cold", "--candidates", "cold", "--json"]
    capsys.readouterr()
    assert grapevine([*asked, "--no-baselines"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["protocol"]["by"] == "cold-items"
    assert any("compete among themselves" in one for one in report["warnings"])


def test_a_folder_s_own_rule_for_repeats_stays_when_a_validation_is_carved_out(
    here: Path, capsys: pytest.CaptureFixture[str]
):
    rows = "".join(f"u{n},i{k},buy,{10 * k}\n" for n in range(3) for k in range(n, n + 5))
    (here / "many.csv").write_text("user,item,event,ts\n" + rows)
    columns = ["--map", "user=user_id", "--map", "item=item_id", "--map", "event=behaviour"]
    imported = ["data", "import", "many.csv", "--out", "sets/many", *columns]
    assert grapevine([*imported, "--map", "ts=timestamp"]) == 0
    late = ["data", "split", "sets/many", "--by", "time", "--at", "1970-01-01T00:00:50"]
    late += ["--repeats", "unmet", "--validation-at", "1970-01-01T00:00:50"]
    assert grapevine([*late, "--out", "sets/late"]) == 0
    capsys.readouterr()
    carved = ["data", "split", "sets/late", "--by", "published", "--validation-users", "2"]
    assert grapevine([*carved, "--out", "sets/carved", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["repeats"] == "unmet"
    assert told["validation_users"] == 2


def test_options_of_another_rule_are_refused(here: Path, capsys: pytest.CaptureFixture[str]):
    assert grapevine(["data", "split", "sets/mine", "--out", "x", "--share", "0.2"]) == 2
    assert "share" in capsys.readouterr().err
    assert grapevine(["data", "split", "sets/mine", "--out", "x", "--by", "cold-items"]) == 2
    assert "import it with --items" in capsys.readouterr().err.replace("\n", " ")
