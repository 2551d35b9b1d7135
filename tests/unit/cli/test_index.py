import json

import numpy as np
import pytest

import grapevine as gv
from grapevine.cli.app import run as grapevine
from grapevine.index.embed import open_embeddings
from grapevine.index.folder import open_index
from grapevine.testing.worlds import checkerboard, world


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexes")
    gv.fit("als", world(checkerboard(40, 60)), out=folder / "run")
    assert grapevine(["embed", str(folder / "run"), "--out", str(folder / "vectors")]) == 0
    return folder


def said(capsys, *arguments):
    capsys.readouterr()
    assert grapevine([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("kind", ["auto", "flat", "ivf", "hnsw"])
def test_a_run_becomes_an_index_that_recommends_alike(here, capsys, kind):
    out = here / kind
    facts = said(capsys, "index", here / "vectors", "--out", out, "--kind", kind)
    assert facts["kind"] == ("flat" if kind == "auto" else kind)
    assert (facts["vectors"], facts["width"], facts["measured_with"]) == (60, 64, "20 users")
    assert facts["recall@10"] >= 0.9
    assert facts["bytes"] > 60 * 64 * 4
    given, index = open_embeddings(here / "vectors"), open_index(out)
    best = index.search(given.user_vectors, 1).items[:, 0]
    scores = given.user_vectors @ given.vectors.T
    # In a camp of this world every item is as good as the next.
    assert np.isclose(scores[np.arange(40), best], scores.max(1), atol=0.01).mean() >= 0.9


def test_without_json_the_facts_are_lines(here, capsys):
    arguments = ["index", str(here / "vectors"), "--out", str(here / "lines"), "--kind", "ivf"]
    assert grapevine(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split("  ")[0] for line in lines} >= {"recall@10", "nprobe", "build seconds"}


def test_nothing_is_replaced_unasked_and_nothing_else_at_all(here, capsys):
    assert grapevine(["embed", str(here / "run"), "--out", str(here / "vectors")]) == 2
    assert "holds vectors of a run already\nhint: " in capsys.readouterr().err
    again = ["embed", str(here / "run"), "--out", str(here / "vectors"), "--force"]
    assert grapevine(again) == 0
    for taken in ("run", "vectors"):
        arguments = ["index", str(here / "vectors"), "--out", str(here / taken), "--force"]
        assert grapevine(arguments) == 2
        assert "does not hold an index" in capsys.readouterr().err
    gv.open_run(here / "run")


def test_what_is_no_folder_of_vectors_says_how_to_make_one(here, capsys):
    assert grapevine(["index", str(here / "run"), "--out", str(here / "never")]) == 2
    assert "hint: make one with `grapevine embed RUN --out DIR`" in capsys.readouterr().err
    gv.fit("popularity", world(checkerboard(6, 6)), out=here / "popularity")
    assert grapevine(["embed", str(here / "popularity"), "--out", str(here / "never")]) == 2
    assert "popularity has no vectors" in capsys.readouterr().err
    kind = ["--kind", "hsnw"]
    assert grapevine(["index", str(here / "vectors"), "--out", str(here / "never"), *kind]) == 2
    assert "did you mean `hnsw`?" in capsys.readouterr().err
    assert not (here / "never").exists()


def test_a_recall_out_of_reach_is_told(caplog):
    from dataclasses import replace

    from grapevine.cli.index import _say_if_short
    from grapevine.index.build import build

    vectors = np.eye(4, dtype=np.float32)
    settings = build(vectors, range(4)).settings
    _say_if_short(replace(settings, wanted=0.99, recall=0.985))
    assert not caplog.text
    _say_if_short(replace(settings, wanted=0.99, recall=0.8))
    assert "recall 0.800 is less than the 0.990 wanted\nhint: --kind flat is exact" in caplog.text
