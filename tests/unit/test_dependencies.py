"""Every package that is imported is declared, pinned, explained, and under a licence we take."""

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


SAID = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What older metadata calls a licence, and its SPDX name."""


def licence(found: metadata.Distribution) -> str:
    """What a package says of its licence: an SPDX expression, or words; "nothing" for neither."""
    about = found.metadata
    if said := about.get("License-Expression"):
        return said
    classified = [
        one.rpartition(" :: ")[2]
        for one in about.get_all("Classifier") or []
        if one.startswith("License :: ") and one != "License :: OSI Approved"
    ]
    # The whole text of a licence may stand in the field.
    words = (about.get("License") or "").strip()
    plain = words if words and "\n" not in words and words != "UNKNOWN" else ""
    return " AND ".join(SAID.get(one, one) for one in classified or [plain or "nothing"])


def allowed(expression: str, names: set[str]) -> bool:
    """Whether each part of an expression has a licence that is allowed.

    Parts are joined by AND; one of several joined by OR is enough.
    """
    parts = [part.strip(" ()") for part in expression.split(" AND ")]
    return all(any(one.strip(" ()") in names for one in part.split(" OR ")) for part in parts)


def test_what_an_expression_allows():
    assert allowed("MIT AND (Apache-2.0 OR GPL-3.0-only)", {"MIT", "Apache-2.0"})
    assert not allowed("MIT AND GPL-3.0-only", {"MIT"})
    assert not allowed("nothing", {"MIT"})


def test_every_licence_is_one_that_we_take():
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    part = page.partition("\n## Licences\n")[2].partition("\n## ")[0]
    listed = next(one for one in part.split("\n\n") if one.startswith("0BSD"))
    names = {one.strip() for one in listed.replace("\n", " ").rstrip(".").split(",")}
    others = {
        (normal(name.strip()), says)
        for packages, says in re.findall(r"^\| ([\w., -]+) \| ([\w.-]+) \|", part, re.MULTILINE)
        for name in packages.split(",")
    }
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {normal(line.partition("==")[0]) for line in lines if "==" in line}
    seen = {
        normal(one.metadata["Name"]): licence(one)
        for one in metadata.distributions()
        if normal(one.metadata["Name"]) in pinned
    }
    assert len(seen) > 50
    wrong = {
        name: says
        for name, says in seen.items()
        if (name, says) not in others and not allowed(says, names)
    }
    assert not wrong, "take another, or say in docs/dependencies.md why it may be here"
