"""A newcomer's way: a CSV of their own, and every command once."""

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
        (["recommend", "{run}"], "exactly one of them"),
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
