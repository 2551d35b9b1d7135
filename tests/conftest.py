"""What every test runs under: shapes checked at the boundaries, and one hypothesis profile."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numba
import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import config, install_import_hook

# Workers beside each other already fill the machine. Threads of each on top only wait for one
# another, and a test takes many times as long; the same holds for the commands that tests start.
WORKER = "PYTEST_XDIST_WORKER" in os.environ
ALL_THREADS = numba.get_num_threads()
if WORKER:
    os.environ["OMP_NUM_THREADS"] = "1"

PACKAGE = Path(__file__).parent.parent / "src" / "grapevine"
ROOMS = ("structs", "core", "data", "views", "encoders", "models", "evaluation")

# An expression, since that is what the hook takes. An int may stand where a float is asked for
# (PEP 484), and `Self` means something only where a whole class is decorated.
CHECKER = (
    "beartype.beartype(conf=beartype.BeartypeConf("
    "is_pep484_tower=True, hint_overrides=beartype.FrozenDict("
    "{beartype.typing.Self: beartype.typing.Any})))"
)


def checked_modules() -> list[str]:
    """Every module of the rooms that tables and tensors pass through, but the compiled ones.

    The hook wraps each function in Python, and numba can compile only what is not wrapped.
    """
    return [
        "grapevine." + path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
        for room in ROOMS
        for path in sorted((PACKAGE / room).rglob("*.py"))
        if path.stem != "__init__" and "numba" not in path.read_text(encoding="utf-8")
    ]


# For the whole session: whatever a test imports later is checked as well.
install_import_hook(checked_modules(), CHECKER)

# A shell starts what is to run in the background deaf to Ctrl-C; the tests of it must hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine that does other work too must not fail a test by being slow.
settings.register_profile(
    "grapevine",
    deadline=None,
    max_examples=50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("grapevine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what reads public data, with the reason, where there is none."""
    mirror = os.environ.get("GRAPEVINE_MIRROR")
    if mirror and Path(mirror).is_dir():
        return
    reason = (
        f"GRAPEVINE_MIRROR names no folder: {mirror}"
        if mirror
        else "reads public data: set GRAPEVINE_MIRROR to the folder that holds it"
    )
    for item in items:
        if item.get_closest_marker("data"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """A worker's products and compiled kernels on one thread."""
    if WORKER:
        torch.set_num_threads(1)
        numba.set_num_threads(1)


@pytest.fixture
def all_threads(one_thread: None) -> Iterator[None]:
    """As many threads as the machine has, for the tests of what must not depend on them."""
    before = numba.get_num_threads()
    numba.set_num_threads(ALL_THREADS)
    yield
    numba.set_num_threads(before)


@pytest.fixture
def mirror() -> Path:
    """The folder with the public datasets; only for tests that are marked `data`."""
    return Path(os.environ["GRAPEVINE_MIRROR"])


@pytest.fixture
def unchecked() -> Iterator[None]:
    """The package as its users run it, for the messages that a shape check would come before."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
