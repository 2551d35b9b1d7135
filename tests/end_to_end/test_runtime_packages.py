"""The demo runs with what the package declares and nothing of what the tests bring along."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Answers `import x` for a package that would not be there, as Python does then; only looking for
# one, as torch does for some, is no import.
PROGRAM = """
import sys
from importlib.machinery import ModuleSpec

class Absent:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name.partition(".")[0] in ABSENT else None

    def create_module(self, spec):
        raise ModuleNotFoundError(f"No module named {spec.name!r}", name=spec.name)

    def exec_module(self, module):
        raise AssertionError("never made")

ABSENT = set(sys.argv.pop(1).split(","))
sys.meta_path.insert(0, Absent())
from grapevine.cli import main
main()
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_all_they_need(requirements: list[str]) -> set[str]:
    """The distributions that an installation of these brings, by their own declarations."""
    found: set[str] = set()
    queue = [(Requirement(one), "") for one in requirements]
    while queue:
        wanted, extra = queue.pop()
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = normal(wanted.name)
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        if name not in found:
            found.add(name)
            queue += [(Requirement(one), "") for one in needs]
        queue += [
            (Requirement(one), each) for each in wanted.extras for one in needs if "extra" in one
        ]
    return found


@pytest.mark.slow
def test_the_demo_runs_without_the_packages_of_development(tmp_path):
    there = with_all_they_need(PROJECT["dependencies"])
    assert {"numpy", "torch", "llvmlite", "click"} & there >= {"numpy", "torch", "llvmlite"}
    absent = {
        module
        for module, homes in metadata.packages_distributions().items()
        if not any(normal(home) in there for home in homes)
        and module not in sys.stdlib_module_names
        and not module.startswith("grapevine")
    }
    assert {"pytest", "hypothesis", "beartype", "ir_measures"} <= absent
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PROGRAM,
            ",".join(sorted(absent)),
            "demo",
            "--no-serve",
            "--users",
            "200",
        ],
        cwd=tmp_path,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "demo" / "report.html").is_file()
