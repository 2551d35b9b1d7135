import io
import json
import pickle
import random

import numpy as np
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
    rewrite(folder, listed)
    with pytest.raises(BundleError, match="outside"):
        manifest.verify(folder)


def test_flipped_bits_and_cuts_of_the_manifest_itself_are_refused(folder):
    path = folder / manifest.NAME
    whole = path.read_bytes()
    for place in [*range(0, len(whole), 11), len(whole) - 1]:
        for bit in range(8):
            flipped = bytes([whole[place] ^ (1 << bit)])
            path.write_bytes(whole[:place] + flipped + whole[place + 1 :])
            with pytest.raises(BundleError):
                manifest.verify(folder)
        path.write_bytes(whole[:place])
        with pytest.raises(BundleError, match=r"MANIFEST\.json"):
            manifest.verify(folder)


def test_sizes_of_another_type_are_damage_and_not_a_fault(folder):
    listed = json.loads((folder / manifest.NAME).read_text())
    listed["files"]["a.bin"]["bytes"] = "256"
    rewrite(folder, listed)
    with pytest.raises(BundleError, match=r"MANIFEST\.json: damaged"):
        manifest.verify(folder)


def test_a_later_format_is_named(folder):
    rewrite(folder, {**json.loads((folder / manifest.NAME).read_text()), "format": 2})
    with pytest.raises(BundleError, match="format 2: this version reads format 1"):
        manifest.verify(folder)


def test_what_will_be_read_must_be_listed(folder):
    (folder / "report.json").write_text("{}")
    manifest.verify(folder, "a.bin", "below/b.txt")
    with pytest.raises(BundleError, match=r"does not list `report\.json`"):
        manifest.verify(folder, "a.bin", "report.json")


def test_whatever_a_reader_raises_becomes_one_error_that_names_the_file(tmp_path):
    odd, known = r"a\.npy: not what its name says: odd", "as it was"
    with pytest.raises(BundleError, match=odd), manifest.reading(tmp_path / "a.npy"):
        raise OSError("odd")
    with pytest.raises(BundleError, match=known), manifest.reading(tmp_path / "a.npy"):
        raise BundleError("as it was")


def test_an_array_is_mapped_and_anything_else_refused_by_name(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(5))
    assert isinstance(manifest.open_array(path), np.memmap)
    archive = io.BytesIO()
    np.savez(archive, a=np.arange(5))
    objects = io.BytesIO()
    np.save(objects, np.array([{}], object))
    for odd in (objects.getvalue(), archive.getvalue(), pickle.dumps([1]), b""):
        (tmp_path / "b.npy").write_bytes(odd)
        with pytest.raises(BundleError, match=r"b\.npy: not what its name says: .+"):
            manifest.open_array(tmp_path / "b.npy")


def rewrite(folder, listed):
    """A manifest with every byte in its place, whatever it lists."""
    (folder / manifest.NAME).write_text(json.dumps(listed, indent=1) + "\n")


def test_a_missing_manifest_says_what_it_is_for(tmp_path):
    with pytest.raises(BundleError, match="is this a run folder"):
        manifest.verify(tmp_path)
