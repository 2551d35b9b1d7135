"""The tutorial runs as it stands, and its page shows all of it."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "examples" / "tutorial.py"


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(TUTORIAL)],
        cwd=tmp_path,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ndcg@10" in done.stdout
    assert "goes with" in done.stdout
    assert (tmp_path / "runs" / "tutorial" / "report.html").is_file()


def test_the_page_shows_every_piece_in_order():
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    code = TUTORIAL.read_text(encoding="utf-8")
    shown = re.findall(r"^<!-- generated: tutorial (\w+) -->$", page, re.MULTILINE)
    assert shown == re.findall(r"^# \[start:(\w+)\]$", code, re.MULTILINE)
    assert shown == re.findall(r"^# \[end:(\w+)\]$", code, re.MULTILINE)
    assert shown


def test_the_code_on_the_page_is_the_whole_program():
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    code = TUTORIAL.read_text(encoding="utf-8")
    on_page = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    # Neither comments nor the docstring count.
    assert ast.dump(ast.parse(on_page)) == ast.dump(ast.Module(ast.parse(code).body[1:], []))


def test_every_public_example_in_the_readme_is_python():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for code in re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL):
        compile(code, "README.md", "exec")
