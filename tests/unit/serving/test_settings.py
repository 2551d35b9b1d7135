"""What a service is told when it starts."""

from pathlib import Path

import pytest

from grapevine.errors import ConfigError
from grapevine.serving.settings import Settings


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.0.7", True),
        ("shop.example", True),
    ],
)
def test_who_can_reach_it(host, public):
    assert Settings(run=Path("r"), host=host).public == public


def test_runs_lie_below_their_folder(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "out").symlink_to(tmp_path)
    settings = Settings(run=tmp_path / "runs" / "one")
    assert settings.within_root("two") == tmp_path / "runs" / "two"
    for elsewhere in ("../x", "/etc", "out/x", "a/../../x", "..", "two/../../../etc/passwd"):
        with pytest.raises(ConfigError, match="outside"):
            settings.within_root(elsewhere)


@pytest.mark.parametrize("changed", [{"port": -1}, {"body": 0}, {"waiting": 0}, {"rate": -1}])
def test_what_cannot_be_is_refused(changed):
    with pytest.raises(ConfigError):
        Settings(run=Path("r"), **changed)
