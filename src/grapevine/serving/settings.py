"""What a service is told when it starts, and which of it does not go together."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from grapevine.config import check_bounds
from grapevine.errors import ConfigError


def beside(run: Path) -> Path | None:
    """The user side of a run as ONNX, if it lies beside the run under the same name.

    So a run that is swapped in brings its own: `runs/vine-2`, and `runs/vine-2.onnx`.
    """
    path = run.with_name(run.name + ".onnx")
    return path if path.is_file() else None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a service listens, what it keeps, and what it refuses."""

    run: Path
    """The run folder to begin with."""
    index: Path | None = None
    """Its index, where there is one."""
    onnx: Path | None = None
    """Its user side as a file of ONNX; if not given, `RUN.onnx` where that is there."""
    store: str = "sqlite:///grapevine.db"
    """Where events are kept: `sqlite:///FILE` or `postgresql+psycopg://...`."""
    host: str = "127.0.0.1"
    """Address to listen at. One that others can reach is refused where no API key is there."""
    port: int = 8000
    """To listen at; 0 takes a free one."""
    runs: Path | None = None
    """Folder below which other runs may be put into service; that of `run` if not given."""
    rate: int = 0
    """Requests a minute for each key, or address without one; 0 for any number."""
    waiting: int = 128
    """Requests that may be under way at once; more are told to come again (503)."""
    body: int = 1 << 20
    """Bytes of a request, at most."""
    retention_days: int = 0
    """Events and exposures older than this are removed each day; 0 keeps all."""
    log_requests: bool = False
    """A line in the log for each request, not just for those that went badly."""
    stop_seconds: float = field(default=10.0)
    """How long requests under way may take when the service is stopped."""

    def __post_init__(self) -> None:
        check_bounds(self, "serve", "waiting", "body", least=1)
        check_bounds(self, "serve", "port", "rate", "retention_days", "stop_seconds", least=0)

    @property
    def public(self) -> bool:
        """Whether others than this machine can reach it."""
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True

    @property
    def runs_root(self) -> Path:
        """The folder below which every run that is put into service must lie."""
        return (self.runs or self.run.parent).resolve()

    def within_root(self, given: str) -> Path:
        """The folder of a run that somebody names over HTTP.

        Raises:
            ConfigError: it lies elsewhere.
        """
        root = self.runs_root
        try:
            path = (root / given).resolve()
            if path.is_relative_to(root):
                path.exists()
        except (OSError, ValueError) as error:  # too long a name, or one with a zero in it
            raise ConfigError(
                "no run that can be looked at is called so",
                hint="name a run below the folder of runs, such as `vine-2`",
            ) from error
        if not path.is_relative_to(root):
            raise ConfigError(
                f"`{given}` lies outside the folder of runs",
                hint="name a run below it, such as `vine-2`; `grapevine serve --runs` chooses it",
            )
        return path
