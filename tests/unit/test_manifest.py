import json
import random

import pytest

from grapevine import manifest
from grapevine.errors import BundleError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b.txt").write_text("grapes")
    manifest.write(tmp_path)
    return tmp_path


def test_an_untouched_folder_passes_and_may_gain_files(folder):
    (folder / "report.json").write_text("{}")
    manifest.verify(folder)


def test_every_flipped_byte_and_every_cut_is_refused_by_name(folder):
    draw = random.Random(0)
    for name in ("a.bin", "below/b.txt"):
        path = folder / name
        whole = path.read_bytes()
        for _ in range(20):
            place = draw.randrange(len(whole))
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(BundleError, match=path.name):
                manifest.verify(folder)
            path.write_bytes(whole[:place])
            with pytest.raises(BundleError, match=path.name):
                manifest.verify(folder)
        path.write_bytes(whole)
    manifest.verify(folder)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"files": 3}', '{"files": {"a.bin": {}}}', '{"files": {"a.bin": 1}}']
)
def test_a_damaged_manifest_is_refused(folder, text):
    (folder / manifest.NAME).write_text(text)
    with pytest.raises(BundleError, match=r"MANIFEST\.json: damaged"):
        manifest.verify(folder)


def test_a_manifest_cannot_point_outside_its_folder(folder):
    listed = json.loads((folder / manifest.NAME).read_text())
    listed["files"]["../secret"] = {"bytes": 0, "sha256": "00"}
    (folder / manifest.NAME).write_text(json.dumps(listed))
    with pytest.raises(BundleError, match="outside"):
        manifest.verify(folder)


def test_a_missing_manifest_says_what_it_is_for(tmp_path):
    with pytest.raises(BundleError, match="is this a run folder"):
        manifest.verify(tmp_path)
