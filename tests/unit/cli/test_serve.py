"""`grapevine serve` and `grapevine keys`: what is refused leaves nothing, and noise is not made."""

import socket
from contextlib import closing

import pytest

import grapevine as gv
from grapevine.cli.app import run as grapevine


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a run, `ease`."""
    folder = tmp_path_factory.mktemp("serve")
    data = gv.pipeline.make_shop(20, out=folder / "shop")
    gv.fit("ease", gv.pipeline.prepare(data).train, out=folder / "runs" / "ease")
    return folder / "runs"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.db'}"


def test_a_misspelt_run_is_told_with_the_nearest_and_leaves_no_store(runs, tmp_path, url, capsys):
    assert grapevine(["serve", str(runs / "eas"), "--store", url]) == 2
    said = capsys.readouterr().err
    assert said.count(str(runs / "eas") + "`") == 1
    assert f"did you mean `{runs / 'ease'}`?" in said
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_told_before_a_store_is_made(runs, tmp_path, url, capsys):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert grapevine(["serve", str(runs / "ease"), "--store", url, "--port", port]) == 2
    assert "cannot listen at" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_public_address_without_a_key_makes_no_store(runs, tmp_path, url, capsys):
    given = ["serve", str(runs / "ease"), "--store", url, "--port", "0", "--host", "0.0.0.0"]
    assert grapevine(given) == 2
    assert "no API key is there" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_keys_make_no_store_for_nothing(tmp_path, url, capsys):
    assert grapevine(["keys", "add", "shop", "--scope", "writes", "--store", url]) == 2
    assert "did you mean `write`?" in capsys.readouterr().err
    for asked in (["list"], ["revoke", "abc"]):
        assert grapevine(["keys", *asked, "--store", url]) == 2
        assert "there is no store" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_new_store_is_made_in_silence(url, capsys, caplog):
    assert grapevine(["keys", "add", "shop", "--scope", "write", "--store", url]) == 0
    assert capsys.readouterr().err == "keep it: it cannot be shown again\n"
    assert caplog.records == []
    assert grapevine(["keys", "list", "--store", url]) == 0
    assert "shop" in capsys.readouterr().out
