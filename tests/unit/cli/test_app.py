"""What every command does when the system, or the person, is in the way."""

import errno
import os
import sys

import pytest

from grapevine.cli.app import run as grapevine


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOENT, "look at the spelling"),
        (errno.EACCES, "choose another place"),
        (errno.EISDIR, "name a file"),
        (errno.ENOSPC, "make room"),
        (errno.EIO, "look at the path, the disk"),
    ],
)
def test_what_the_system_refuses_is_one_message_with_a_hint(monkeypatch, capsys, number, hint):
    def refuse(*_args, **_kwargs):
        raise OSError(number, os.strerror(number), "some/where.csv")

    monkeypatch.setattr("grapevine.load", refuse, raising=False)
    assert grapevine(["data", "describe", "x"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"error: `some/where.csv`: {os.strerror(number)}"
    assert second.startswith("hint: ")
    assert hint in second


def test_a_reader_that_leaves_is_not_a_fault(monkeypatch, capsys):
    def leave(*_args, **_kwargs):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("grapevine.cli.models.print_json", leave)
    # Typer puts wrappers around both streams then; the test's own are to come back.
    monkeypatch.setattr("sys.stdout", sys.stdout)
    monkeypatch.setattr("sys.stderr", sys.stderr)
    assert grapevine(["models", "--json"]) == 0
    assert "error" not in capsys.readouterr().err


def test_quiet_leaves_the_errors_and_nothing_else(capsys):
    assert grapevine(["models"]) == 0
    assert "next: grapevine models NAME" in capsys.readouterr().err
    assert grapevine(["-q", "models"]) == 0
    assert capsys.readouterr().err == ""
    assert grapevine(["-q", "models", "eese"]) == 2
    assert "did you mean `ease`" in capsys.readouterr().err
