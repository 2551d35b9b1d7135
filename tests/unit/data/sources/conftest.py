"""Public datasets, each converted once for all tests that read it."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from grapevine.data.fetch import fetch


@pytest.fixture(scope="session")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a source by name; only for tests that are marked `data`."""
    base = tmp_path_factory.mktemp("sources")

    @cache
    def convert(name: str) -> Path:
        return fetch(name, base / name, Path(os.environ["GRAPEVINE_MIRROR"]))

    return convert
