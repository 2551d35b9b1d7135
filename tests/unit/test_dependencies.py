"""Every package that is imported is declared, pinned, and explained."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICE = ("serve", "postgres", "onnx")
"""Extras whose packages a room of the package imports by name."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def normal(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirements: list[str]) -> set[str]:
    return {normal(re.split(r"[^\w.-]", one, maxsplit=1)[0]) for one in requirements}


def imported() -> set[str]:
    """The distributions that the package imports anywhere, late imports included."""
    modules: set[str] = set()
    for path in (ROOT / "src" / "grapevine").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    homes = metadata.packages_distributions()
    foreign = modules - set(sys.stdlib_module_names) - {"grapevine"}
    return {normal(homes[module][0]) for module in foreign}


def test_what_is_imported_is_declared():
    extras = [PROJECT["optional-dependencies"][extra] for extra in SERVICE]
    declared = named(PROJECT["dependencies"]).union(*map(named, extras))
    assert not imported() - declared, (
        "add them to [project] dependencies, with a reason in the docs"
    )


def test_what_is_declared_is_imported():
    unused = named(PROJECT["dependencies"]) - imported()
    assert not unused, "nothing in src imports them"


def test_every_declared_package_is_pinned():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.partition("==")[0]) for line in lines if "==" in line}
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    assert set().union(*map(named, groups)) <= pinned


def test_every_declared_package_is_explained():
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    assert not [name for group in groups for name in sorted(named(group)) if name not in page]
