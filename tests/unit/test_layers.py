"""The import layers hold, and a room that nobody has placed fails."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package and its configuration, to break."""
    shutil.copytree(
        ROOT / "src" / "grapevine",
        tmp_path / "grapevine",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(house: Path) -> subprocess.CompletedProcess[str]:
    # The copy must win over the installed package, so its folder comes first on the path.
    code = (
        "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports; "
        "sys.exit(lint_imports(no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=house, capture_output=True, text=True, check=False
    )


def test_the_package_keeps_its_layers(house):
    done = lint_imports(house)
    assert done.returncode == 0, done.stdout


def test_a_room_without_a_place_fails(house):
    room = house / "grapevine" / "attic"
    room.mkdir()
    (room / "__init__.py").write_text('"""Nobody said where this stands."""\n')
    done = lint_imports(house)
    assert done.returncode != 0
    assert "attic" in done.stdout + done.stderr


def test_an_import_that_points_downstream_fails(house):
    with (house / "grapevine" / "errors.py").open("a") as file:
        file.write("import grapevine.data.schema\n")
    done = lint_imports(house)
    assert done.returncode != 0
    assert "grapevine.errors is not allowed to import grapevine.data" in done.stdout


def test_compiled_code_outside_its_homes_fails(house):
    with (house / "grapevine" / "data" / "schema.py").open("a") as file:
        file.write("import numba\n")
    done = lint_imports(house)
    assert done.returncode != 0
    assert "grapevine.data.schema -> numba" in done.stdout
