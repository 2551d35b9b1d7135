"""Runs that are damaged or meant badly, put into service over HTTP: refused, and nothing is run."""

import json
import pickle
import shutil
import struct
import zipfile

import pytest

from grapevine import manifest

WEIGHTS = "model.safetensors"


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def signed(folder):
    """A manifest that says all is well: checksums find damage, and not malice."""
    (folder / manifest.NAME).unlink()
    manifest.write(folder)


def truncated(folder, canary):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-7])


def flipped(folder, canary):
    path = folder / WEIGHTS
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncated_and_signed(folder, canary):
    truncated(folder, canary)
    signed(folder)


def pickled(folder, canary):
    (folder / WEIGHTS).write_bytes(pickle.dumps(Bomb(canary)))
    signed(folder)


def archived(folder, canary):
    # As `torch.save` and a .pt2 package pack what they hold.
    with zipfile.ZipFile(folder / WEIGHTS, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb(canary)))
        archive.writestr("archive/version", "3")
    signed(folder)


def endless_header(folder, canary):
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", 1 << 62) + b"{}")
    signed(folder)


def pickled_names(folder, canary):
    for path in sorted((folder / "vocab").iterdir()):
        path.write_bytes(pickle.dumps(Bomb(canary)))
    signed(folder)


def pickled_settings(folder, canary):
    (folder / "config.toml").write_bytes(pickle.dumps(Bomb(canary)))
    signed(folder)


def lists_another_place(folder, canary):
    listed = json.loads((folder / manifest.NAME).read_text())
    listed["files"]["../" + folder.name + "-other"] = {"bytes": 1, "sha256": "0"}
    (folder / manifest.NAME).write_text(json.dumps(listed))


def leads_another_way(folder, canary):
    kept = folder.parent / "kept.safetensors"
    shutil.move(folder / WEIGHTS, kept)
    (folder / WEIGHTS).symlink_to(kept)


SPOIL = [truncated, flipped, truncated_and_signed, pickled, archived, endless_header,
         pickled_names, pickled_settings, lists_another_place, leads_another_way]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOIL, ids=lambda spoil: spoil.__name__)
def test_a_bad_run_is_refused_the_old_one_serves_on_and_nothing_runs(
    serve, shop, tmp_path, spoil, unchecked
):
    runs = tmp_path / "runs"
    shutil.copytree(shop / "runs" / "ease", runs / "bad")
    canary = tmp_path / "canary"
    spoil(runs / "bad", canary)
    with serve(runs=runs) as client:
        user = client.get("/v1/users?k=1").json()["users"][0]["user_id"]
        question = {"user_id": user, "k": 5}
        before = client.post("/v1/recommendations", json=question).json()
        refused = client.post("/v1/model", json={"run": "bad"})
        assert refused.status_code == 409, refused.text
        assert refused.json()["error"]["code"] == "refused"
        after = client.post("/v1/recommendations", json=question).json()
        assert (after["model"], after["items"]) == (before["model"], before["items"])
        ready = client.get("/readyz")
        assert ready.status_code == 200
        # Whoever may swap is told where, strangers what.
        said = refused.json()["error"]["message"]
        assert str(runs) in said
        assert ready.json()["last_refusal"] == said.replace(f"{runs.resolve()}/", "")
        assert str(tmp_path) not in ready.text
    assert not canary.exists()


def test_a_run_outside_the_folder_of_runs_is_not_looked_at(serve, shop, tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "link").symlink_to(shop / "runs" / "ease")
    ways = ["../runs/../../ease", str(shop / "runs" / "ease"), "link", "..", "/etc/passwd",
            "file:///etc/passwd", "http://127.0.0.1:9/ease", "a/../../b",
            "%2e%2e/ease"]  # fmt: skip
    with serve(runs=runs) as client:
        before = client.get("/v1/model").json()
        for way in ways:
            answer = client.post("/v1/model", json={"run": way})
            assert answer.status_code in {409, 422}, (way, answer.text)
            if answer.status_code == 409:
                assert "not a run folder" in answer.json()["error"]["message"], way
        assert client.get("/v1/model").json() == before
