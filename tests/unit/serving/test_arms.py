"""Runs of arms: opened beside questions, swapped where they changed, told once if broken."""

import shutil

import pytest

from grapevine.errors import ConfigError
from grapevine.serving.arms import Arms
from grapevine.serving.engine import Live, Refused
from grapevine.serving.settings import Settings


@pytest.fixture
def arms(shop, tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    shutil.copytree(shop / "runs" / "ease", runs / "a")
    return Arms(Settings(run=runs / "a"))


def test_a_folder_that_holds_another_version_is_swapped(arms, shop):
    arms.follow(["a"])
    host, before = arms.hosts["a"], arms.hosts["a"].current().version
    arms.follow(["a"])
    assert arms.hosts["a"] is host
    folder = arms.settings.within_root("a")
    shutil.rmtree(folder)
    shutil.copytree(shop / "runs" / "markov", folder)
    arms.follow(["a"])
    assert arms.hosts["a"] is host
    assert host.current().version != before
    arms.follow([])
    assert arms.hosts == {}


def test_what_is_broken_is_told_once_and_tried_again_when_it_changed(arms, shop, caplog):
    folder = arms.settings.within_root("b")
    shutil.copytree(shop / "runs" / "ease", folder)
    (folder / "model.safetensors").write_bytes(b"nothing")
    for _ in range(3):
        arms.follow(["a", "b", "nowhere"])
    assert [*arms.hosts] == ["a"]
    assert caplog.text.count("`b` of an experiment is not opened") == 1
    assert caplog.text.count("`nowhere` of an experiment is not opened") == 1
    with pytest.raises(Refused):
        arms.open("b")
    with pytest.raises(ConfigError, match="outside the folder of runs"):
        arms.open("../../etc")
    shutil.rmtree(folder)
    shutil.copytree(shop / "runs" / "markov", folder)
    arms.follow(["a", "b"])
    assert [*arms.hosts] == ["a", "b"]


def test_all_of_them_know_the_items_of_now(arms):
    arms.follow(["a"])
    live = Live().said({"n1": {}})
    arms.revise(live)
    assert arms.hosts["a"].current().catalogue.shown("n1") is not None
    arms.follow([])
    assert arms.open("a").current().catalogue.shown("n1") is not None


def test_a_user_side_that_is_written_later_is_tried_again(arms, shop, caplog):
    """A run that is trained anew has that of the run before beside it, until it is exported."""
    folder = arms.settings.within_root("b")
    shutil.copytree(shop / "runs" / "ease", folder)
    onnx = folder.with_name("b.onnx")
    onnx.write_bytes(b"of another run")
    for _ in range(3):
        arms.follow(["b"])
    assert arms.hosts == {}
    assert caplog.text.count("`b` of an experiment is not opened") == 1
    onnx.unlink()
    arms.follow(["b"])
    assert [*arms.hosts] == ["b"]
