"""`grapevine doctor`: what this machine has, what is missing, and how to get it."""

import importlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from grapevine.cli.output import Json, print_json, print_table

DISTRIBUTION = "grapevine-rec"
GIB = 2**30

Status = Literal["ok", "warn", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what was looked at.
        status: "ok"; "warn" where it will get in the way; "missing" where one can do without.
        found: what there is, in a few words.
        remedy: what to do about it, empty where nothing needs doing.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""


def doctor(json: Json = False) -> None:
    """What this machine has, what is missing, and how to get it."""
    findings = diagnose()
    if json:
        print_json([asdict(finding) for finding in findings])
        return
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "warn": "bold yellow", "missing": "dim"}
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        found = Text(finding.found, overflow="fold")
        if finding.remedy:
            found.append(f"\nhint: {finding.remedy}", "italic")
        table.add_row(Text(finding.status, colours[finding.status]), finding.name, found)
    print_table(table)


def diagnose() -> list[Finding]:
    """Everything worth knowing before a long run; takes the second or two that torch takes."""
    return [
        Finding("python", "ok", f"{platform.python_version()} at {sys.executable}"),
        Finding("platform", "ok", platform.platform()),
        Finding("cores", "ok", f"{_cores()} of {os.cpu_count()} may be used"),
        _memory(),
        _disk(Path.cwd()),
        *_requirements(),
        *_torch(),
        _matrix_units(),
        _kernel_cache(Path(__file__).parent.parent),
        _mirror(os.environ.get("GRAPEVINE_MIRROR")),
        *_extras(),
    ]


def _cores() -> int:
    # Inside a container the machine has more cores than the process may use.
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _memory(
    meminfo: Path = Path("/proc/meminfo"), limit: Path = Path("/sys/fs/cgroup/memory.max")
) -> Finding:
    if not meminfo.is_file():
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return Finding("memory", "ok", f"{total / GIB:.1f} GiB")
    kib = dict(re.findall(r"^(\w+):\s+(\d+) kB$", meminfo.read_text(), re.MULTILINE))
    total, free = int(kib["MemTotal"]) * 1024, int(kib["MemAvailable"]) * 1024
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text))
    found = f"{total / GIB:.1f} GiB, {min(free, total) / GIB:.1f} free"
    if free < 2 * GIB:
        return Finding("memory", "warn", found, "close other programs: the demo needs about 2 GiB")
    return Finding("memory", "ok", found)


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    found = f"{free / GIB:.1f} GiB free in {folder}"
    if free < 2 * GIB:
        return Finding("disk", "warn", found, "make room, or give --out a folder on another disk")
    return Finding("disk", "ok", found)


def _requirements() -> Iterator[Finding]:
    """What the package cannot do without: there, loadable, and of a version that it knows."""
    name, sound = "requirements", 0
    modules = {
        distribution.lower().replace("_", "-"): module
        for module, homes in sorted(metadata.packages_distributions().items())
        for distribution in homes
        if not module.startswith("_")
    }
    if not _installed(DISTRIBUTION):
        return
    for requirement in metadata.requires(DISTRIBUTION) or ():
        wanted, _, marker = requirement.partition(";")
        if "extra" in marker:
            continue
        match = re.match(r"[\w.-]+", wanted)
        package, limits = (match[0], wanted[match.end() :].strip()) if match else (wanted, "")
        if fault := _fault(package, modules.get(package.lower(), package), limits):
            yield Finding(name, "warn", fault, f"pip install {_pins()}'{wanted.strip()}'")
        else:
            sound += 1
    if sound:
        yield Finding(name, "ok", f"{sound} packages load, of versions that serve")


def _fault(package: str, module: str, limits: str) -> str:
    """What is wrong with a required package; empty if nothing is."""
    if not _installed(package):
        return f"{package} is not installed"
    version = metadata.version(package)
    for limit in filter(None, limits.split(",")):
        if not _within(version, limit.strip()):
            return f"{package} {version} is installed, and {limits} is needed"
    try:
        importlib.import_module(module)
    # Whatever a broken installation does when it is loaded, it is to be told, not passed on.
    except Exception as error:
        return f"{package} {version} does not load: {error}"
    return ""


def _within(version: str, limit: str) -> bool:
    """Whether a version meets `>=2.10` or `<3`; suffixes such as `+cpu` and `rc1` do not count."""
    match = re.match(r"(>=|<)([\d.]+)$", limit)
    if not match:  # of another kind than ours: pip looks at those
        return True
    have, bound = (
        [int(part) for part in re.findall(r"\d+", re.split(r"[^\d.]", text, maxsplit=1)[0])]
        for text in (version, match[2])
    )
    return have >= bound if match[1] == ">=" else have < bound


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("torch", "warn", str(error), f"pip install {_pins()}torch")
        return
    yield Finding("torch", "ok", str(torch.__version__))
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        found = (
            f"cuda: {torch.cuda.device_count()} x {card.name}, {card.total_memory / GIB:.0f} GiB"
        )
        yield Finding("device", "ok", found)
    elif torch.backends.mps.is_available():
        yield Finding("device", "ok", "mps")
    elif shutil.which("nvidia-smi"):
        remedy = "install the build for your driver: https://pytorch.org/get-started"
        yield Finding("device", "warn", "cpu, beside an NVIDIA card that torch cannot use", remedy)
    else:
        yield Finding("device", "ok", "cpu")
    threads, cores = torch.get_num_threads(), _cores()
    if threads > cores:
        remedy = f"set OMP_NUM_THREADS={cores}"
        yield Finding("threads", "warn", f"{threads} on {cores} cores, in each other's way", remedy)
    else:
        yield Finding("threads", "ok", str(threads))


def _matrix_units(cpuinfo: Path = Path("/proc/cpuinfo")) -> Finding:
    name = "bf16 matrix units"
    if not cpuinfo.is_file():
        return Finding(name, "missing", "not known on this system; float32 is used")
    match = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)
    flags = set(match[1].split()) if match else set[str]()
    if "amx_bf16" in flags:
        return Finding(name, "ok", "AMX")
    return Finding(name, "missing", "none in this processor; float32 is used")


def _kernel_cache(package: Path) -> Finding:
    """Where numba keeps compiled kernels: beside the source, or in the user's cache folder."""
    name = "kernel cache"
    given = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(given)] if given else [package / "graph", Path.home() / ".cache"]
    for place in places:
        standing = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
        if os.access(standing, os.W_OK):
            return Finding(name, "ok", f"writable: {place}")
    return Finding(
        name,
        "warn",
        f"not writable: {', '.join(map(str, places))}; kernels are compiled anew in every run",
        "set NUMBA_CACHE_DIR to a folder of yours",
    )


def _mirror(given: str | None) -> Finding:
    name = "GRAPEVINE_MIRROR"
    if not given:
        remedy = "set it to a folder with the public files to fetch datasets without the network"
        return Finding(name, "missing", "not set", remedy)
    folder = Path(given)
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        return Finding(name, "warn", f"{given} is not a readable folder", "correct it or unset it")
    count = sum(one.is_dir() for one in folder.iterdir())
    return Finding(name, "ok", f"{given}, {count} folders")


def _extras() -> Iterator[Finding]:
    """Each optional extra that the installed package names, and what it still lacks."""
    try:
        facts = metadata.metadata(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        yield Finding("extras", "warn", f"{DISTRIBUTION} is not installed", "pip install -e .")
        return
    pins = _pins()
    for extra in sorted(facts.get_all("Provides-Extra") or ()):
        lacking = [name for name in _members(extra) if not _installed(name)]
        if lacking:
            found = f"without {', '.join(lacking)}"
            what = f"-e '.[{extra}]'" if pins else f"'{DISTRIBUTION}[{extra}]'"
            remedy = f"pip install {pins}{what}"
            yield Finding(f"extra {extra}", "missing", found, remedy)
        else:
            yield Finding(f"extra {extra}", "ok", "installed")


def _pins(clone: Path = Path(__file__).parents[3]) -> str:
    """What `pip install` is given in a clone, so that it gets the versions that are tested."""
    return "-c constraints.txt " if (clone / "constraints.txt").is_file() else ""


def _members(extra: str) -> Iterator[str]:
    for requirement in metadata.requires(DISTRIBUTION) or ():
        wanted, _, marker = requirement.partition(";")
        if re.search(rf"extra\s*==\s*['\"]{re.escape(extra)}['\"]", marker):
            yield re.split(r"[^\w.-]", wanted.strip(), maxsplit=1)[0]


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
