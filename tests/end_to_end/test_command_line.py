"""A newcomer's way: a CSV of their own, and every command once."""

import errno
import json
import random

import polars as pl
import pytest

from grapevine.cli.app import run as grapevine

EVENTS = "events.csv"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A folder with a log of 60 customers in two camps, and a catalogue."""
    folder = tmp_path_factory.mktemp("shop")
    draw = random.Random(0)
    lines = ["customer,sku,when"]
    for customer in range(60):
        camp = [f"s{n:02d}" for n in range(customer % 2, 30, 2)]
        for step, sku in enumerate(draw.sample(camp, 9)):
            lines.append(f"c{customer:02d},{sku},{1_700_000_000 + 3600 * (60 * step + customer)}")
    (folder / EVENTS).write_text("\n".join(lines) + "\n")
    skus = [f"s{n:02d},Thing no. {n},{n * 1.5}" for n in range(30)]
    (folder / "catalogue.csv").write_text("\n".join(["sku,title,price", *skus]) + "\n")
    return folder


@pytest.fixture(scope="module")
def imported(here):
    code = grapevine(
        [
            "data", "import", str(here / EVENTS), "--items", str(here / "catalogue.csv"),
            "--map", "customer=user_id", "--map", "sku=item_id", "--map", "when=timestamp",
            "--out", str(here / "data"),
        ]
    )  # fmt: skip
    assert code == 0
    return here / "data"


@pytest.fixture(scope="module")
def trained(here, imported):
    for model in ("item-knn", "popularity"):
        assert grapevine(["train", model, "--data", str(imported), "--out", str(here / model)]) == 0
    return here / "item-knn"


def said(capsys, *arguments):
    """The JSON document that a command prints, and nothing beside it."""
    capsys.readouterr()
    assert grapevine([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_describe_counts_what_was_imported(imported, capsys):
    facts = said(capsys, "data", "describe", imported)
    assert (facts["counts"]["users"], facts["behaviours"]["event"]) == (60, 540)
    assert facts["warnings"] == []
    assert grapevine(["data", "describe", str(imported)]) == 0
    assert "540" in capsys.readouterr().out


def test_split_holds_one_target_a_user_out_and_leaks_nothing(here, imported, capsys):
    facts = said(capsys, "data", "split", imported, "--out", here / "split")
    assert (facts["test_users"], facts["validation_users"], facts["leaks"]) == (60, 60, 0)
    labels = pl.read_parquet(here / "split" / "events.parquet")["split"].value_counts()
    assert dict(labels.iter_rows()) == {"train": 420, "validation": 60, "test": 60}


def test_a_stored_split_gives_the_same_figures_as_one_made_on_the_way(
    here, imported, trained, capsys
):
    said(capsys, "data", "split", imported, "--out", here / "stored")
    said(capsys, "train", "item-knn", "--data", here / "stored", "--out", here / "stored-run")
    quick = ("--no-baselines",)
    first = said(capsys, "evaluate", trained, "--data", imported, *quick)
    second = said(capsys, "evaluate", here / "stored-run", "--data", here / "stored", *quick)
    assert first["runs"][0]["metrics"] == second["runs"][0]["metrics"]


def test_evaluate_measures_runs_beside_the_baselines(here, imported, trained, capsys):
    report = said(
        capsys, "evaluate", trained, here / "popularity", "--data", imported,
        "--html", here / "report.html",
    )  # fmt: skip
    assert report["protocol"]["candidates"] == "all"
    assert report["protocol"]["users"] == 60
    means = {run["model"]: run["metrics"]["ndcg@10"]["mean"] for run in report["runs"]}
    # Each customer buys in one camp of 15: knowing the camp leaves 8 unseen items, not 23.
    assert means["item-knn"] > 1.5 * means["popularity"]
    assert {"random", "ease", "als", "bpr", "markov", "recent-popularity"} <= set(means)
    page = (here / "report.html").read_text(encoding="utf-8")
    assert "item-knn" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert (trained / "report.json").is_file()


@pytest.mark.parametrize(
    "asked", [("--user", "c07"), ("--history", "s01,s03,s05"), ("--item", "s01")]
)
def test_recommend_stays_in_the_camp(trained, asked, capsys):
    rows = said(capsys, "recommend", trained, *asked, "-k", 5, "--why")["recommendations"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    assert all(int(row["item_id"][1:]) % 2 == 1 for row in rows)
    assert rows[0]["title"].startswith("Thing no. ")
    assert rows[0]["why"].startswith("goes with Thing no. ")


def test_recommend_for_everybody_and_within_a_price(here, trained, capsys):
    assert grapevine(["recommend", str(trained), "--all-users", str(here / "all.parquet")]) == 0
    assert pl.read_parquet(here / "all.parquet")["user_id"].n_unique() == 60
    rows = said(capsys, "recommend", trained, "--user", "c00", "--where", "price<20")
    assert all(int(row["item_id"][1:]) * 1.5 < 20 for row in rows["recommendations"])


def test_a_run_on_everything_has_nothing_left_to_measure(here, imported, capsys):
    out = here / "final"
    assert (
        grapevine(
            ["train", "ease", "--data", str(imported), "--split-by", "none", "--out", str(out)]
        )
        == 0
    )
    assert grapevine(["evaluate", str(out), "--data", str(imported)]) == 2
    assert "hint: train it with --split-by" in capsys.readouterr().err


def test_settings_reach_the_model_and_the_run_remembers_them(here, imported, capsys):
    out = here / "set"
    said(
        capsys, "train", "item-knn", "--data", imported, "--out", out,
        "--set", "model.neighbours=7", "--set", "model.similarity=jaccard",
    )  # fmt: skip
    config = (out / "config.toml").read_text()
    assert "neighbours = 7" in config
    assert 'similarity = "jaccard"' in config
    again = said(capsys, "train", out / "config.toml", "--data", imported, "--out", here / "again")
    assert again["model"] == "item-knn"
    assert (here / "again" / "model.safetensors").read_bytes() == (
        out / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "eese", "--data", "{data}", "--out", "x"], "did you mean `ease`"),
        (["train", "ease", "--data", "nowhere", "--out", "x"], "nowhere"),
        (["train", "ease", "--data", "{data}", "--out", "x", "--set", "model.regularisation=3"],
         "did you mean `regularization`"),
        (["train", "ease", "--data", "{data}", "--out", "x", "--set", "nonsense"], "hint: write"),
        (["evaluate", "nowhere", "--data", "{data}"], "not a run folder"),
        (["recommend", "{run}"], "exactly one of them\nhint: grapevine recommend"),
        (["recommend", "{run}", "--user", "c7"], "did you mean `c"),
        (["recommend", "{run}", "--user", "c00", "--where", "price<200,50"], "decimal point"),
        (["recommend", "{run}", "--user", "c00", "--candidates", "nope.txt"],
         "`nope.txt`: No such file"),
        (["recommend", "{run}", "--all-users", "lists.csv"], "hint: name it lists.parquet"),
        (["evaluate", "{run}", "--data", "{data}", "--split", "tset"], "did you mean `test`"),
        (["evaluate", "{run}", "--data", "{data}", "--html", "{run}"],
         "report.html"),
        (["train", "item-knn", "--data", "{data}", "--out", "x", "--set", "neighbours=-5"],
         "hint: "),
        (["train", "item-knn", "--data", "{data}", "--out", "x", "--set", "neighbours=zwanzig"],
         "hint: `grapevine models item-knn` lists"),
        (["train", "ease", "--data", "{data}", "--out", "{run}/card.md"], "is a file"),
        (["recommend", "{run}", "--user", "nobody"], "knows no user `nobody`"),
        (["data", "fetch", "ml-1"], "did you mean `ml-1m`"),
        (["data", "split", "{data}", "--by", "tme", "--out", "x"], "did you mean `time`"),
    ],
)  # fmt: skip
def test_a_wrong_request_gets_two_and_a_hint(arguments, message, imported, trained, capsys):
    filled = [part.format(data=imported, run=trained) for part in arguments]
    assert grapevine(filled) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error


def test_a_run_is_replaced_only_by_force(here, imported, capsys):
    out = here / "kept"
    train = ["train", "popularity", "--data", str(imported), "--out", str(out)]
    assert grapevine(train) == 0
    before = (out / "MANIFEST.json").read_bytes()
    asked = ["train", "ease", *train[2:]]
    assert grapevine(asked) == 2
    assert "holds a run already\nhint: " in capsys.readouterr().err
    assert (out / "MANIFEST.json").read_bytes() == before
    assert grapevine([*asked, "--force"]) == 0
    assert "(replaced)" in capsys.readouterr().err
    assert 'name = "ease"' in (out / "config.toml").read_text()


def test_the_page_about_one_run_has_its_pictures(here, imported, trained):
    assert grapevine(["train", "als", "--data", str(imported), "--out", str(here / "als")]) == 0
    asked = ["--data", str(imported), "--no-baselines", "--html"]
    assert grapevine(["evaluate", str(here / "als"), *asked, str(here / "one.html")]) == 0
    both = [str(here / "als"), str(trained)]
    assert grapevine(["evaluate", *both, *asked, str(here / "two.html")]) == 0
    assert "Map of the items" in (here / "one.html").read_text(encoding="utf-8")
    assert "Map of the items" not in (here / "two.html").read_text(encoding="utf-8")


def test_where_a_report_goes_is_looked_at_before_measuring(here, imported, trained, monkeypatch):
    def measured(*_args, **_kwargs):
        raise AssertionError("it was measured")

    monkeypatch.setattr("grapevine.pipeline.baselines", measured)
    asked = ["evaluate", str(trained), "--data", str(imported), "--html"]
    (here / "file").write_text("")
    assert grapevine([*asked, str(here / "file" / "report.html")]) == 2
    assert grapevine([*asked, str(trained)]) == 2
    with pytest.raises(AssertionError, match="measured"):
        grapevine([*asked, str(here / "new" / "folder" / "report.html")])
    assert (here / "new" / "folder").is_dir()


def test_a_report_that_cannot_be_kept_is_still_shown(imported, trained, monkeypatch, capsys):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device", "report.json")

    monkeypatch.setattr("grapevine.pipeline.attach", full)
    capsys.readouterr()
    asked = ["evaluate", str(trained), "--data", str(imported), "--no-baselines", "--json"]
    assert grapevine(asked) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["runs"]
    assert "hint: make room" in shown.err


def test_what_is_held_out_is_said(here, imported, capsys):
    train = ["train", "popularity", "--data", str(imported), "--force", "--out", str(here / "s")]
    assert grapevine(train) == 0
    assert "for production: --split-by none" in capsys.readouterr().err
    assert grapevine([*train, "--split-by", "none"]) == 0
    said = capsys.readouterr().err
    assert "held out" not in said
    assert "next: grapevine recommend" in said
    assert grapevine(["-q", *train]) == 0
    assert capsys.readouterr().err == ""


def test_only_the_events_that_a_model_looks_at_are_counted_as_learnt_from(here, capsys):
    log = here / "funnel.csv"
    rows = [
        f"u{user},i{(user + step) % 7},{step},{'buy' if step % 2 else 'view'}"
        for user in range(20)
        for step in range(10)
    ]
    log.write_text("\n".join(["user_id,item_id,timestamp,behaviour", *rows]) + "\n")
    data, out = here / "funnel", here / "funnel-run"
    said(capsys, "data", "import", log, "--behaviours", "view,buy", "--target", "buy",
         "--time-unit", "s", "--out", data)  # fmt: skip
    train = ["train", "ease", "--data", data, "--split-by", "none", "--out", out, "--force"]
    facts = said(capsys, *train)
    assert (facts["events"], facts["target_events"]) == (200, 100)
    assert grapevine([*map(str, train)]) == 0
    assert "learnt from 100 `buy` events" in capsys.readouterr().err
    assert grapevine([*map(str, train), "--set", "behaviours=all"]) == 0
    assert "learnt from 200 events" in capsys.readouterr().err


def test_ids_are_read_without_what_editors_and_people_put_around_them(here, trained, capsys):
    listed = here / "allowed.txt"
    listed.write_bytes(b"\xef\xbb\xbfs02\r\n  s04 \r\n\r\n")
    rows = said(
        capsys, "recommend", trained, "--history", "s06, s08", "--candidates", listed
    )["recommendations"]  # fmt: skip
    assert {row["item_id"] for row in rows} == {"s02", "s04"}


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (["--where", "price<0"], "no item meets `price<0`"),
        (["--where", "title=Thing no 7"], "did you mean `title=Thing no. 7`?"),
        (["--where", "price<3", "--where", "price>9"], "no item meets all of: price<3, price>9"),
        (["--candidates", "{empty}"], "nothing to recommend to c00\nhint: "),
    ],
)
def test_an_empty_list_says_why(here, trained, limits, reason, capsys):
    (here / "empty.txt").write_text("\n")
    limits = [part.format(empty=here / "empty.txt") for part in limits]
    assert grapevine(["recommend", str(trained), "--user", "c00", *limits]) == 0
    shown = capsys.readouterr()
    assert reason in shown.err
    assert shown.out == ""
    assert said(capsys, "recommend", trained, "--user", "c00", *limits)["recommendations"] == []


def test_whoever_gets_no_list_is_named_beside_those_who_do(here, trained, capsys):
    has = said(capsys, "recommend", trained, "--user", "c00", "-k", 99)["recommendations"]
    lacks = {f"s{n:02d}" for n in range(30)} - {row["item_id"] for row in has}
    listed = here / "taken.txt"
    listed.write_text("\n".join(sorted(lacks)))
    both = ["--user", "c00", "--user", "c01", "--candidates", str(listed)]
    assert grapevine(["recommend", str(trained), *both]) == 0
    shown = capsys.readouterr()
    assert "nothing to recommend to c00\n" in shown.err
    assert "c01" in shown.out


def test_the_demo_replaces_its_own_runs_and_no_others(imported, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for note in ("", " (replaced)"):
        assert grapevine(["demo", "--no-serve", "--data", str(imported)]) == 0
        said = capsys.readouterr().err
        assert f"run: runs/demo-data{note}\n" in said
        assert said.endswith("or:   grapevine serve runs/demo-data\n")
    made = sorted(path.name for path in (tmp_path / "runs").iterdir())
    # Vectors and index are there where the model that was chosen has vectors.
    assert made in (["demo-data"], ["demo-data", "demo-data-index", "demo-data-vectors"])
    assert (
        grapevine(["demo", "--no-serve", "--data", str(imported), "--out", "runs/demo-data"]) == 2
    )
    assert "--force" in capsys.readouterr().err


def test_bad_rows_stop_the_import_or_are_set_aside(here, capsys):
    bad = here / "bad.csv"
    bad.write_text("user_id,item_id,timestamp\na,x,1700000000\n,y,1700000001\nb,z,soon\n")
    out = here / "bad"
    assert grapevine(["data", "import", str(bad), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "bad.csv" in error
    assert "--bad-rows quarantine" in error
    assert not out.exists()
    report = said(capsys, "data", "import", bad, "--out", out, "--bad-rows", "quarantine")
    assert (report["total"], report["good"], report["bad"]) == (3, 1, 2)
    assert pl.read_parquet(out / "bad_rows.parquet")["line"].to_list() == [3, 4]


def test_interrupting_is_three(here, imported, monkeypatch, capsys):
    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("grapevine.models.ease.EASE.Config.fit", stop)
    out = here / "stopped"
    assert grapevine(["train", "ease", "--data", str(imported), "--out", str(out)]) == 3
    assert not out.exists()
