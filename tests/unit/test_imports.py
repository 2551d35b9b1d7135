"""The package and its help are light: what is heavy is loaded when it is needed.

No clock is read, since a busy machine would fail the test; what was loaded decides.
"""

import json
import subprocess
import sys

import pytest

HEAVY = ("numba", "numpy", "polars", "pyarrow", "scipy", "torch")


def loaded_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter holds after this code."""
    report = f"import json, sys; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import grapevine") == set()


def test_importing_the_nouns_loads_no_torch_and_no_compiler():
    code = "import grapevine.structs, grapevine.data.dataset, grapevine.data.split"
    assert not loaded_by(code) & {"torch", "numba"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["data", "--help"], ["doctor", "--help"]]
)
def test_help_loads_nothing_heavy(arguments):
    code = f"from grapevine.cli import app; assert app.run({arguments}) == 0"
    assert loaded_by(code) == set()
