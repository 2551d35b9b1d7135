import json
from importlib import metadata

import pytest

from grapevine.cli import doctor
from grapevine.cli.doctor import diagnose

MEMINFO = "MemTotal:       16777216 kB\nMemFree:  10 kB\nMemAvailable:    8388608 kB\n"


@pytest.fixture
def named():
    return {finding.name: finding for finding in diagnose()}


def test_what_every_machine_has_is_found(named):
    assert named["python"].status == "ok"
    assert named["torch"].found == metadata.version("torch")
    assert int(named["threads"].found.split()[0]) >= 1
    assert {"platform", "cores", "memory", "disk", "device", "kernel cache"} <= set(named)


def test_every_finding_that_needs_a_hand_says_which(named):
    assert not [f for f in named.values() if f.status == "warn" and not f.remedy]


def test_json_is_one_document(capsys):
    doctor.doctor(json=True)
    document = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in document] == [finding.name for finding in diagnose()]
    assert {row["status"] for row in document} <= {"ok", "warn", "missing"}


def test_the_table_keeps_brackets_of_a_remedy(capsys, monkeypatch):
    # `[docs]` would be read as a colour and vanish.
    found = doctor.Finding("extra docs", "missing", "none", "pip install 'x[docs]'")
    monkeypatch.setattr(doctor, "diagnose", lambda: [found])
    doctor.doctor()
    assert "pip install 'x[docs]'" in capsys.readouterr().out


def test_memory_is_what_the_container_may_use(tmp_path):
    meminfo, limit = tmp_path / "meminfo", tmp_path / "memory.max"
    meminfo.write_text(MEMINFO)
    assert doctor._memory(meminfo, limit).found == "16.0 GiB, 8.0 free"
    limit.write_text("max\n")
    assert doctor._memory(meminfo, limit).found == "16.0 GiB, 8.0 free"
    limit.write_text(f"{4 * 2**30}\n")
    assert doctor._memory(meminfo, limit).found == "4.0 GiB, 4.0 free"


def test_little_memory_is_said(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(MEMINFO.replace("8388608", "1048576"))
    finding = doctor._memory(meminfo, tmp_path / "none")
    assert (finding.status, finding.found) == ("warn", "16.0 GiB, 1.0 free")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("flags\t\t: fpu avx512_bf16 amx_bf16 amx_tile", "ok"),
        ("flags\t\t: fpu avx2", "missing"),
        ("Features\t: fp asimd", "missing"),
        ("processor\t: 0", "missing"),
    ],
)
def test_matrix_units_are_read_from_the_flags(tmp_path, line, status):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"vendor_id\t: X\n{line}\n")
    assert doctor._matrix_units(cpuinfo).status == status


def test_a_mirror_is_a_folder_that_can_be_read(tmp_path):
    assert doctor._mirror(None).status == "missing"
    assert doctor._mirror(str(tmp_path / "nowhere")).status == "warn"
    (tmp_path / "ml-1m").mkdir()
    assert doctor._mirror(str(tmp_path)).found == f"{tmp_path}, 1 folders"


def test_kernels_need_a_place_to_be_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "not" / "yet"))
    assert doctor._kernel_cache(tmp_path).status == "ok"
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert doctor._kernel_cache(tmp_path).remedy == "set NUMBA_CACHE_DIR to a folder of yours"


def test_an_extra_names_what_it_lacks(monkeypatch):
    requires = ["numpy>=2", 'numpy>=2; extra == "here"', "no-such-thing[x]>=1; extra == 'away'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: requires)
    monkeypatch.setattr(
        doctor.metadata,
        "metadata",
        lambda _: type("Facts", (), {"get_all": lambda *_: ["here", "away"]}),
    )
    away, here = doctor._extras()
    assert (away.status, away.found) == ("missing", "without no-such-thing")
    assert away.remedy == "pip install -c constraints.txt -e '.[away]'"
    assert here.status == "ok"
    monkeypatch.setattr(doctor, "_pins", lambda: "")  # not a clone
    assert next(doctor._extras()).remedy == "pip install 'grapevine-rec[away]'"


def test_a_required_package_must_be_there_load_and_be_of_a_known_version(monkeypatch, tmp_path):
    (tmp_path / "broken_one.py").write_text("raise RuntimeError('built for another python')")
    monkeypatch.syspath_prepend(tmp_path)
    requires = [
        "numpy>=2.0",
        "polars<1,>=0.1",
        "no-such-thing>=1",
        "broken-one",
        "pytest; extra == 'dev'",
    ]
    version = doctor.metadata.version
    monkeypatch.setattr(doctor.metadata, "requires", lambda _: requires)
    monkeypatch.setattr(
        doctor.metadata, "version", lambda name: "1.0" if name == "broken-one" else version(name)
    )
    monkeypatch.setattr(
        doctor.metadata,
        "packages_distributions",
        lambda: {"numpy": ["numpy"], "polars": ["polars"], "broken_one": ["broken_one"]},
    )
    old, lacking, broken, sound = doctor._requirements()
    assert {old.status, lacking.status, broken.status} == {"warn"}
    assert old.found == f"polars {version('polars')} is installed, and <1,>=0.1 is needed"
    assert old.remedy == "pip install -c constraints.txt 'polars<1,>=0.1'"
    assert lacking.found == "no-such-thing is not installed"
    assert broken.found == "broken-one 1.0 does not load: built for another python"
    assert (sound.status, sound.found.split()[0]) == ("ok", "1")


@pytest.mark.parametrize(
    ("version", "limit", "met"),
    [
        ("2.10.0", ">=2.9", True),
        ("2.9", ">=2.10", False),
        ("2.13.0+cpu", "<3", True),
        ("3.0.0", "<3", False),
        ("3.0rc1", "<3", False),
        ("1.0", "!=1.0", True),
    ],
)
def test_versions_are_compared_number_by_number(version, limit, met):
    assert doctor._within(version, limit) is met


def test_all_that_the_package_needs_is_looked_at(named):
    assert named["requirements"].status == "ok"
