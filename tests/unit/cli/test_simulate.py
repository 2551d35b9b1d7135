"""`grapevine simulate`: the truth beside what experiments say of it."""

import json

import pytest

import grapevine as gv
from grapevine.cli.app import run as grapevine


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A shop, and two runs that were trained on it by the command line."""
    folder = tmp_path_factory.mktemp("simulate")
    gv.pipeline.make_shop(200, out=folder / "shop")
    for name in ("random", "popularity"):
        made = ["train", name, "--data", str(folder / "shop"), "--out", str(folder / name)]
        assert grapevine(made) == 0
    return folder


def simulated(runs, *more):
    policies = [f"--policy={runs / name}" for name in ("random", "popularity")]
    return grapevine(["simulate", *policies, "--users", "4000", *more])


@pytest.mark.slow
def test_the_truth_stands_beside_what_is_said(runs, capsys):
    capsys.readouterr()
    assert simulated(runs, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    control, treatment = told["truth"]
    assert control["policy"] == str(runs / "random")
    assert treatment["effect"] > 0
    (found,) = told["ab_test"]["contrasts"]
    assert (
        abs(found["adjusted"]["difference"] - treatment["effect"]) < 4 * found["adjusted"]["error"]
    )
    assert found["always_valid"]["decided_on"] is not None
    assert told["interleaving"][str(runs / "popularity")]["winner"] == 1
    assert len(found["by_day"]) == 14
    assert simulated(runs, "--json") == 0
    assert json.loads(capsys.readouterr().out) == told


@pytest.mark.slow
def test_people_read_tables_and_a_verdict(runs, capsys):
    capsys.readouterr()
    assert simulated(runs) == 0
    said = capsys.readouterr()
    for title in ("the truth", "A/B test against", "interleaved with", "from a log"):
        assert title in said.out
    assert "is better than" in said.err


@pytest.mark.slow
def test_what_cannot_be_compared_is_refused(runs, capsys, tmp_path):
    assert grapevine(["simulate", "--policy", str(runs / "random")]) == 2
    assert "compares two policies or more" in capsys.readouterr().err
    assert simulated(runs, "--data", str(tmp_path / "nowhere")) == 2
    assert "nowhere" in capsys.readouterr().err
