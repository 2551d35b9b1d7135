"""Files are found, verified, converted and counted; what is wrong is said, nothing written."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from grapevine.data.fetch import convert, fetch
from grapevine.data.folder import open_dataset
from grapevine.data.schema import Schema
from grapevine.data.sources import SOURCES
from grapevine.data.sources.base import File, Files, Source, Tables, read_lists
from grapevine.errors import BundleError, ConfigError, DataError

TEXT = b"7 1 2\n8 2\n"


def tiny_convert(files: Files) -> Tables:
    events = read_lists(files["tiny.txt"]).with_columns(timestamp=pl.lit(0, pl.Int64))
    return Tables(schema=Schema(clock="none"), events=events)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


PACKED = gzip.compress(TEXT, mtime=0)

TINY = Source(
    name="tiny",
    title="Tiny",
    home="https://example.org/tiny",
    licence="none",
    cite="nobody",
    serves="tests",
    expected={"users": 2, "items": 2, "events": 3},
    convert=tiny_convert,
    files=(
        File(path="other/tiny.txt", sha256=sha256(TEXT), size=len(TEXT), gzipped=sha256(PACKED)),
    ),
)


def with_url(url: str, **changes: object) -> Source:
    return replace(TINY, files=(replace(TINY.files[0], url=url, **changes),))


@pytest.fixture(autouse=True)
def no_mirror_and_an_empty_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.delenv("GRAPEVINE_MIRROR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache / "grapevine/files"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An address and the folder behind it."""
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/tiny.txt", folder
    server.shutdown()
    thread.join()
    server.server_close()


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("folder", ["tiny", "other"])
@pytest.mark.parametrize(("suffix", "content"), [("", TEXT), (".gz", PACKED)])
def test_a_mirror_may_use_either_folder_and_either_form(tmp_path, folder, suffix, content):
    put(tmp_path / "mirror" / folder / f"tiny.txt{suffix}", content)
    out = convert(TINY, tmp_path / "out", tmp_path / "mirror")
    data = open_dataset(out)
    assert data.users.ids.to_list() == [7, 8]
    assert data.interactions.items.tolist() == [0, 1, 1]
    assert data.schema.name == "tiny"
    assert data.schema.source == "Tiny, https://example.org/tiny"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mirror", "out"]


def test_the_mirror_may_be_named_by_the_environment(tmp_path, monkeypatch):
    put(tmp_path / "mirror/tiny/tiny.txt", TEXT)
    monkeypatch.setenv("GRAPEVINE_MIRROR", str(tmp_path / "mirror"))
    assert len(open_dataset(convert(TINY, tmp_path / "out")).interactions) == 3


@pytest.mark.parametrize("place", range(len(PACKED)))
def test_any_flipped_byte_is_refused(tmp_path, place):
    damaged = bytearray(PACKED)
    damaged[place] ^= 0x40
    path = tmp_path / "mirror/tiny/tiny.txt.gz"
    put(path, bytes(damaged))
    with pytest.raises(BundleError) as caught:
        convert(TINY, tmp_path / "out", tmp_path / "mirror")
    for part in (str(path), TINY.files[0].gzipped, sha256(bytes(damaged))):
        assert part in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_wrong_counts_are_refused_by_name(tmp_path):
    put(tmp_path / "mirror/tiny/tiny.txt", TEXT)
    source = replace(TINY, expected={"users": 3, "events": 3, "buy events": 1})
    with pytest.raises(BundleError, match=r"users should be 3, got 2; buy events should be 1, got"):
        convert(source, tmp_path / "out", tmp_path / "mirror")
    assert not (tmp_path / "out").exists()


def test_the_publishers_own_files_are_taken_by_their_counts(tmp_path):
    def convert_own(files: Files) -> Tables:
        return tiny_convert({"tiny.txt": files["own.txt"]})

    put(tmp_path / "mirror/tiny/own.txt", TEXT)
    source = replace(TINY, original=(File(path="other/own.txt"),), convert=convert_own)
    assert len(open_dataset(convert(source, tmp_path / "a", tmp_path / "mirror")).users) == 2
    put(tmp_path / "mirror/tiny/own.txt", TEXT + b"9 1\n")
    with pytest.raises(BundleError, match="users should be 2, got 3"):
        convert(source, tmp_path / "b", tmp_path / "mirror")


@pytest.mark.parametrize("content", [b"7 one 2\n", b"\xff\xfe"])
def test_files_that_cannot_be_read_are_named(tmp_path, content):
    source = replace(TINY, original=(File(path="other/tiny.txt"),))
    put(tmp_path / "mirror/tiny/tiny.txt", content)
    with pytest.raises(BundleError, match=r"tiny.txt cannot be read as published: "):
        convert(source, tmp_path / "out", tmp_path / "mirror")
    assert not (tmp_path / "out").exists()


def test_a_download_is_verified_and_kept(tmp_path, site, no_mirror_and_an_empty_cache):
    url, folder = site
    (folder / "tiny.txt").write_bytes(TEXT)
    convert(with_url(url), tmp_path / "out")
    assert (no_mirror_and_an_empty_cache / "other/tiny.txt").read_bytes() == TEXT
    (folder / "tiny.txt").unlink()
    convert(with_url(url), tmp_path / "again")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.replace(b"8", b"9"), f"SHA-256 should be {sha256(TEXT)}, got"),
        (TEXT[:-1], f"SHA-256 should be {sha256(TEXT)}, got"),
        (TEXT + b"9 1\n", f"more than its {len(TEXT)} bytes"),
    ],
)
def test_a_wrong_download_is_refused_and_leaves_nothing(
    tmp_path, site, no_mirror_and_an_empty_cache, content, message
):
    url, folder = site
    (folder / "tiny.txt").write_bytes(content)
    with pytest.raises(BundleError, match=message):
        convert(with_url(url), tmp_path / "out")
    assert not [path for path in no_mirror_and_an_empty_cache.rglob("*") if path.is_file()]
    assert not (tmp_path / "out").exists()


def test_no_network_points_to_the_mirror(tmp_path, site):
    url, _ = site
    with pytest.raises(DataError, match=r"cannot be read: HTTP Error 404[\s\S]*--mirror DIR"):
        convert(with_url(url), tmp_path / "out")
    with pytest.raises(DataError, match=r"cannot be read:[\s\S]*put tiny.txt into DIR/tiny/"):
        convert(with_url("http://127.0.0.1:1/tiny.txt"), tmp_path / "out")


def test_without_a_mirror_a_set_without_an_address_says_where_to_get_it(tmp_path):
    with pytest.raises(DataError) as caught:
        fetch("ml-1m", tmp_path / "out")
    message = str(caught.value)
    for part in ("ratings.parquet", "grouplens.org", "ratings.dat, movies.dat", "--mirror DIR"):
        assert part in message
    with pytest.raises(DataError, match=r"user_artists.dat, artists.dat into DIR/lastfm/"):
        fetch("lastfm", tmp_path / "out")
    # What is a re-encoding cannot be got at its home: the message must not say so.
    with pytest.raises(
        DataError, match=r"cora.npz \(SHA-256 392d54.*\) in DIR/cora/; the set itse"
    ):
        fetch("cora", tmp_path / "out")


def test_a_misspelt_name_suggests_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match=r"no dataset is called `gowala`\nhint: did you mean `go"):
        fetch("gowala", tmp_path / "out")


def test_neither_an_existing_folder_nor_a_missing_mirror_is_accepted(tmp_path):
    put(tmp_path / "out/mine.txt", b"mine")
    with pytest.raises(ConfigError, match="is there already"):
        fetch("ml-1m", tmp_path / "out")
    with pytest.raises(ConfigError, match="is not a folder"):
        fetch("ml-1m", tmp_path / "new", tmp_path / "nowhere")


def test_every_source_says_what_it_must():
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.home.startswith("https://")
        assert source.title
        assert source.licence
        assert source.cite
        assert source.serves
        assert source.expected
        assert source.files or source.original
        assert all(len(file.sha256) == 64 and file.size > 0 for file in source.files)
        # What cannot be downloaded as it is has to say where it comes from.
        assert source.origin or all(file.url.startswith("https://") for file in source.files)
