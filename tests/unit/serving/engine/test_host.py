"""Swaps: no answer of two versions, nothing left behind; bad runs refused while the old serves."""

import gc
import json
import os
import pickle
import re
import shutil
import threading
import weakref

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from grapevine import manifest
from grapevine.errors import CheckFailed
from grapevine.serving.engine import Asked, Happened, Host, Refused, Served
from grapevine.serving.engine.sanity import check

WEIGHTS = "model.safetensors"


@pytest.fixture
def host(run_of):
    return Host.start(run_of("sasrec"))


@pytest.fixture
def broken(run_of, tmp_path):
    """A copy of a run to break."""
    return shutil.copytree(run_of("sasrec", 1), tmp_path / "broken")


def signed(folder):
    """A manifest that says all is well."""
    (folder / manifest.NAME).unlink()
    manifest.write(folder)


def changed(folder, change):
    arrays = {name: one.copy() for name, one in load_file(folder / WEIGHTS).items()}
    change(arrays)
    save_file(arrays, folder / WEIGHTS)
    signed(folder)


def test_a_swap_changes_who_answers(host, run_of):
    before = host.current()
    done = host.swap(run_of("sasrec", 1))
    assert (done.before, done.version) == (before.version, host.current().version)
    assert done.version != done.before
    assert done.recall == 1.0
    assert 0 <= done.agreement <= 1
    assert host.refusal is None


@pytest.mark.slow
def test_fifty_swaps_under_threads_mix_no_versions(run_of):
    folders = [run_of("als"), run_of("ease")]
    host = Host.start(folders[0])
    asked = Asked(user_id="u03", k=6)
    want = {}
    for folder in folders:
        served = Served.open(folder)
        want[served.version] = served.answer(asked).items
    stop, failures, answers = threading.Event(), [], [0] * 4

    def ask(number):
        while not stop.is_set():
            try:
                with host.lease() as served:
                    answer = served.answer(asked)
                    if answer.version != served.version or answer.items != want[answer.version]:
                        failures.append(answer)
                answers[number] += 1
                stop.wait(0.005)  # else the swaps would wait for the interpreter alone
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    freed = []
    for number in range(50):
        freed.append(weakref.ref(host.current()))
        host.swap(folders[(number + 1) % 2])
        if number == 10:
            gc.collect()
            early = resident()
    stop.set()
    for thread in threads:
        thread.join()
    gc.collect()
    assert not failures
    assert min(answers) > 0
    assert not [one for one in freed if one() is not None]
    assert resident() < early + (32 << 20)


def resident():
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_version_in_use_stays_until_its_lease_ends(run_of):
    host = Host.start(run_of("als"))
    with host.lease() as held:
        done = host.swap(run_of("ease"), drain_seconds=0.01)
        assert host.current().version == done.version
        assert held.answer(Asked(user_id="u01")).version == done.before
        gone = weakref.ref(held)
    del held
    gc.collect()
    assert gone() is None


def nan_items(folder):
    changed(folder, lambda arrays: arrays["items"].__setitem__((2, 1), np.nan))


def nan_layer(folder):
    changed(folder, lambda arrays: arrays["network.last.weight"].__setitem__(0, np.nan))


def zeros(folder):
    def nothing(arrays):
        for name in [*arrays]:
            if arrays[name].dtype == np.float32:
                arrays[name] = np.zeros_like(arrays[name])

    changed(folder, nothing)


def narrow(folder):
    changed(folder, lambda arrays: arrays.update({"items": arrays["items"][:, :3].copy()}))


def other_layers(folder):
    changed(folder, lambda a: a.update({"network.items.weight": np.ones((3, 3), np.float32)}))


def missing(folder):
    changed(folder, lambda arrays: arrays.pop("met"))


def truncated(folder):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])


def truncated_and_signed(folder):
    truncated(folder)
    signed(folder)


def flipped(folder):
    path = folder / WEIGHTS
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def pickled(folder):
    (folder / WEIGHTS).write_bytes(pickle.dumps(Bomb(folder / "canary")))
    signed(folder)


def outside(folder):
    listed = json.loads((folder / manifest.NAME).read_text())
    listed["files"]["../" + folder.name + "-other"] = {"bytes": 1, "sha256": "0"}
    (folder / manifest.NAME).write_text(json.dumps(listed, indent=1) + "\n")


BAD = {
    nan_items: "is not finite",
    nan_layer: "`network.last.weight` of .* holds what is no number",
    zeros: "scores all items alike for every user",
    narrow: "not put into service",
    other_layers: "not put into service",
    missing: "missing: met",
    truncated: "damaged",
    truncated_and_signed: "not what its name says",
    flipped: "SHA-256 is not the one",
    pickled: "not what its name says",
    outside: "outside its folder",
    shutil.rmtree: "not a run folder",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_bad_runs_are_refused_and_the_old_one_serves_on(host, broken, spoil, unchecked):
    before = host.current()
    answer = host.answer(Asked(user_id="u03"))
    spoil(broken)
    with pytest.raises(Refused, match=BAD[spoil]):
        host.swap(broken)
    assert host.current() is before
    assert host.answer(Asked(user_id="u03")).items == answer.items
    assert host.refusal is not None
    assert host.refusal[0] == str(broken)
    assert re.search(BAD[spoil], host.refusal[1])
    assert not (broken / "canary").exists()


def test_a_run_of_another_catalogue_is_refused(run_of, tmp_path):
    import grapevine as gv
    from grapevine.testing.worlds import checkerboard, world

    host = Host.start(run_of("ease"))
    gv.fit("ease", world(checkerboard()), out=tmp_path / "integers")
    with pytest.raises(Refused, match="item IDs of"):
        host.swap(tmp_path / "integers")
    named = [(f"u{u}", f"other{i}") for u, i in checkerboard()]
    gv.fit("ease", world(named), out=tmp_path / "names")
    with pytest.raises(Refused, match="0 of the 41 items in service"):
        host.swap(tmp_path / "names")


def test_an_index_that_finds_too_little_is_refused(served_of, monkeypatch):
    def blindly(asks, count, allowed, hidden):
        rows = np.argsort(asks.whole())[:count]
        return rows, asks.scores(rows)

    assert check(served_of("als"), None).recall == 1
    monkeypatch.setattr("grapevine.serving.engine.ways.Asks.best", blindly)
    with pytest.raises(CheckFailed, match=r"finds 0\.0\d of the exact best 10"):
        check(served_of("als"), None)


def test_recorded_questions_warm_a_new_version_up_and_can_be_forgotten(host, run_of):
    host.answer(Asked(user_id="u03"))
    host.answer(Asked(user_id="nobody", history=[Happened("i03")]))
    assert host.forget("u03") == 1
    assert host.forget("u03") == 0
    host.swap(run_of("sasrec", 1))
