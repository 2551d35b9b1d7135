import json
import pickle

import numpy as np
import pytest

from grapevine import manifest
from grapevine.errors import BundleError, ConfigError
from grapevine.index import folder as folders
from grapevine.index.build import build
from grapevine.index.folder import open_index, save


@pytest.fixture(scope="module", params=["flat", "ivf", "hnsw", "pq"])
def index(request, clustered):
    made = build(clustered[:900], [f"i{row}" for row in range(900)], kind=request.param)
    return made.add(3 * clustered[900:905], ["a", "b", "c", "d", "e"]).delete(["i7", "b"])


@pytest.fixture
def saved(index, tmp_path):
    save(index, tmp_path / "index")
    return tmp_path / "index"


def test_an_opened_index_answers_as_the_one_that_was_saved(index, saved, queries):
    opened = open_index(saved)
    assert opened.settings == index.settings
    allow = np.arange(905) % 2 == 0
    for given in (None, allow):
        one, two = (i.search(queries, 12, allow=given) for i in (index, opened))
        assert (one.items == two.items).all()
        assert (one.scores == two.scores).all()
    assert opened.rows(["i7", "e", "i0"]).tolist() == [-1, 904, 0]
    assert len(opened) == len(index)


def test_the_vectors_are_mapped_and_not_read(saved):
    assert isinstance(open_index(saved).vectors, np.memmap)


def test_an_opened_index_grows_and_is_saved_again(saved, queries, tmp_path):
    more = open_index(saved).add(100 * queries[:1], ["new"]).delete(["a"])
    save(more, saved)  # over the very files that are mapped
    again = open_index(saved)
    assert again.take(again.search(queries[:1], 1).items[0]).to_list() == ["new"]
    assert again.rows(["a"]).tolist() == [-1]


def test_nothing_but_an_index_gives_way(index, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigError, match="is a file"):
        save(index, file)
    with pytest.raises(ConfigError, match="does not hold an index"):
        save(index, other)
    assert (other / "thesis.tex").read_text() == "mine"


def rewritten(folder, name, content):
    """A file changed by somebody who knows how to write a manifest."""
    (folder / name).write_bytes(content)
    manifest.write(folder)


def test_what_would_have_to_be_unpickled_is_refused(saved, tmp_path):
    bomb = tmp_path / "went-off"
    rewritten(saved, "vectors.npy", pickle.dumps(_Bomb(bomb)))
    with pytest.raises(BundleError, match=r"vectors\.npy: not what its name says"):
        open_index(saved)
    np.save(tmp_path / "odd.npy", np.array([_Bomb(bomb)], object), allow_pickle=True)
    rewritten(saved, "vectors.npy", (tmp_path / "odd.npy").read_bytes())
    with pytest.raises(BundleError, match=r"vectors\.npy: not what its name says"):
        open_index(saved)
    assert not bomb.exists()


class _Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.parquet", b"PAR1 nothing of the kind"),
        ("settings.json", b"{"),
        ("settings.json", b"[]"),
        ("settings.json", b'{"what": "index", "format": 1}'),
        ("added.npy", b""),
        ("deleted.npy", b"\x93NUMPY"),
    ],
)
def test_files_of_another_content_are_refused_by_name(saved, name, content):
    rewritten(saved, name, content)
    with pytest.raises(BundleError, match=name):
        open_index(saved)


def test_arrays_of_another_type_shape_or_length_are_refused(saved):
    whole = np.load(saved / "vectors.npy")
    for odd in (whole.astype(np.float64), whole[:, :5], whole.ravel()):
        np.save(saved / "vectors.npy", odd)
        manifest.write(saved)
        with pytest.raises(BundleError, match=r"vectors\.npy: not an array of float32"):
            open_index(saved)
    np.save(saved / "vectors.npy", whole[:-1])
    manifest.write(saved)
    with pytest.raises(BundleError, match="do not belong together"):
        open_index(saved)


def test_another_format_or_another_folder_is_named(saved, tmp_path):
    given = json.loads((saved / folders.SETTINGS).read_text())
    rewritten(saved, folders.SETTINGS, json.dumps({**given, "format": 2}).encode())
    with pytest.raises(BundleError, match="format 2: this version reads format 1"):
        open_index(saved)
    rewritten(saved, folders.SETTINGS, json.dumps({**given, "what": "embeddings"}).encode())
    with pytest.raises(BundleError, match="does not hold an index, but vectors of a run"):
        open_index(saved)
    with pytest.raises(BundleError, match="grapevine index DIR"):
        open_index(tmp_path)


def test_a_file_that_the_manifest_does_not_list_is_not_read(saved):
    listed = json.loads((saved / manifest.NAME).read_text())
    del listed["files"]["vectors.npy"]
    (saved / manifest.NAME).write_text(json.dumps(listed, indent=1) + "\n")
    with pytest.raises(BundleError, match=r"does not list `vectors\.npy`"):
        open_index(saved)


def test_a_file_beside_the_listed_ones_is_nobodys_business(saved):
    (saved / "notes.txt").write_text("built on a Saturday")
    open_index(saved)


def test_every_byte_is_hashed_once(saved, monkeypatch):
    hashed = []
    sha256 = manifest.sha256
    monkeypatch.setattr(manifest, "sha256", lambda path: hashed.append(path.name) or sha256(path))
    open_index(saved)
    assert sorted(hashed) == sorted(
        path.name for path in saved.iterdir() if "MANI" not in path.name
    )
