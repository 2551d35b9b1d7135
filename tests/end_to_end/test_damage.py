"""Files that were cut short or lost a bit: every one refused by name, before a loader sees it."""

import pickle
import random
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pytest

import grapevine as gv
from grapevine import manifest
from grapevine.cli.app import run as grapevine
from grapevine.errors import BundleError
from grapevine.index.build import build
from grapevine.index.embed import embed, open_embeddings
from grapevine.index.folder import open_index, save
from grapevine.testing.worlds import checkerboard, world
from grapevine.training.checkpoints import Checkpoint, Checkpoints, Progress
from grapevine.views.graph import bipartite, open_graph, save_graph

MUTATIONS = 500
"""Of every kind of file, half of them cut and half with one bit flipped."""


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """One folder of each sort."""
    here = tmp_path_factory.mktemp("house")
    run = gv.fit("als", world(checkerboard(30, 24)), out=here / "run")
    embed(run, here / "vectors")
    given = open_embeddings(here / "vectors")
    for kind in ("flat", "ivf", "hnsw"):
        save(build(given.vectors, given.ids, kind=kind), here / kind)
    save_graph(bipartite(run.history, weights=[1.0]), here / "graph")
    state = {"weights": np.arange(60, dtype=np.float32), "steps": np.array([3])}
    best = {"weights": np.zeros(60, np.float32), "steps": np.array([2])}
    checkpoints(here).write(Checkpoint(Progress(steps=3), state, best))
    return here


def checkpoints(here):
    return Checkpoints(here / "checkpoints", {"model": "als"})


@dataclass(frozen=True)
class Kind:
    """Files of one kind, and what opens the folder they lie in."""

    folder: str
    files: tuple[str, ...]
    open: object


def _checkpoint(folder):
    return checkpoints(folder.parent.parent).latest()


SIDES = ("item", "context")
GRAPH = tuple(f"{side}_{part}.npy" for side in SIDES for part in ("offsets", "ends", "weights"))
STEP = "checkpoints/step-000000000003"
KINDS = {
    "weights": Kind("run", ("model.safetensors",), gv.open_run),
    "history": Kind("run", ("history.safetensors",), gv.open_run),
    "config": Kind("run", ("config.toml",), gv.open_run),
    "vocabulary": Kind(
        "run", ("vocab/users.parquet", "vocab/items.parquet", "vocab/schema.toml"), gv.open_run
    ),
    "vectors": Kind("vectors", ("vectors.npy", "user_vectors.npy"), open_embeddings),
    "ids": Kind("vectors", ("ids.parquet", "user_ids.parquet"), open_embeddings),
    "flat index": Kind("flat", ("vectors.npy", "added.npy", "deleted.npy"), open_index),
    "ivf index": Kind("ivf", ("index.faiss",), open_index),
    "hnsw index": Kind("hnsw", ("index.faiss",), open_index),
    "settings": Kind("ivf", ("settings.json", "ids.parquet"), open_index),
    "graph": Kind("graph", GRAPH, open_graph),
    "checkpoint": Kind(STEP, ("state.safetensors", "best.safetensors"), _checkpoint),
    "progress": Kind(STEP, ("progress.json",), _checkpoint),
    "manifest of a run": Kind("run", (manifest.NAME,), gv.open_run),
    "manifest of a graph": Kind("graph", (manifest.NAME,), open_graph),
    "manifest of an index": Kind("hnsw", (manifest.NAME,), open_index),
    "manifest of a checkpoint": Kind(STEP, (manifest.NAME,), _checkpoint),
}


def mutations(whole, draw):
    """Without end: the bytes cut short, and the bytes with one bit flipped, in turn."""
    while True:
        place = draw.randrange(len(whole))
        yield f"cut to {place} bytes", whole[:place]
        bit = draw.randrange(8)
        flipped = bytes([whole[place] ^ (1 << bit)])
        yield f"bit {bit} of byte {place}", whole[:place] + flipped + whole[place + 1 :]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_every_damaged_file_is_refused_by_name(house, name):
    kind = KINDS[name]
    folder = house / kind.folder
    kind.open(folder)
    for number, file in enumerate(kind.files):
        path = folder / file
        whole = path.read_bytes()
        drawn = mutations(whole, random.Random(f"{name} {number}"))
        try:
            for _ in range(-(-MUTATIONS // len(kind.files))):
                how, damaged = next(drawn)
                path.write_bytes(damaged)
                with pytest.raises(BundleError) as refused:
                    kind.open(folder)
                said = str(refused.value).splitlines()[0]
                assert path.name in said, f"{how}: {said}"
                assert any(word in said for word in ("damaged", "missing", "format")), said
        finally:
            path.write_bytes(whole)
    kind.open(folder)


@pytest.mark.parametrize(
    ("folder", "file", "arguments"),
    [
        ("run", "model.safetensors", ["recommend", "{}", "--user", "1"]),
        ("run", "history.safetensors", ["embed", "{}", "--out", "{}-out"]),
        ("run", "vocab/users.parquet", ["evaluate", "{}", "--data", "ml-1m"]),
        ("run", manifest.NAME, ["cite", "{}"]),
        ("vectors", "vectors.npy", ["index", "{}", "--out", "{}-out"]),
        ("vectors", "user_vectors.npy", ["index", "{}", "--out", "{}-out"]),
    ],
)
def test_the_command_line_says_so_and_leaves_with_2(house, capsys, folder, file, arguments):
    path = house / folder / file
    whole = path.read_bytes()
    draw = random.Random(file)
    try:
        for _, damaged in islice(mutations(whole, draw), 4):
            path.write_bytes(damaged)
            assert grapevine([one.format(house / folder) for one in arguments]) == 2
            said = capsys.readouterr().err
            assert path.name in said
            assert "Traceback" not in said
    finally:
        path.write_bytes(whole)


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize(
    ("folder", "file", "opened"),
    [
        ("run", "model.safetensors", gv.open_run),
        ("run", "history.safetensors", gv.open_run),
        ("run", "vocab/users.parquet", gv.open_run),
        ("run", "config.toml", gv.open_run),
        ("vectors", "user_vectors.npy", open_embeddings),
        ("ivf", "ids.parquet", open_index),
        ("graph", "item_ends.npy", open_graph),
        (STEP, "state.safetensors", _checkpoint),
    ],
)
def test_a_pickle_that_the_manifest_vouches_for_is_still_not_opened(
    house, tmp_path, folder, file, opened
):
    path, bomb = house / folder / file, tmp_path / "went-off"
    whole = path.read_bytes()
    try:
        path.write_bytes(pickle.dumps(Bomb(bomb)))
        manifest.write(house / folder)
        with pytest.raises(BundleError, match=path.name):
            opened(house / folder)
        assert not bomb.exists()
    finally:
        path.write_bytes(whole)
        manifest.write(house / folder)
    opened(house / folder)
