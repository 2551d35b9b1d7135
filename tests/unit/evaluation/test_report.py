import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import polars as pl
import pytest
from rich.console import Console

from grapevine.evaluation import Entry, evaluate
from grapevine.evaluation.charts import Mark, Scale, curves, element, grouped, intervals, scatter

NASTY = 'runs/<script>alert("x")</script>&[bold]'


@pytest.fixture
def report(make_world):
    world = make_world(targets=2)
    table = world.train.user_table.with_columns(pl.col("gender") + "<b>")
    entries = [
        Entry(name="random", model=world.random(0), train_seconds=1.5),
        Entry(name="random", model=world.oracle(), run=NASTY),
    ]
    train = replace(world.train, user_table=table)
    return evaluate(entries, world.holdout, train=train, slices=["gender"])


class Page(HTMLParser):
    """Tags, addresses and whether every tag that was opened was closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.addresses = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"href", "src"}]
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_json_has_the_promised_shape(report):
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    protocol = found["protocol"]
    for name in ("split", "by", "candidates", "exclude_seen", "k", "users", "items"):
        assert name in protocol
    run = found["runs"][1]
    assert run["run"] == NASTY
    assert run["model"] == "random"
    assert run["seeds"] == [0]
    assert set(run["metrics"]["ndcg@10"]) == {"mean", "low", "high"}
    assert run["train_seconds"] is None
    assert run["evaluate_seconds"] > 0
    pair = found["comparisons"][0]
    for name in ("a", "b", "metric", "difference", "low", "high", "p_holm"):
        assert name in pair
    assert {"warnings", "slices", "skipped", "version"} <= set(found)


def test_the_page_is_whole_and_needs_nothing_else(report, tmp_path):
    path = tmp_path / "report.html"
    report.to_html(path)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.addresses == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not re.search(r"https?://|@import|url\(", text)
    assert "prefers-color-scheme: dark" in text
    assert page.tags.count("svg") > 5


def test_names_are_escaped_in_page_and_drawings(report, tmp_path):
    report.to_html(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;" in text
    assert "f&lt;b&gt;" in text


def test_the_table_marks_best_and_decided(report):
    stream = io.StringIO()
    Console(file=stream, width=130).print(report.table())
    text = stream.getvalue()
    assert NASTY in text
    line = next(line for line in text.splitlines() if NASTY in line)
    assert "1.0000*" in line
    assert "note: one training run a model" in text
    assert "made: test (leave-last-out), 60 users" in text


def test_one_model_alone(make_world, tmp_path):
    world = make_world()
    one = evaluate([Entry(name="only", model=world.constant())], world.holdout, train=world.train)
    one.to_html(tmp_path / "one.html")
    assert Page((tmp_path / "one.html").read_text(encoding="utf-8")).open == []
    Console(file=io.StringIO()).print(one.table())


def test_a_comparison_may_be_seen_from_either_side(report):
    one = report.comparisons[0]
    other = one.seen_from(one.b)
    assert (other.a, other.difference, other.low) == (one.b, -one.difference, -one.high)
    assert other.seen_from(one.a) == one.seen_from(one.a) == one


def test_a_bound_shows_what_is_possible_and_does_not_compete(make_world, tmp_path):
    world = make_world()
    entries = [
        Entry(name="popularity", model=world.constant()),
        Entry(name="guess", model=world.random(0)),
        Entry(name="truth", model=world.oracle(), bound="for any model"),
    ]
    report = evaluate(entries, world.holdout, train=world.train)
    assert [one["bound"] for one in report.to_json()["runs"]] == ["", "", "for any model"]
    assert report.best.label != "truth"
    assert not any("truth" in {one.a, one.b} for one in report.comparisons)
    assert "truth knows the truth: what is possible for any model" in str(report)
    report.to_html(tmp_path / "bound.html")
    text = (tmp_path / "bound.html").read_text(encoding="utf-8")
    assert "What is possible for any model, truth, is 1.0000" in text
    alone = evaluate(entries[2:], world.holdout, train=world.train)
    assert alone.best.label == "truth"


def test_ticks_are_round_and_inside():
    assert Scale(0, 1, 0, 100).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert Scale(0.13, 0.24, 0, 1).ticks(4) == pytest.approx([0.15, 0.2])
    assert Scale(2, 2, 0, 1)(2) == 0
    assert len(Scale(2, 2, 0, 1).ticks()) <= 1


def test_a_scale_maps_its_ends():
    scale = Scale(10, 20, 100, 300)
    assert [scale(value) for value in (10, 15, 20)] == [100, 200, 300]


MARKS = [Mark("a<b", 0, 0.5, 0.4, 0.6), Mark("c", 1, 0.2), Mark("d", 13, float("nan"))]


@pytest.mark.parametrize(
    "drawing",
    [
        intervals("t", MARKS, reference=0.3),
        grouped("t", [("one\nn = 3", MARKS), ("two", MARKS)]),
        grouped("t", []),
        scatter("t", [(MARKS[0], 0.1), (MARKS[1], 0.1)], "x", "y"),
        scatter("t", [(MARKS[0], 0.0)], "x", "y"),
        curves("t", [("a<b", 0, [0, 0.2, 1])], "x", "y"),
        element("text", "a & b", class_="name"),
    ],
)
def test_drawings_are_well_formed_and_finite(drawing):
    assert "nan" not in str(drawing)
    assert "inf" not in str(drawing)
    ElementTree.fromstring(str(drawing))


def test_names_beside_points_do_not_overlap():
    points = [(Mark(f"m{n}", n, 0.5 + n * 1e-6), n) for n in range(9)]
    root = ElementTree.fromstring(str(scatter("t", points, "x", "y")))
    heights = sorted(float(one.get("y")) for one in root.iter("text") if one.get("class") == "name")
    assert len(heights) == 9
    assert min(b - a for a, b in pairwise(heights)) >= 15.9
