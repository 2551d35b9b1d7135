"""The pages in the repository say what the code does now."""

import re
import runpy
from pathlib import Path

import pytest

import grapevine as gv

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.fixture(scope="module")
def generate():
    return runpy.run_path(str(ROOT / "docs" / "generate.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(generate, page):
    text = page.read_text(encoding="utf-8")
    assert generate["filled"](text) == text, "run `make docs` and commit what it writes"


def test_a_stale_part_is_written_anew_and_the_rest_is_kept(generate):
    page = "Before.\n\n<!-- generated: leaks -->\nstale\n<!-- end: leaks -->\n\nAfter.\n"
    filled = generate["filled"](page)
    assert filled.startswith("Before.\n\n<!-- generated: leaks -->\n\n| leak | it means |")
    assert filled.endswith("|\n\n<!-- end: leaks -->\n\nAfter.\n")
    assert "stale" not in filled
    assert generate["filled"](filled) == filled


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_part_has_its_two_ends(page):
    text = page.read_text(encoding="utf-8")
    starts = re.findall(r"<!-- generated: ([\w ]+) -->", text)
    assert starts == re.findall(r"<!-- end: ([\w ]+) -->", text)
    assert "--8<--" not in text


@pytest.mark.parametrize("page", [*sorted(ROOT.glob("*.md")), *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere_in_the_repository(page):
    links = LINK.findall(page.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert not [link for link in local if not (page.parent / link).exists()]


@pytest.mark.slow
def test_the_examples_of_graphs_print_what_the_page_says(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "graphs.md").read_text(encoding="utf-8")
    part = page.partition("\n## What a neighbourhood is\n")[2].partition("\n## PinSage\n")[0]
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", part, re.MULTILINE | re.DOTALL))
    gv.pipeline.make_shop(300, out=tmp_path / "shop")
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    exec(compile(code, "graphs.md", "exec"), {})
    said = capsys.readouterr().out.splitlines()
    comments = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert len(said) == len(comments)
    # The first comment tells what is seen, the others the very line.
    assert said[1:] == comments[1:]


@pytest.mark.slow
def test_the_examples_of_several_tasks_print_what_the_page_says(capsys):
    page = (ROOT / "docs" / "multi-task.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    exec(compile(code, "multi-task.md", "exec"), {})
    comments = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == comments


@pytest.mark.slow
def test_the_example_of_a_second_stage_prints_what_the_page_says(capsys):
    page = (ROOT / "docs" / "ranking.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    exec(compile(code, "ranking.md", "exec"), {})
    comments = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == comments


@pytest.mark.slow
def test_the_examples_of_experiments_print_what_the_page_says(capsys):
    page = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    exec(compile(code, "experiments.md", "exec"), {})
    comments = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == comments
